//! The WebSocket without the socket: bytes in, events out; messages in, bytes out.
//!
//! A WebSocket engine ([RFC 6455](https://www.rfc-editor.org/rfc/rfc6455), with the compression of
//! [RFC 7692](https://www.rfc-editor.org/rfc/rfc7692)) that does no I/O, reads no clock, draws no
//! randomness and spawns nothing. Time and entropy are arguments; the core is `no_std + alloc`.
//! Adapters for tokio and for blocking sockets sit on it.
//!
//! ```text
//!           bytes of one read                                           bytes to write
//! transport ──────────────► Input ─┐                              ┌─► out: BytesMut ──────────► transport
//!                                  ▼                              │
//!                    Connection::receive(input, inbox, out) ──────┤  pongs, close answers, the Close
//!                                  │                              │  frame of an error
//!                                  ▼                              │
//!                Event: lent from the input or the inbox ─► your code ─► Connection::send_*(.., out)
//! ```
//!
//! # Where to begin
//!
//! * On tokio: `tokio::WebSocket` (feature `tokio`). On threads: `blocking::WebSocket` (feature
//!   `std`).
//! * On a hyper server: `hyper::upgrade` (feature `hyper`). In axum handlers: the crate
//!   `sansocket-axum`. With the types of the crate `http`: the module `http` (feature `http`).
//! * In an event loop of your own: [`driver`], which does all but the I/O.
//! * With buffers and deadlines of your own: an opening handshake ([`handshake`], for HTTP/1.1, HTTP/2
//!   and HTTP/3), then [`Connection`].
//! * Frames only: [`frame`].
//!
//! # The bare core
//!
//! Every byte of an input is used up by calling [`Connection::receive`] until it gives `None`; what
//! has to be written lies in `out` then, in the right order. Here both ends, without any transport:
//!
//! ```
//! use bytes::BytesMut;
//! use sansocket::Role;
//! use sansocket::connection::Negotiated;
//! use sansocket::error::EntropyError;
//! use sansocket::{Config, Connection, Entropy, Event, Inbox, Input, Instant};
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
//!     // The event borrows the input, not the connection: answer while you hold it.
//!     if let Event::Text(text) = event {
//!         server.send_text(text, &mut from_server)?;
//!     }
//! }
//! assert_eq!(from_server, &b"\x81\x05Hello"[..]);
//! # Ok::<(), Box<dyn core::error::Error>>(())
//! ```
//!
//! # What holds
//!
//! * Any input, from the peer or the caller, gives a result or a typed error: no panic, no growth
//!   past a limit, no silent loss. Limits and timers: [`Config`].
//! * The first fatal error fails the connection: its Close frame is in `out`, and every later call
//!   returns the same error ([`ProtocolError`](error::ProtocolError)). A refused send ([`SendError`](error::SendError)) changes nothing.
//! * Messages before a Close frame are handed out, and can be answered, before it is answered.
//!
//! # Security
//!
//! Browsers let any page open a WebSocket to any host, and send cookies with it; CORS does not
//! apply. The `Origin` field is the defence: [`AcceptOptions`] accepts the same host only unless
//! told otherwise. Programs can forge it, so it is no login.
//!
//! Compression is off unless asked for: the length of what is compressed together with text of an
//! attacker's choice tells about secrets in it, over TLS too. [`Compress::Never`](message::Compress::Never) is the switch for
//! one message.
//!
//! # Features
//!
//! `std` (default): `Entropy::os()`, `Instant::now()`, the blocking adapter. `simd` (default): fast
//! UTF-8 validation, AVX2 masking found at run time. `deflate` (default): compression, see the module.
//! `miniz_oxide`: another engine for it. `tokio`: the adapter. `http`: opening handshakes with the types of
//! that crate. `hyper`: WebSockets on a hyper server.
//!
//! Without `std` the crate needs [`alloc::sync::Arc`]: targets without atomic compare-and-swap, such as
//! `thumbv6m-none-eabi` (Cortex-M0), don't have it and are not supported.

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
pub use crate::config::Config;
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
pub use crate::message::{CloseFrame, Message};
pub use crate::prepared::Prepared;
pub use crate::role::Role;

/// The README's programs compile.
#[cfg(all(doctest, feature = "tokio"))]
#[doc = include_str!("../README.md")]
struct Readme;
