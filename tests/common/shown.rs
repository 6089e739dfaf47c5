//! The output of `{:?}`, and the data that it must not contain.

use core::any::type_name;
use core::cell::RefCell;
use core::fmt::Debug;
use std::collections::{BTreeSet, HashSet};

/// Longer outputs contain more than lengths and states.
const MAX_LEN: usize = 4096;

/// This number of consecutive bytes of a secret is no coincidence.
const WINDOW: usize = 4;

thread_local! {
    /// The names of the types that the test of this thread has shown, with their modules.
    static TYPES: RefCell<BTreeSet<&'static str>> = const { RefCell::new(BTreeSet::new()) };
}

/// Records that a test shows values of a type.
pub fn note_type<T>(_: &T) {
    // Of `module::Name<Arguments>` without the arguments.
    let name = type_name::<T>().split('<').next().unwrap();
    TYPES.with_borrow_mut(|types| types.insert(name));
}

/// The names of the types that the test of this thread has shown.
pub fn noted_types() -> BTreeSet<&'static str> {
    TYPES.with_borrow(BTreeSet::clone)
}

/// The `Debug` outputs of values that hold state.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Shown(Vec<(String, String)>);

impl Shown {
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a value under a name, in every form of `Debug`.
    pub fn add(&mut self, name: &str, value: &impl Debug) {
        note_type(value);
        for output in [format!("{value:?}"), format!("{value:#?}"), format!("{value:x?}")] {
            assert!(output.len() > 3, "{name}: {output}");
            self.0.push((name.to_owned(), output));
        }
    }

    /// Checks that no output contains bytes of a secret, as text, as numbers, or escaped.
    #[track_caller]
    pub fn assert_hides(&self, secrets: &[&[u8]]) {
        let windows: HashSet<&[u8]> = secrets.iter().flat_map(|s| s.windows(WINDOW)).collect();
        let forms: HashSet<Vec<u8>> = windows.into_iter().flat_map(forms).collect();
        let lens: HashSet<usize> = forms.iter().map(Vec::len).collect();
        let mut seen = HashSet::new();
        for (name, output) in &self.0 {
            if !seen.insert(output) {
                continue;
            }
            assert!(output.len() <= MAX_LEN, "{name}: {} bytes: {output:.200}", output.len());
            let dense: String = output.chars().filter(|c| !c.is_whitespace()).collect();
            for text in [output.as_bytes(), dense.as_bytes()] {
                for window in lens.iter().flat_map(|len| text.windows(*len)) {
                    assert!(!forms.contains(window), "{name} shows {window:?}: {output}");
                }
            }
        }
    }

    /// Checks that the outputs equal those of another run, with other secrets of the same lengths:
    /// so they depend on lengths and states only.
    #[track_caller]
    pub fn assert_same(&self, other: &Self) {
        for ((name, output), (other_name, other)) in self.0.iter().zip(&other.0) {
            assert_eq!(name, other_name);
            assert_eq!(output, other, "{name} shows more than lengths and states");
        }
        assert_eq!(self.0.len(), other.0.len());
    }
}

/// The forms in which bytes can appear.
fn forms(bytes: &[u8]) -> [Vec<u8>; 4] {
    let joined = |number: fn(&u8) -> String| {
        bytes.iter().map(number).collect::<Vec<_>>().join(",").into_bytes()
    };
    [
        bytes.to_vec(),
        bytes.escape_ascii().to_string().into_bytes(),
        joined(|byte| format!("{byte}")),
        joined(|byte| format!("{byte:x}")),
    ]
}
