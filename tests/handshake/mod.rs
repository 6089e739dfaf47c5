//! The opening handshake, both roles: HTTP/1.1, extended CONNECT, and URLs.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests"
)]

mod client;
mod extended_connect;
mod origins;
mod proxies;
mod refusal_bodies;
mod refusals;
mod request_heads;
mod request_limits;
mod server;
mod support;
mod url;
