//! Helpers of the tests of the opening handshake.

use core::fmt::Debug;

use sansocket::Config;

use crate::common::head::{Lines, cut, serve};

pub(crate) fn config() -> Config {
    Config::server().build().unwrap()
}

/// Serves a request and checks its status and a part of the response.
#[track_caller]
pub(crate) fn expect(bytes: &[u8], status: u16, hint: &str) {
    let served = serve(bytes);
    let shown = bytes.escape_ascii();
    assert_eq!(served.status(), status, "{shown}: {served:?}");
    assert!(served.hint().contains(hint), "{shown}: {served:?}");
}

#[track_caller]
pub(crate) fn expect_lines(lines: &Lines, status: u16, hint: &str) {
    expect(&lines.bytes(), status, hint);
}

/// Asserts that `run` has the same outcome for bytes in one read, in single bytes, and split at
/// `cuts`. `run` returns the outcome, and the number of bytes left over. The outcome is decided at
/// exactly one byte: with one byte less it is `undecided`.
pub(crate) fn assert_any_split_is_the_same<O: Debug + PartialEq>(
    bytes: &[u8],
    cuts: &[usize],
    undecided: &O,
    run: impl Fn(&[&[u8]]) -> (O, usize),
) {
    let expected = run(&[bytes]);
    assert_eq!(run(&bytes.chunks(1).collect::<Vec<_>>()), expected);
    assert_eq!(run(&cut(bytes, cuts)), expected);
    let (outcome, rest) = expected;
    if outcome != *undecided {
        let used = bytes.len() - rest;
        let (before, rest) = run(&[&bytes[..used - 1]]);
        assert_eq!((&before, rest), (undecided, 0), "decided at the first byte that shows it");
        assert_eq!(run(&[&bytes[..used]]), (outcome, 0));
    }
}
