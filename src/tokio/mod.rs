//! The adapter for tokio (feature `tokio`).
//!
//! [`WebSocket`] drives a [`Connection`](crate::Connection) over any transport that reads and writes
//! asynchronously. Keep-alive, the closing handshake and back-pressure run by themselves while it is
//! polled. It needs a runtime with timers (`enable_time`), and so does each task that waits in a
//! [`Sender`]: every wait has a deadline.
//!
//! # Feed and send
//! Every type here that sends has two families. `feed_*` appends to the output and writes nothing; what is
//! fed while events are handled leaves in one write when [`read`](WebSocket::read) has to wait.
//! `send_*` feeds, then writes until the transport has taken the message.
//!
//! ```no_run
//! # async fn f(mut ws: sansocket::tokio::WebSocket<tokio::net::TcpStream>)
//! #     -> Result<(), sansocket::WebSocketError> {
//! # use sansocket::Event;
//! // One write for all events of a read:
//! while let Some((event, mut reply)) = ws.read().await? {
//!     if let Event::Text(text) = event {
//!         reply.feed_text(text)?;
//!     }
//! }
//! # Ok(()) }
//! ```
//!
//! A `send_*` future that is dropped has either fed nothing or left the message in the output; nobody
//! can tell which. In `select!` feed, then [`flush`](WebSocket::flush), which can be dropped and called
//! again.
//!
//! A task that waits in `send_*` or `flush` does not read. Two ends that do so at the same time, or
//! that answer each other's answers, wait for each other, as over every TCP connection; the
//! [`write_timeout`](crate::config::ConfigBuilder::write_timeout) ends it. To send and to receive at the same
//! time [`split`](WebSocket::split), and let another task read.
//!
//! # A dropped runtime
//! A WebSocket that outlives its runtime panics in tokio when it is polled, as every tokio timer does.
//! [`into_inner`](WebSocket::into_inner) takes it apart, and [`resume`](WebSocket::resume) puts it together
//! in another runtime. [`Messages`] give their WebSocket back first
//! ([`Messages::into_inner`]). Halves can't be taken apart: a split WebSocket ends with its runtime.
//!
//! The module's name hides that of the crate under a glob import: write
//! `use sansocket::tokio::WebSocket`, not `use sansocket::*`.

pub(crate) mod drive;
mod handshake;
mod messages;
mod shared;
mod socket;
mod split;
mod wakers;

pub use crate::adapter::parts::{Received, Unfinished};
pub use crate::tokio::handshake::PendingRequest;
pub use crate::tokio::messages::Messages;
pub use crate::tokio::socket::{Reply, WebSocket};
pub use crate::tokio::split::{HalfReply, Reader, Sender};
