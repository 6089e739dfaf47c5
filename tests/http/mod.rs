//! The opening handshake with the types of the crate `http`.

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
