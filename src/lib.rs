//! The WebSocket without the socket: bytes in, events out; messages in, bytes out.
//!
//! A WebSocket engine ([RFC 6455](https://www.rfc-editor.org/rfc/rfc6455)) with compression
//! ([RFC 7692](https://www.rfc-editor.org/rfc/rfc7692)) that does no I/O, reads no clock, generates
//! no randomness and spawns no tasks. Time and entropy are arguments. The core is `no_std + alloc`.
//! Adapters for tokio and for blocking sockets are built on it.
//!
//! ```text
//!           bytes of one read                                      bytes to write
//! transport ─────────────► Input ─┐                           ┌─► out: BytesMut ─────► transport
//!                                 ▼                           │
//!                   Connection::receive(input, inbox, out) ───┤   pongs, Close frames
//!                                 │                           │
//!                                 ▼                           │
//!                   Event: borrows from input or inbox ─► your code ─► Connection::send_*
//! ```
//!
//! # Where to begin
//!
//! * With tokio: `tokio::WebSocket` (feature `tokio`). With threads: `blocking::WebSocket` (feature
//!   `std`).
//! * On a hyper server: `hyper::upgrade` (feature `hyper`). In axum handlers: the crate
//!   `sansocket-axum`. Over HTTP/2 without hyper: `h2::Session` (feature `h2`). With the types of the crate `http`: the module `http` (feature `http`).
//! * In your own event loop: [`driver`], which does everything except the I/O.
//! * With your own buffers and deadlines: an opening handshake ([`handshake`], for HTTP/1.1, HTTP/2
//!   and HTTP/3), then [`Connection`].
//! * Frames only: [`frame`].
//! * Documents: the module `guide` has a tutorial, a cookbook, a guide to event loops, and the
//!   migration from other crates.
//!
//! # The bare core
//!
//! [`Connection::receive`] processes one event per call. Call it until it returns `None`: then all
//! bytes of the input are processed, and `out` holds the bytes to write, in the right order. This
//! example runs both ends without a transport:
//!
//! ```
//! use bytes::BytesMut;
//! use sansocket::connection::Negotiated;
//! use sansocket::error::EntropyError;
//! use sansocket::{Config, Connection, Entropy, Event, Inbox, Input, Instant, Role};
//! # fn my_generator(bytes: &mut [u8]) -> Result<(), EntropyError> { bytes.fill(7); Ok(()) }
//!
//! let now = Instant::from_micros(0);
//! let config = Config::client(Entropy::from_fn(my_generator)).build()?;
//! let mut client = Connection::new(Role::Client, &config, &Negotiated::new(), now);
//! let config = Config::server().build()?;
//! let mut server = Connection::new(Role::Server, &config, &Negotiated::new(), now);
//!
//! let mut from_client = BytesMut::new();
//! client.send_text("Hello", &mut from_client)?;
//!
//! let (mut inbox, mut from_server) = (Inbox::new(), BytesMut::new());
//! let mut input = Input::new(now, &mut from_client);
//! while let Some(event) = server.receive(&mut input, &mut inbox, &mut from_server)? {
//!     // The event borrows from the input, not from the connection: reply while you hold it.
//!     if let Event::Text(text) = event {
//!         server.send_text(text, &mut from_server)?;
//!     }
//! }
//! assert_eq!(from_server, &b"\x81\x05Hello"[..]);
//! # Ok::<(), Box<dyn core::error::Error>>(())
//! ```
//!
//! # Guarantees
//!
//! * Any input, from the peer or the caller, yields a result or a typed error: no panic, no memory
//!   above a limit, no silent loss. [`Config`] has the limits and timers.
//! * The first fatal error fails the connection: its Close frame is in `out`, and every later call
//!   returns the same error ([`ProtocolError`](error::ProtocolError)).
//! * A refused send ([`SendError`](error::SendError)) has no effect.
//! * Messages that precede a Close frame are handed out, and can be answered, before the Close
//!   frame is answered.
//!
//! # Security
//!
//! Browsers let any page open a WebSocket to any host, and send cookies with the request; CORS does
//! not apply. The `Origin` field is the defence: by default [`AcceptOptions`] accepts only requests
//! from the same host. Programs can forge the field, so it is not authentication.
//!
//! Compression is off by default. If secrets are compressed together with text that an attacker
//! chooses, the compressed length leaks information about the secrets, even over TLS (CRIME,
//! BREACH). [`Compress::Never`](message::Compress::Never) disables it for a single message.
//!
//! # Features
//!
//! | feature | default | contents |
//! |---|---|---|
//! | `std` | yes | `Entropy::os()`, `Instant::now()`, the adapter for blocking sockets |
//! | `simd` | yes | fast UTF-8 validation; AVX2 masking, detected at run time |
//! | `deflate` | yes | compression; see the module |
//! | `miniz_oxide` | no | an alternative compression engine |
//! | `tokio` | no | the adapter for tokio |
//! | `socket2` | no | the local address of blocking clients |
//! | `http` | no | opening handshakes with the types of the crate `http` |
//! | `hyper` | no | WebSockets on a hyper server; implies `http` and `tokio` |
//! | `h2` | no | WebSockets over HTTP/2, servers and clients, `Connector::http2`; implies `http` and `tokio` |
//! | `tls` | no | `wss://` for clients of the tokio adapter, with the roots of the system |
//! | `rustls` | no | `wss://` with a rustls config of one's own; implies `tokio` |
//!
//! Without `std` the crate needs [`alloc::sync::Arc`]. Targets without atomic compare-and-swap,
//! such as `thumbv6m-none-eabi` (Cortex-M0), lack it and are not supported.

#![no_std]
#![cfg_attr(docsrs, feature(doc_cfg))]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

#[cfg(feature = "std")]
mod adapter;
mod agreed;
mod authority;
#[cfg(feature = "std")]
pub mod blocking;
mod budget;
mod close_code;
pub mod config;
pub mod connection;
#[cfg(feature = "deflate")]
pub mod deflate;
pub mod driver;
mod entropy;
pub mod error;
mod event;
pub mod frame;
#[cfg(all(any(doc, doctest), feature = "tokio"))]
pub mod guide;
#[cfg(feature = "h2")]
pub mod h2;
pub mod handshake;
#[cfg(feature = "http")]
pub mod http;
mod http1;
#[cfg(feature = "hyper")]
pub mod hyper;
mod inbox;
mod input;
mod instant;
mod kernel;
pub mod message;
mod negotiated;
mod opcode;
mod prepared;
mod role;
mod stats;
#[cfg(feature = "tokio")]
pub mod tokio;
mod url;

pub use crate::close_code::CloseCode;
#[doc(inline)]
pub use crate::config::Config;
#[doc(inline)]
pub use crate::connection::Connection;
pub use crate::entropy::Entropy;
#[cfg(feature = "std")]
pub use crate::error::adapter::WebSocketError;
pub use crate::event::Event;
pub use crate::handshake::accept::AcceptOptions;
pub use crate::handshake::connect::ConnectRequest;
pub use crate::inbox::Inbox;
pub use crate::input::Input;
pub use crate::instant::Instant;
#[doc(inline)]
pub use crate::message::{CloseFrame, Message};
pub use crate::prepared::Prepared;
pub use crate::role::Role;

/// Compiles the examples of the README as tests.
#[cfg(all(doctest, feature = "tokio"))]
#[doc = include_str!("../README.md")]
struct Readme;
