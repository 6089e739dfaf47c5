//! The tests without a transport: the protocol, the opening handshake, permessage-deflate, and the driver. They are one
//! binary, so that a change of the library compiles the shared code and links once.

mod common;
mod core;
#[cfg(feature = "deflate")]
mod deflate;
mod driver;
mod handshake;
