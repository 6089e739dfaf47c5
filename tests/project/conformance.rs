//! The tables of `docs/conformance*.md` name functions and tests that exist.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use std::path::Path;

/// What stands between backticks, in order.
fn quoted(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

/// Each function that a cell names, with its file:
/// `` `file.rs`: `a`, `Type::b`; `other.rs`: `Type::{c, d}` ``.
fn named(cell: &str) -> Vec<(&str, &str)> {
    let (mut file, mut found) = ("", Vec::new());
    for name in quoted(cell) {
        if name.ends_with(".rs") {
            file = name;
        } else if !file.is_empty() {
            let name = name.rsplit("::").next().unwrap();
            let names = name.trim_matches(['{', '}']).split(", ");
            found.extend(names.map(|name| (file, name)));
        }
    }
    found
}

#[test]
fn every_function_and_test_that_the_tables_name_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (mut rows, mut missing) = (0, Vec::new());
    for entry in std::fs::read_dir(root.join("docs")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if !name.starts_with("conformance") {
            continue;
        }
        for line in std::fs::read_to_string(&path).unwrap().lines() {
            let cells: Vec<&str> = line.trim_matches('|').split(" | ").collect();
            let [.., kept, test] = cells[..] else { continue };
            if quoted(test).is_empty() {
                continue;
            }
            rows += 1;
            let kept = named(kept).into_iter().map(|named| ("src", named));
            // Unit tests stand at the bottom of their files.
            let test = named(test).into_iter().map(|named| {
                (if root.join("tests").join(named.0).exists() { "tests" } else { "src" }, named)
            });
            for (folder, (file, name)) in kept.chain(test) {
                let text =
                    std::fs::read_to_string(root.join(folder).join(file)).unwrap_or_default();
                if !["fn", "struct", "enum", "const", "impl"]
                    .iter()
                    .any(|item| text.contains(&format!("{item} {name}")))
                {
                    missing.push(format!("{folder}/{file}: {name}"));
                }
            }
        }
    }
    assert!(rows > 50, "the tables were not found");
    assert!(missing.is_empty(), "named, but not there:\n{}", missing.join("\n"));
}
