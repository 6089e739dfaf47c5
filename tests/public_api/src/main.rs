//! Prints the public API of a crate: `sansocket_public_api TARGET/doc/sansocket.json`.
//!
//! Left out are blanket implementations, auto traits, and the functions of implementations of foreign traits, whose
//! signatures the trait dictates. Derived implementations are listed: the loss of one breaks users.
//!
//! Exit status 3: this version of rustdoc writes a format that the library cannot read.

use std::error::Error;
use std::process::ExitCode;

const HEAD: &str = "\
# The public API with all features, on Linux. The gate compares it: a change of the API shows in the diff.
# To update: .ci/public-api --update
";

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let path = std::env::args().nth(1).ok_or("argument: the JSON file of rustdoc")?;
    let text = std::fs::read_to_string(&path)?;
    let json: serde_json::Value = serde_json::from_str(&text)?;
    let format = json.get("format_version").and_then(serde_json::Value::as_u64);
    if format != Some(rustdoc_types::FORMAT_VERSION.into()) {
        let reads = rustdoc_types::FORMAT_VERSION;
        eprintln!(
            "rustdoc writes JSON of format {}, this program reads {reads}: take the matching versions in tests/public_api/Cargo.toml",
            format.unwrap_or_default()
        );
        return Ok(ExitCode::from(3));
    }

    let api = public_api::Builder::from_rustdoc_json(path)
        .omit_blanket_impls(true)
        .omit_auto_trait_impls(true)
        .build()?;
    print!("{HEAD}");
    // The type of the implementation of a foreign trait whose items follow.
    let mut foreign: Option<String> = None;
    for item in api.items() {
        let line = item.to_string();
        if line.starts_with("impl") {
            foreign = foreign_impl(&line);
        } else if foreign.as_ref().is_some_and(|of| is_function_of(&line, of)) {
            continue;
        }
        println!("{line}");
    }
    Ok(ExitCode::SUCCESS)
}

/// Returns the type of `impl core::fmt::Debug for TYPE where ...`, if the trait is not of this crate.
fn foreign_impl(line: &str) -> Option<String> {
    let (before, of) = line.split_once(" for ")?;
    let of = of.split_once(" where ").map_or(of, |(of, _)| of);
    // The trait follows the generic parameters of the implementation.
    let mut depth = 0_u32;
    let start = before.char_indices().find_map(|(at, c)| {
        match c {
            '<' => depth += 1,
            '>' => depth = depth.saturating_sub(1),
            ' ' if depth == 0 => return Some(at + 1),
            _ => {}
        }
        None
    })?;
    (!before.get(start..)?.starts_with("sansocket::")).then(|| of.to_owned())
}

/// Returns whether the line is a function of this type.
fn is_function_of(line: &str, of: &str) -> bool {
    let name = ["pub ", "const ", "unsafe ", "async "]
        .iter()
        .fold(line, |rest, word| rest.strip_prefix(word).unwrap_or(rest));
    name.strip_prefix("fn ")
        .and_then(|rest| rest.strip_prefix(of))
        .is_some_and(|rest| rest.starts_with("::"))
}
