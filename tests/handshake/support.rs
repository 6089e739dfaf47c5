//! Helpers of the tests of the opening handshake.

use sansocket::Config;

use crate::common::head::{Lines, serve};

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
