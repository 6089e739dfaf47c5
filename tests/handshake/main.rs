//! The opening handshake, both roles: HTTP/1.1, extended CONNECT, and URLs.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests"
)]

mod client;
#[path = "../common/mod.rs"]
mod common;
mod extended_connect;
mod server;
mod url;
