//! The floors of the design: a module names only modules of strictly lower floors; inside one folder
//! any order without a circle. A new file is listed here, on its floor, or the test fails.

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

/// Files of `src`, and folders with all that is in them, by floor. Not all of them exist yet.
const FLOORS: &[(u8, &[&str])] = &[
    // The vocabulary, and the byte loops.
    (0, &["role.rs", "opcode.rs", "close_code.rs", "instant.rs", "entropy.rs", "kernel/"]),
    // Errors and their tables; data and messages; `host:port`; the count of memory.
    (1, &["error.rs", "message/", "authority.rs", "budget.rs"]),
    // Settings, frame headers, URLs, HTTP/1.1.
    (2, &["config.rs", "frame.rs", "url.rs", "http1/"]),
    // permessage-deflate.
    (3, &["deflate/"]),
    // What goes in and comes out.
    (4, &["event.rs", "input.rs", "inbox/", "prepared/", "stats.rs", "negotiated/"]),
    (5, &["connection/"]),
    (6, &["handshake/"]),
    // Buffers, deadlines, back-pressure, the end of the transport.
    (7, &["driver/"]),
    // Shared by the adapters.
    (8, &["adapter/"]),
    // The adapters.
    (9, &["blocking/", "tokio/"]),
    // Docs and re-exports.
    (10, &["lib.rs"]),
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

fn floor(file: &str) -> Option<u8> {
    FLOORS.iter().find_map(|(floor, places)| {
        places
            .iter()
            .any(
                |place| if place.ends_with('/') { file.starts_with(place) } else { file == *place },
            )
            .then_some(*floor)
    })
}

/// The folder that a file lies in directly under `src`, or the file itself.
fn room(file: &str) -> &str {
    file.split('/').next().unwrap()
}

/// The line without its comment and without what stands in quotes. Lines that go on inside of
/// quotes name no modules here.
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

/// The file that a path of modules means: the longest beginning that is one.
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

/// Each breach as a line that says where.
fn breaches(files: &BTreeSet<String>, namings: &[Naming]) -> Vec<String> {
    let mut breaches = Vec::new();
    for file in files {
        if floor(file).is_none() {
            breaches.push(format!("src/{file}: on no floor; list it in tests/floors.rs"));
        }
    }
    // Who names whom among the files of one folder.
    let mut inside: BTreeMap<String, BTreeMap<String, usize>> = BTreeMap::new();
    for Naming { file, line, named } in namings {
        let at = format!("src/{file}:{line}");
        let Some(own) = floor(file) else { continue };
        let Some(target) = named_file(named, files) else {
            if own < 10 {
                let path = named.join("::");
                breaches.push(format!(
                    "{at}: crate::{path} is no module: write the path out, root re-exports are \
                     for users"
                ));
            }
            continue;
        };
        let Some(other) = floor(&target) else { continue };
        if target == *file {
            continue;
        }
        if target.contains('/') && room(&target) == room(file) {
            inside.entry(file.clone()).or_default().entry(target).or_insert(*line);
        } else if other >= own {
            breaches.push(format!(
                "{at}: floor {own} names src/{target} on floor {other}: only lower floors"
            ));
        }
    }
    breaches.extend(circles(&inside));
    breaches
}

/// Circles among the files of a folder. A `mod.rs` and the files beside it form one room: they may
/// name each other; the others may not name each other in a circle.
fn circles(inside: &BTreeMap<String, BTreeMap<String, usize>>) -> Vec<String> {
    let mut found = Vec::new();
    for start in inside.keys().filter(|file| !file.ends_with("/mod.rs")) {
        // All that `start` reaches.
        let (mut reached, mut left) = (BTreeSet::new(), vec![start]);
        while let Some(file) = left.pop() {
            for (target, line) in inside.get(file).into_iter().flatten() {
                if target.ends_with("/mod.rs") {
                    continue;
                }
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
fn a_module_names_only_lower_floors() {
    let (files, namings) = read_all();
    assert!(files.len() > 20 && namings.len() > 80, "the files were not found or not understood");
    let breaches = breaches(&files, &namings);
    assert!(breaches.is_empty(), "\n{}\n", breaches.join("\n"));
}

/// Paths are written out from the crate: `super::` only for what stands in the same file.
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

/// lib.rs is docs, modules and re-exports, nothing else.
#[test]
fn lib_rs_holds_nothing_else() {
    let text = std::fs::read_to_string(src().join("lib.rs")).unwrap();
    for (i, line) in text.lines().enumerate() {
        let line = code(line);
        for item in ["fn ", "struct ", "enum ", "impl ", "trait ", "static ", "macro_rules!"] {
            let trimmed = line.trim_start().trim_start_matches("pub ");
            // The README's doctests hang on something.
            let readme = trimmed == "struct Readme;";
            assert!(readme || !trimmed.starts_with(item), "src/lib.rs:{}: {line}", i + 1);
        }
    }
}

/// Files that may name the feature `deflate`, and on how many lines, beside `deflate/` and the
/// modules with two bodies.
const NAME_DEFLATE: &[(&str, usize)] = &[
    // Public methods that exist with the feature only.
    ("connection/mod.rs", 1),
    ("handshake/accept.rs", 1),
    ("handshake/connect.rs", 1),
    ("handshake/connect_response.rs", 1),
    // Private items that only the decoder or the negotiation uses.
    ("http1/lists.rs", 1),
    ("inbox/mod.rs", 1),
    ("input.rs", 1),
    ("kernel/utf8.rs", 1),
    // The module itself.
    ("lib.rs", 1),
];

/// A module with two bodies chooses between `on` and `off`; its callers need no `cfg`.
#[test]
fn compression_is_switched_in_modules_with_two_bodies() {
    let (files, _) = read_all();
    let mut two_bodied = 0;
    for file in files.iter().filter(|file| !file.starts_with("deflate/")) {
        let text = std::fs::read_to_string(src().join(file)).unwrap();
        let found = text.matches("feature = \"deflate\"").count();
        if let Some(folder) = file.strip_suffix("mod.rs")
            && files.contains(&format!("{folder}off.rs"))
        {
            two_bodied += 1;
            continue;
        }
        let listed = NAME_DEFLATE.iter().find(|(listed, _)| listed == file);
        assert_eq!(found, listed.map_or(0, |(_, n)| *n), "src/{file}: lines with the feature");
    }
    assert_eq!(two_bodied, 5);
}

/// The test itself: it finds what it must find.
#[test]
fn breaches_are_found() {
    let all: BTreeSet<String> = [
        "role.rs",
        "error.rs",
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
    assert_eq!(check("frame.rs", "use crate::role::Role;\nuse crate::error::Error;"), [""; 0]);
    for (file, text, line) in [
        ("role.rs", "\nuse crate::error::Error;", "src/role.rs:2: floor 0 names src/error.rs"),
        ("error.rs", "use crate::frame::X;", "src/error.rs:1: floor 1 names src/frame.rs"),
        ("message/a.rs", "use crate::error::X;", "src/message/a.rs:1: floor 1 names src/error.rs"),
        ("frame.rs", "let x = (crate::connection::b::X);", "src/frame.rs:1: floor 2 names"),
        ("frame.rs", "use crate::Role;", "src/frame.rs:1: crate::Role is no module"),
        ("frame.rs", "use crate::{role::Role};", "src/frame.rs:1: crate:: is no module"),
        ("new.rs", "", "src/new.rs: on no floor"),
    ] {
        let found = check(file, text);
        assert!(found.len() == 1 && found[0].starts_with(line), "{found:?}");
    }
    for fine in
        ["// crate::connection::X", "let s = \"crate::connection::X\";", "mycrate::connection::X"]
    {
        assert_eq!(check("role.rs", fine), [""; 0]);
    }
    let room = |texts: [&str; 4]| {
        let names = ["connection/mod.rs", "connection/a.rs", "connection/b.rs", "connection/c.rs"];
        let all_namings: Vec<Naming> =
            names.iter().zip(texts).flat_map(|(file, text)| namings(file, text)).collect();
        breaches(&all, &all_namings)
    };
    let parent = "use crate::connection::Connection;";
    assert_eq!(room(["use crate::connection::a::A;", parent, parent, parent]), [""; 0]);
    assert_eq!(
        room(["", "use crate::connection::b::B;", "use crate::connection::c::C;", ""]),
        [""; 0]
    );
    let circle = room([
        "",
        "use crate::connection::b::B;",
        "use crate::connection::c::C;",
        "\nuse crate::connection::a::A;",
    ]);
    assert_eq!(circle.len(), 3, "{circle:?}");
    assert!(circle[0].starts_with("src/connection/c.rs:2: names src/connection/a.rs in a circle"));
}
