//! The layers of `src`: a module names only modules of strictly lower layers; the files of one
//! folder name each other without a cycle, `mod.rs` included. A new file must be listed here, or
//! the test fails.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::std_instead_of_alloc,
    reason = "tests"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The layers from the lowest to the highest: files of `src`, and folders (with `/` at the end) for all
/// files below them that no lower layer lists.
const LAYERS: &[&[&str]] = &[
    // Vocabulary and byte loops.
    &["role.rs", "opcode.rs", "close_code.rs", "instant.rs", "entropy.rs", "kernel/"],
    // Errors of the core, messages, `host:port`, the count of memory.
    &[
        "error/config.rs",
        "error/extension.rs",
        "error/io.rs",
        "error/protocol.rs",
        "error/send.rs",
        "message/",
        "authority.rs",
        "budget.rs",
    ],
    // Settings, frame headers, URLs, HTTP/1.1.
    &["config/", "frame.rs", "url.rs", "http1/"],
    // permessage-deflate.
    &["deflate/"],
    // Input, events, and the arguments of a connection.
    &["event.rs", "input.rs", "inbox/", "prepared/", "stats.rs", "agreed/"],
    &["negotiated.rs"],
    // The protocol after the opening handshake.
    &["connection/"],
    // The opening handshake.
    &["handshake/"],
    // Buffers, deadlines, back-pressure, the end of the transport; the handshake with types of `http`.
    &["driver/", "http/"],
    // Errors of the adapters.
    &["error/adapter.rs"],
    // Code that the adapters share.
    &["adapter/"],
    // The adapters, and the public module of all errors.
    &["blocking/", "tokio/", "error/mod.rs"],
    // WebSockets on a hyper server, and over HTTP/2.
    &["h2/", "hyper/"],
    // Docs and re-exports.
    &["lib.rs", "guide.rs"],
];

/// A place where one module names another.
#[derive(Debug)]
struct Naming {
    file: String,
    line: usize,
    named: Vec<String>,
}

fn src() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// All files under `src`, with `/` between, sorted.
fn files(folder: &Path, prefix: &str, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let path = format!("{prefix}{name}");
        if entry.file_type().unwrap().is_dir() {
            files(&entry.path(), &format!("{path}/"), found);
        } else if name.ends_with(".rs") {
            found.insert(path);
        }
    }
}

/// The layer of a file: an index of [`LAYERS`].
fn layer(file: &str) -> Option<usize> {
    LAYERS.iter().position(|places| {
        places.iter().any(|place| match place.strip_suffix('/') {
            Some(_) => file.starts_with(place),
            None => file == *place,
        })
    })
}

/// The folder that a file lies in directly under `src`, or the file itself.
fn folder(file: &str) -> &str {
    file.split('/').next().unwrap()
}

/// The line without its comment and without quoted text. Lines that continue a quoted text name no
/// modules here.
fn code(line: &str) -> String {
    let mut code = String::new();
    let mut in_quotes = false;
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' if in_quotes => drop(chars.next()),
            '"' => in_quotes = !in_quotes,
            _ if in_quotes => {}
            '/' if chars.peek() == Some(&'/') => break,
            c => code.push(c),
        }
    }
    code
}

/// Every `crate::a::b` in a file, as far as it is lower case.
fn namings(file: &str, text: &str) -> Vec<Naming> {
    let mut found = Vec::new();
    for (i, line) in text.lines().enumerate() {
        let line_code = code(line);
        for (at, _) in line_code.match_indices("crate::") {
            let before = line_code[..at].chars().next_back();
            if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '$') {
                continue;
            }
            // `pub(in crate::a)` sets the visibility of an item and uses no item of `a`.
            if line_code[..at].ends_with("pub(in ") {
                continue;
            }
            let path = &line_code[at + "crate::".len()..];
            let end = path
                .find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':'))
                .unwrap_or(path.len());
            let named = path[..end].split("::").filter(|s| !s.is_empty()).map(str::to_owned);
            found.push(Naming { file: file.to_owned(), line: i + 1, named: named.collect() });
        }
    }
    found
}

/// The file of a path of modules: the longest prefix that is a file.
fn named_file(named: &[String], files: &BTreeSet<String>) -> Option<String> {
    (1..=named.len()).rev().find_map(|n| {
        let path = named[..n].join("/");
        [format!("{path}.rs"), format!("{path}/mod.rs")].into_iter().find(|f| files.contains(f))
    })
}

fn read_all() -> (BTreeSet<String>, Vec<Naming>) {
    let mut found = BTreeSet::new();
    files(&src(), "", &mut found);
    let namings = found
        .iter()
        .flat_map(|file| namings(file, &std::fs::read_to_string(src().join(file)).unwrap()))
        .collect();
    (found, namings)
}

/// Each violation as a line with its location.
fn breaches(files: &BTreeSet<String>, namings: &[Naming]) -> Vec<String> {
    let mut breaches = Vec::new();
    for file in files {
        if layer(file).is_none() {
            breaches.push(format!("src/{file}: in no layer; list it in tests/project/layers.rs"));
        }
    }
    // The names among the files of one folder.
    let mut inside: BTreeMap<String, BTreeMap<String, usize>> = BTreeMap::new();
    for Naming { file, line, named } in namings {
        let at = format!("src/{file}:{line}");
        let Some(own) = layer(file) else { continue };
        let Some(target) = named_file(named, files) else {
            if file != "lib.rs" {
                let path = named.join("::");
                breaches.push(format!(
                    "{at}: crate::{path} is no module: write the path out, root re-exports are \
                     for users"
                ));
            }
            continue;
        };
        let Some(other) = layer(&target) else { continue };
        if target == *file {
            continue;
        }
        if target.contains('/') && folder(&target) == folder(file) {
            inside.entry(file.clone()).or_default().entry(target).or_insert(*line);
        } else if other >= own {
            breaches.push(format!("{at}: names src/{target}, which is in no lower layer"));
        }
    }
    breaches.extend(circles(&inside));
    breaches
}

/// Cycles among the files of one folder and the folders below it.
fn circles(inside: &BTreeMap<String, BTreeMap<String, usize>>) -> Vec<String> {
    let mut found = Vec::new();
    for start in inside.keys() {
        // All modules that `start` reaches.
        let (mut reached, mut left) = (BTreeSet::new(), vec![start]);
        while let Some(file) = left.pop() {
            for (target, line) in inside.get(file).into_iter().flatten() {
                if target == start {
                    found.push(format!("src/{file}:{line}: names src/{start} in a circle"));
                } else if reached.insert(target) {
                    left.push(target);
                }
            }
        }
    }
    found
}

#[test]
fn a_module_names_only_lower_layers() {
    let (files, namings) = read_all();
    assert!(files.len() > 20 && namings.len() > 80, "the files were not found or not understood");
    let breaches = breaches(&files, &namings);
    assert!(breaches.is_empty(), "\n{}\n", breaches.join("\n"));
}

/// Paths start at the crate: `super::` only for items of the same file.
#[test]
fn no_module_names_a_neighbour_by_super() {
    let (files, _) = read_all();
    for file in files {
        let text = std::fs::read_to_string(src().join(&file)).unwrap();
        for (i, line) in text.lines().enumerate() {
            let line = code(line);
            assert!(
                !line.starts_with("use super::") && !line.starts_with("pub use super::"),
                "src/{file}:{}: write the path out from crate::",
                i + 1
            );
        }
    }
}

/// The adapters use the public API of the driver only, so any other event loop can, too.
#[test]
fn no_item_of_the_driver_is_for_the_adapters_alone() {
    let (files, _) = read_all();
    let mut read = 0;
    for file in files.iter().filter(|file| file.starts_with("driver/")) {
        read += 1;
        let text = std::fs::read_to_string(src().join(file)).unwrap();
        assert!(!text.contains("pub(crate)") && !text.contains("pub(in crate"), "src/{file}");
    }
    assert!(read > 5);
}

/// lib.rs contains only docs, modules and re-exports.
#[test]
fn lib_rs_contains_only_docs_modules_and_re_exports() {
    let text = std::fs::read_to_string(src().join("lib.rs")).unwrap();
    for (i, line) in text.lines().enumerate() {
        let line = code(line);
        for item in ["fn ", "struct ", "enum ", "impl ", "trait ", "static ", "macro_rules!"] {
            let trimmed = line.trim_start().trim_start_matches("pub ");
            // The doctests of the README need an item.
            let readme = trimmed == "struct Readme;";
            assert!(readme || !trimmed.starts_with(item), "src/lib.rs:{}: {line}", i + 1);
        }
    }
}

/// Files that may name the feature `deflate`, and the number of lines, in addition to `deflate/`
/// and the modules with two variants.
const NAME_DEFLATE: &[(&str, usize)] = &[
    // Public methods that exist with the feature only.
    ("negotiated.rs", 1),
    ("prepared/mod.rs", 1),
    ("connection/state.rs", 1),
    ("handshake/accept.rs", 1),
    ("handshake/connect.rs", 1),
    ("handshake/connect_response.rs", 1),
    // Variants that only the decoder makes.
    ("connection/fault.rs", 1),
    // Private items that only the decoder or the negotiation uses.
    ("http1/lists.rs", 1),
    ("inbox/mod.rs", 1),
    ("input.rs", 1),
    ("kernel/utf8.rs", 1),
    // The module itself.
    ("lib.rs", 1),
];

/// Files that may name the feature `rustls`, and the number of lines.
const NAME_RUSTLS: &[(&str, usize)] = &[
    // `Connector::tls`, with its type.
    ("tokio/connector.rs", 4),
];

/// Files that may name the feature `h2`, and the number of lines, in addition to `h2/` and the modules
/// with two variants.
const NAME_H2: &[(&str, usize)] = &[
    // The ALPN protocol, and the config that offers it.
    ("tokio/tls/offer.rs", 1),
    ("tokio/tls/on.rs", 5),
    ("tokio/tls/off.rs", 1),
    // The module itself, and its document.
    ("lib.rs", 1),
    ("guide.rs", 1),
];

/// Returns the number of modules with two variants. They select `on` or `off` by the feature; their
/// callers need no `cfg`.
fn modules_with_two_variants(feature: &str, named: &[(&str, usize)]) -> usize {
    let (files, _) = read_all();
    let own = format!("{feature}/");
    let mut two_variants = 0;
    for file in files.iter().filter(|file| !file.starts_with(&own)) {
        let text = std::fs::read_to_string(src().join(file)).unwrap();
        let found = text.matches(&format!("feature = \"{feature}\"")).count();
        if let Some(folder) = file.strip_suffix("mod.rs")
            && files.contains(&format!("{folder}off.rs"))
        {
            two_variants += usize::from(found > 0);
            continue;
        }
        let listed = named.iter().find(|(listed, _)| listed == file);
        assert_eq!(found, listed.map_or(0, |(_, n)| *n), "src/{file}: lines with {feature}");
    }
    two_variants
}

#[test]
fn compression_is_switched_in_modules_with_two_variants() {
    assert_eq!(modules_with_two_variants("deflate", NAME_DEFLATE), 7);
}

#[test]
fn tls_is_switched_in_a_module_with_two_variants() {
    assert_eq!(modules_with_two_variants("rustls", NAME_RUSTLS), 1);
}

#[test]
fn http2_is_switched_in_modules_with_two_variants() {
    assert_eq!(modules_with_two_variants("h2", NAME_H2), 2);
}

/// The test of the test: it finds known violations.
#[test]
fn violations_are_found() {
    let all: BTreeSet<String> = [
        "role.rs",
        "error/send.rs",
        "frame.rs",
        "connection/mod.rs",
        "connection/a.rs",
        "connection/b.rs",
        "connection/c.rs",
        "lib.rs",
    ]
    .map(str::to_owned)
    .into();
    let check = |file: &str, text: &str| {
        let mut all = all.clone();
        all.insert(file.to_owned());
        breaches(&all, &namings(file, text))
    };
    assert_eq!(
        check("frame.rs", "use crate::role::Role;\nuse crate::error::send::Error;"),
        [""; 0]
    );
    for (file, text, line) in [
        ("role.rs", "\nuse crate::error::send::Error;", "src/role.rs:2: names src/error/send.rs"),
        ("error/send.rs", "use crate::frame::X;", "src/error/send.rs:1: names src/frame.rs"),
        (
            "message/a.rs",
            "use crate::error::send::X;",
            "src/message/a.rs:1: names src/error/send.rs",
        ),
        ("frame.rs", "let x = (crate::connection::b::X);", "src/frame.rs:1: names"),
        ("frame.rs", "use crate::Role;", "src/frame.rs:1: crate::Role is no module"),
        ("frame.rs", "use crate::{role::Role};", "src/frame.rs:1: crate:: is no module"),
        ("new.rs", "", "src/new.rs: in no layer"),
    ] {
        let found = check(file, text);
        assert!(found.len() == 1 && found[0].starts_with(line), "{found:?}");
    }
    for fine in [
        "// crate::connection::X",
        "let s = \"crate::connection::X\";",
        "mycrate::connection::X",
        "pub(in crate::connection) struct X;",
    ] {
        assert_eq!(check("role.rs", fine), [""; 0]);
    }
    let folder = |texts: [&str; 4]| {
        let names = ["connection/mod.rs", "connection/a.rs", "connection/b.rs", "connection/c.rs"];
        let all_namings: Vec<Naming> =
            names.iter().zip(texts).flat_map(|(file, text)| namings(file, text)).collect();
        breaches(&all, &all_namings)
    };
    let parent = "use crate::connection::Connection;";
    // A `mod.rs` is checked as any other file.
    assert_eq!(folder(["use crate::connection::a::A;", "", "", ""]), [""; 0]);
    assert_eq!(folder(["", parent, parent, parent]), [""; 0]);
    let circle = folder(["use crate::connection::a::A;", parent, "", ""]);
    assert_eq!(circle.len(), 2, "{circle:?}");
    assert!(
        circle[0].starts_with("src/connection/mod.rs:1: names src/connection/a.rs in a circle")
    );
    assert_eq!(
        folder(["", "use crate::connection::b::B;", "use crate::connection::c::C;", ""]),
        [""; 0]
    );
    let circle = folder([
        "",
        "use crate::connection::b::B;",
        "use crate::connection::c::C;",
        "\nuse crate::connection::a::A;",
    ]);
    assert_eq!(circle.len(), 3, "{circle:?}");
    assert!(circle[0].starts_with("src/connection/c.rs:2: names src/connection/a.rs in a circle"));
}
