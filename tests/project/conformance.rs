//! The tables of `docs/conformance/` are complete: each row has its rule and its section, and names functions
//! and tests that exist; each id in the name of a test has a row. `docs/conformance/README.md` describes the
//! format.

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

/// Rows below this heading have no function and no test.
const NOT_BUILT: &str = "Not built yet";

/// Rows below this heading have a reason in place of function and test.
const LEFT_TO_OTHERS: &str = "Left to the application";

/// Words in names of tests that have the form of an id, but are types and protocols.
const LOOKALIKES: &[&str] = &["u8", "u16", "u32", "u64", "i32", "i64", "h2", "h3"];

/// The fewest words of a rule.
const MIN_WORDS: usize = 5;

/// A row of a table.
struct Row {
    /// The file of the table, and the line in it.
    place: String,
    /// The last heading above.
    heading: String,
    /// In upper case, as in the table.
    ids: Vec<String>,
    rule: String,
    section: String,
    /// Function and test, or the reason why there is none.
    proof: Vec<String>,
}

impl Row {
    fn is_built(&self) -> bool {
        self.heading != NOT_BUILT && self.heading != LEFT_TO_OTHERS
    }
}

/// The rows of one document.
fn rows(name: &str, text: &str, faults: &mut Vec<String>) -> Vec<Row> {
    let (mut heading, mut rows) = (String::new(), Vec::new());
    for (number, line) in text.lines().enumerate() {
        if let Some(title) = line.strip_prefix('#') {
            title.trim_start_matches('#').trim().clone_into(&mut heading);
        }
        let Some(line) = line.strip_prefix('|') else { continue };
        let cells: Vec<String> =
            line.trim_end().trim_end_matches('|').split('|').map(|c| c.trim().to_owned()).collect();
        if cells[0] == "id" || cells[0].starts_with("--") {
            continue;
        }
        let place = format!("{name}:{}", number + 1);
        let [ids, rule, section, proof @ ..] = &cells[..] else {
            faults.push(format!("{place}: a row needs an id, a rule and a section"));
            continue;
        };
        rows.push(Row {
            place,
            heading: heading.clone(),
            ids: ids.split(", ").map(str::to_owned).collect(),
            rule: rule.clone(),
            section: section.clone(),
            proof: proof.to_vec(),
        });
    }
    rows
}

/// The letters of an id, for example `hs` of `hs12`; `None` for a word of another form.
fn family(id: &str) -> Option<&str> {
    let at = id.find(|c: char| c.is_ascii_digit())?;
    let (family, number) = id.split_at(at);
    let is_id = (1..=2).contains(&family.len())
        && family.bytes().all(|b| b.is_ascii_alphabetic())
        && number.bytes().all(|b| b.is_ascii_digit());
    is_id.then_some(family)
}

/// Checks the ids, the texts and the number of cells, without the sources.
fn check_text(rows: &[Row], faults: &mut Vec<String>) {
    let mut seen = BTreeSet::new();
    for row in rows {
        let Row { place, ids, rule, section, proof, .. } = row;
        let file = place.split(':').next().unwrap();
        for id in ids {
            if family(id).is_none() || id.bytes().any(|b| b.is_ascii_lowercase()) {
                faults.push(format!("{place}: {id:?} is not an id"));
            }
            if !seen.insert((file, id)) {
                faults.push(format!("{place}: {id} has two rows in this file"));
            }
        }
        if rule.split_whitespace().filter(|word| word.contains(char::is_alphabetic)).count()
            < MIN_WORDS
        {
            faults.push(format!("{place}: {} has no rule in words", ids.join(", ")));
        }
        // An RFC is followed by its section.
        let is_complete = section.split("RFC ").skip(1).all(|rest| {
            let mut words = rest.split([' ', ',', ';']);
            words.next().is_some_and(|n| n.len() == 4 && n.bytes().all(|b| b.is_ascii_digit()))
                && words.next().is_some_and(|w| w.starts_with(|c: char| c.is_ascii_digit()))
        });
        if !section.contains(char::is_alphabetic) || !is_complete {
            faults.push(format!("{place}: {} has no section", ids.join(", ")));
        }
        let expected = match row.heading.as_str() {
            NOT_BUILT => 0,
            LEFT_TO_OTHERS => 1,
            _ => 2,
        };
        if proof.len() != expected || proof.iter().any(String::is_empty) {
            faults.push(format!(
                "{place}: {} has {} cells after the section, below {:?} it needs {expected}",
                ids.join(", "),
                proof.len(),
                row.heading,
            ));
        }
    }
}

/// A file, and the names after it in a cell.
struct Named {
    file: String,
    names: Vec<String>,
}

/// The files and names in a cell: `` `file.rs`: `a`, `Type::b`; `other.rs`: `Type::{c, d}` ``.
fn named(cell: &str) -> Vec<Named> {
    let mut found: Vec<Named> = Vec::new();
    for quoted in cell.split('`').skip(1).step_by(2) {
        let is_file = Path::new(quoted)
            .extension()
            .is_some_and(|e| ["rs", "py", "mjs"].iter().any(|known| e == *known));
        if is_file {
            found.push(Named { file: quoted.to_owned(), names: Vec::new() });
        } else if let Some(last) = found.last_mut() {
            let (path, names) = quoted.rsplit_once("::").unwrap_or(("", quoted));
            let names = names.trim_matches(['{', '}']).split(", ");
            last.names
                .extend(path.split("::").chain(names).filter(|n| !n.is_empty()).map(str::to_owned));
        }
    }
    found
}

/// Files by their path, with `/` between the folders.
struct Sources(BTreeMap<String, String>);

impl Sources {
    fn read(folders: &[&str]) -> Self {
        let mut found = BTreeMap::new();
        for folder in folders {
            add_sources(Path::new(env!("CARGO_MANIFEST_DIR")), folder.into(), &mut found);
        }
        Self(found)
    }

    /// The file of this path, else the only one whose path ends with it.
    fn resolve(&self, name: &str) -> Result<(&str, &str), String> {
        if let Some((path, text)) = self.0.get_key_value(name) {
            return Ok((path, text));
        }
        let end = format!("/{name}");
        let found: Vec<(&str, &str)> = self
            .0
            .iter()
            .filter(|(path, _)| path.ends_with(&end))
            .map(|(path, text)| (path.as_str(), text.as_str()))
            .collect();
        match found[..] {
            [one] => Ok(one),
            [] => Err(format!("no file {name}")),
            _ => {
                let paths: Vec<&str> = found.iter().map(|(path, _)| *path).collect();
                Err(format!("{name} is one of {}: name its folder too", paths.join(", ")))
            }
        }
    }
}

fn add_sources(root: &Path, folder: PathBuf, found: &mut BTreeMap<String, String>) {
    for entry in std::fs::read_dir(root.join(&folder)).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let path = folder.join(&name);
        if entry.file_type().unwrap().is_dir() {
            // Helpers, and the output of tools.
            if !["common", "target", "node_modules", "venv"].contains(&name.as_str()) {
                add_sources(root, path, found);
            }
        } else if [".rs", ".py", ".mjs"].iter().any(|end| name.ends_with(end)) {
            let text = std::fs::read_to_string(root.join(&path)).unwrap();
            found.insert(path.to_str().unwrap().replace('\\', "/"), text);
        }
    }
}

/// Whether `text` contains `word`, other than as a part of a longer one.
fn has_word(text: &str, word: &str) -> bool {
    let is_part = |c: char| c == '_' || c.is_alphanumeric();
    text.match_indices(word).any(|(at, _)| {
        !text[..at].ends_with(is_part) && !text[at + word.len()..].starts_with(is_part)
    })
}

/// Whether `text` defines `name`: a function, a type, a constant, or methods of a type.
fn defines(text: &str, name: &str) -> bool {
    let is_item = |line: &str| {
        ["fn ", "struct ", "enum ", "trait ", "const ", "impl", "macro_rules! "]
            .iter()
            .any(|item| has_item(line, item, name))
    };
    text.lines().any(is_item)
}

fn has_item(line: &str, item: &str, name: &str) -> bool {
    line.split_once(item).is_some_and(|(before, rest)| {
        // In `impl From<A> for B` the name may be anywhere, in other items it is the first word.
        let before_is_qualifier = before.split_whitespace().all(|word| {
            word.starts_with("pub")
                || ["const", "async", "unsafe", "(crate)"].contains(&word)
                || word.ends_with(')')
        });
        let named = if item == "impl" { rest } else { identifier(rest) };
        before_is_qualifier && has_word(named, name)
    })
}

/// The identifier that `text` begins with.
fn identifier(text: &str) -> &str {
    text.split(|c: char| c != '_' && !c.is_alphanumeric()).next().unwrap()
}

/// The names of the functions in `text` that are tests.
fn tests(text: &str) -> Vec<&str> {
    let (mut is_test, mut found) = (false, Vec::new());
    for line in text.lines().map(str::trim_start) {
        if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
            is_test = true;
        } else if is_test && let Some((_, rest)) = line.split_once("fn ") {
            found.push(identifier(rest));
            is_test = false;
        }
    }
    found
}

/// Checks that the functions and tests of the rows exist.
fn check_names(rows: &[Row], code: &Sources, proof: &Sources, faults: &mut Vec<String>) {
    for row in rows.iter().filter(|row| row.is_built()) {
        let [functions, tests_cell] = &row.proof[..] else { continue };
        let place = format!("{}: {}", row.place, row.ids.join(", "));
        let (functions, named_tests) = (named(functions), named(tests_cell));
        if functions.is_empty() || functions.iter().any(|named| named.names.is_empty()) {
            faults.push(format!("{place} names no function, or a file without one"));
        }
        for Named { file, names } in &functions {
            match code.resolve(file) {
                Ok((path, text)) => {
                    for name in names.iter().filter(|name| !defines(text, name)) {
                        faults.push(format!("{place} names {name}, which is not in {path}"));
                    }
                }
                Err(fault) => faults.push(format!("{place}: {fault}")),
            }
        }
        if named_tests.is_empty() {
            faults.push(format!("{place} names no test"));
        }
        for Named { file, names } in &named_tests {
            // Unit tests are in the files that they test.
            let sources = if file.starts_with("src/") { code } else { proof };
            match sources.resolve(file) {
                // A script is one test.
                Ok((path, _)) if !path.ends_with(".rs") => {}
                Ok((path, _)) if names.is_empty() => {
                    faults.push(format!("{place} names no test of {path}"));
                }
                Ok((path, text)) => {
                    let tests = tests(text);
                    for name in names.iter().filter(|name| !tests.contains(&name.as_str())) {
                        faults.push(format!("{place} names {name}, which is not a test of {path}"));
                    }
                }
                Err(fault) => faults.push(format!("{place}: {fault}")),
            }
        }
    }
}

/// Checks that each id in the name of a test has a row. The first words of a name are ids if they
/// have the form of one; later words only if the tables have their family.
fn check_ids<'a>(
    rows: &[Row],
    sources: impl Iterator<Item = (&'a String, &'a String)>,
    faults: &mut Vec<String>,
) {
    let built: BTreeSet<String> = rows
        .iter()
        .filter(|row| row.heading != NOT_BUILT)
        .flat_map(|row| &row.ids)
        .map(|id| id.to_ascii_lowercase())
        .collect();
    let families: BTreeSet<&str> = built.iter().filter_map(|id| family(id)).collect();
    for (path, text) in sources {
        for test in tests(text) {
            let mut leads = true;
            for word in test.split('_') {
                let family = family(word).filter(|_| !LOOKALIKES.contains(&word));
                leads &= family.is_some();
                if family.is_some_and(|f| leads || families.contains(f)) && !built.contains(word) {
                    faults.push(format!(
                        "{path}: {test}: {word} has no row, or one that is not built"
                    ));
                }
            }
        }
    }
}

fn documents() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/conformance");
    let mut documents: Vec<(String, String)> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| !path.ends_with("README.md"))
        .map(|path| {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            (name, std::fs::read_to_string(path).unwrap())
        })
        .collect();
    documents.sort();
    documents
}

fn all_rows(faults: &mut Vec<String>) -> Vec<Row> {
    documents().iter().flat_map(|(name, text)| rows(name, text, faults)).collect()
}

fn report(faults: &[String]) {
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn each_row_has_an_id_a_rule_and_a_section() {
    let mut faults = Vec::new();
    let rows = all_rows(&mut faults);
    assert!(rows.len() > 200, "the tables were not found");
    check_text(&rows, &mut faults);
    report(&faults);
}

#[test]
fn each_row_names_functions_and_tests_that_exist() {
    let mut faults = Vec::new();
    let rows = all_rows(&mut faults);
    let (code, proof) =
        (Sources::read(&["src", "crates", "examples"]), Sources::read(&["tests", "crates"]));
    check_names(&rows, &code, &proof, &mut faults);
    report(&faults);
}

#[test]
fn each_id_in_the_name_of_a_test_has_a_row() {
    let mut faults = Vec::new();
    let rows = all_rows(&mut faults);
    let sources = Sources::read(&["src", "crates", "examples", "tests"]);
    check_ids(&rows, sources.0.iter(), &mut faults);
    report(&faults);
}

#[test]
fn the_index_links_to_each_table() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/conformance/README.md");
    let index = std::fs::read_to_string(path).unwrap();
    for (name, text) in documents() {
        assert!(index.contains(&format!("({name})")), "no link to {name}");
        let mut faults = Vec::new();
        for id in rows(&name, &text, &mut faults).iter().flat_map(|row| &row.ids) {
            let family = family(id).unwrap();
            assert!(
                index.contains(&format!("| {family} |")),
                "the index explains no family {family}"
            );
        }
    }
}

/// Each check finds its kind of fault.
#[test]
fn faults_are_found() {
    let sources = |files: &[(&str, &str)]| {
        Sources(files.iter().map(|(p, t)| ((*p).to_owned(), (*t).to_owned())).collect())
    };
    let code = sources(&[
        (
            "src/a/mod.rs",
            "pub(crate) const fn keep() {}\nimpl<T> Drop for Held<T> {\n    fn keeper() {}",
        ),
        ("src/b/mod.rs", "enum E {}\n#[cfg(test)]\n    #[test]\n    fn f1_inside() {}"),
    ]);
    let proof = sources(&[
        ("tests/a/frames.rs", "#[test]\nfn f1_f2_whole() {}\nfn helper() {}"),
        ("tests/b/frames.rs", "#[tokio::test(start_paused = true)]\nasync fn u16_about_f1() {}"),
    ]);
    let faults = |rule: &str, section: &str, proof_cells: &str, heading: &str| {
        let text = format!(
            "## {heading}\n| id | rule |\n|---|---|\n| F1 | {rule} | {section} |{proof_cells}\n"
        );
        let mut faults = Vec::new();
        let rows = rows("core.md", &text, &mut faults);
        check_text(&rows, &mut faults);
        check_names(&rows, &code, &proof, &mut faults);
        check_ids(&rows, proof.0.iter().chain(&code.0), &mut faults);
        faults
    };
    let rule = "one rule in five words";
    let cells = " `a/mod.rs`: `keep`, `Held::keeper` | `a/frames.rs`: `f1_f2_whole` |";
    let f2 = "tests/a/frames.rs: f1_f2_whole: f2 has no row, or one that is not built";
    assert_eq!(faults(rule, "RFC 6455 5.2", cells, "Frames"), [f2]);
    let inside = " `b/mod.rs`: `E` | `src/b/mod.rs`: `f1_inside` |";
    assert_eq!(faults(rule, "RFC 6455 5.2; choice", inside, "Frames"), [f2]);

    for (rule, section, cells, heading, fault) in [
        ("", "RFC 6455 5.2", cells, "Frames", "core.md:4: F1 has no rule in words"),
        ("as above - - -", "RFC 6455 5.2", cells, "Frames", "core.md:4: F1 has no rule in words"),
        (rule, "", cells, "Frames", "core.md:4: F1 has no section"),
        (rule, "RFC 6455", cells, "Frames", "core.md:4: F1 has no section"),
        (rule, "RFC 6455, RFC 7692 7", cells, "Frames", "core.md:4: F1 has no section"),
        (
            rule,
            "RFC 6455 5.2",
            " `a/mod.rs`: `kee` | `a/frames.rs`: `f1_f2_whole` |",
            "Frames",
            "core.md:4: F1 names kee, which is not in src/a/mod.rs",
        ),
        (
            rule,
            "RFC 6455 5.2",
            " `mod.rs`: `keep` | `a/frames.rs`: `f1_f2_whole` |",
            "Frames",
            "core.md:4: F1: mod.rs is one of src/a/mod.rs, src/b/mod.rs: name its folder too",
        ),
        (
            rule,
            "RFC 6455 5.2",
            " `a/mod.rs` | `a/frames.rs`: `f1_f2_whole` |",
            "Frames",
            "core.md:4: F1 names no function, or a file without one",
        ),
        (
            rule,
            "RFC 6455 5.2",
            " `a/mod.rs`: `keep` | the types |",
            "Frames",
            "core.md:4: F1 names no test",
        ),
        (
            rule,
            "RFC 6455 5.2",
            " `a/mod.rs`: `keep` | `frames.rs`: `f1_f2_whole` |",
            "Frames",
            "core.md:4: F1: frames.rs is one of tests/a/frames.rs, tests/b/frames.rs: name its folder too",
        ),
        (
            rule,
            "RFC 6455 5.2",
            " `a/mod.rs`: `keep` | `a/frames.rs`: `helper` |",
            "Frames",
            "core.md:4: F1 names helper, which is not a test of tests/a/frames.rs",
        ),
        (
            rule,
            "RFC 6455 5.2",
            " `a/mod.rs`: `keep` |",
            "Frames",
            "core.md:4: F1 has 1 cells after the section, below \"Frames\" it needs 2",
        ),
        (
            rule,
            "RFC 6455 5.2",
            cells,
            NOT_BUILT,
            "core.md:4: F1 has 2 cells after the section, below \"Not built yet\" it needs 0",
        ),
        (
            rule,
            "RFC 6455 5.2",
            "",
            NOT_BUILT,
            "tests/a/frames.rs: f1_f2_whole: f1 has no row, or one that is not built",
        ),
        (
            rule,
            "RFC 6455 5.2",
            "",
            LEFT_TO_OTHERS,
            "core.md:4: F1 has 0 cells after the section, below \"Left to the application\" it needs 1",
        ),
    ] {
        let found = faults(rule, section, cells, heading);
        assert!(found.iter().any(|f| f == fault), "{fault:?} is not among {found:#?}");
    }
    assert!(faults("| F1", "", "", "Frames").len() > 1);
}
