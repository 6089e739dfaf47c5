//! The adapter for tokio (feature `tokio`).
//!
//! [`WebSocket`] drives a [`Connection`](crate::Connection) over any transport that implements
//! [`AsyncRead`](tokio::io::AsyncRead) and [`AsyncWrite`](tokio::io::AsyncWrite). Keep-alive, the
//! closing handshake and back-pressure work automatically while it is polled. It needs a runtime
//! with timers (`enable_time`), also for a task in a method of a [`Sender`]: every wait has a
//! deadline.
//!
//! | type | use |
//! |---|---|
//! | [`WebSocket`] | one task reads and sends; events borrow from its buffers |
//! | [`Reader`], [`Sender`] | one task reads, any number of tasks send |
//! | [`Messages`] | owned messages, as `Stream` and `Sink` |
//! | [`PendingRequest`] | a server that also serves pages, or decides by the request |
//!
//! # Feed and send
//! Every type that sends has two families of methods. `feed_*` appends a message to the output and
//! does not write. `send_*` feeds a message, then writes until the transport has taken it. Fed
//! output is written when [`read`](WebSocket::read) has to wait, so all replies to the events of
//! one read leave in one write:
//!
//! ```no_run
//! # async fn f(mut ws: sansocket::tokio::WebSocket<tokio::net::TcpStream>)
//! #     -> Result<(), sansocket::WebSocketError> {
//! # use sansocket::Event;
//! while let Some((event, mut reply)) = ws.read().await? {
//!     if let Event::Text(text) = event {
//!         reply.feed_text(text)?;
//!     }
//! }
//! # Ok(()) }
//! ```
//!
//! A dropped `send_*` future has either fed nothing or left the message in the output, and the
//! caller cannot find out which. In `select!`, feed the message and then call
//! [`flush`](WebSocket::flush), which is cancel safe.
//!
//! A task in `send_*` or `flush` does not read. Two ends that do so at the same time
//! wait for each other, as over every TCP connection, and so do two ends that answer each other's
//! answers. The [`write_timeout`](crate::config::ConfigBuilder::write_timeout) ends such a wait. To
//! send and receive at the same time, [`split`](WebSocket::split) the WebSocket and read in another
//! task.
//!
//! # A dropped runtime
//! Tokio's timers panic when they are polled after their runtime was dropped, and so does a
//! WebSocket. To move a WebSocket to another runtime, take it apart with
//! [`into_inner`](WebSocket::into_inner) and rebuild it there with [`resume`](WebSocket::resume).
//! [`Messages`] are first converted back ([`Messages::into_inner`]). Halves can't be taken apart: a
//! split WebSocket ends with its runtime.
//!
//! # Imports
//! Under a glob import, the name of this module hides that of the crate `tokio`. Write
//! `use sansocket::tokio::WebSocket`, not `use sansocket::*`.

mod byte_stream;
pub(crate) mod client_stream;
mod connections;
mod connector;
pub(crate) mod dialer;
mod drive;
mod handshake;
mod messages;
pub(crate) mod session_stream;
pub(crate) mod sessions;
mod shared;
mod socket;
mod split;
pub(crate) mod timer;
pub(crate) mod tls;
mod wakers;

pub use crate::adapter::connections::Drained;
pub use crate::adapter::parts::{Received, Unfinished};
pub use crate::tokio::byte_stream::{ByteStream, MessageReader, MessageWriter};
pub use crate::tokio::client_stream::ClientStream;
pub use crate::tokio::connections::Connections;
pub use crate::tokio::connector::Connector;
pub use crate::tokio::handshake::PendingRequest;
pub use crate::tokio::messages::Messages;
pub use crate::tokio::socket::{Reply, WebSocket};
pub use crate::tokio::split::{HalfReply, Reader, Sender};
