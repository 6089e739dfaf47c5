//! The opening handshake with the types of the crate `http`.

#![allow(
    missing_docs,
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::std_instead_of_alloc,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

mod accepting;
mod connecting;

use http::{Request, Version};

/// A valid request over HTTP/1.1.
fn upgrade_request() -> http::request::Builder {
    Request::get("/chat?room=1")
        .header("Host", "example.com")
        .header("Upgrade", "websocket")
        .header("Connection", "keep-alive, Upgrade")
        .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
        .header("Sec-WebSocket-Version", "13")
}

/// A valid request over HTTP/2. Its `:protocol` is an argument of `accept`.
fn extended_connect(uri: &str) -> http::request::Builder {
    Request::connect(uri).version(Version::HTTP_2).header("Sec-WebSocket-Version", "13")
}
