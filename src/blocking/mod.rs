//! The adapter for blocking transports (feature `std`): one thread per connection, no dependency
//! but `std`.
//!
//! [`WebSocket`] drives a [`Connection`](crate::Connection) over any [`Transport`]: TCP and Unix
//! streams, or a type of your own. Keep-alive, the closing handshake and back-pressure work
//! automatically while it reads.
//!
//! | type | use |
//! |---|---|
//! | [`WebSocket`] | one thread reads and sends; events borrow from its buffers |
//! | [`Reader`], [`Sender`] | one thread reads, any number of threads send |
//! | [`Messages`] | owned messages, as an iterator |
//! | [`PendingRequest`] | a server that also serves pages, or decides by the request |
//!
//! # A server
//! ```no_run
//! use std::error::Error;
//! use std::net::{TcpListener, TcpStream};
//! use std::thread;
//! use std::time::Duration;
//!
//! use sansocket::blocking::WebSocket;
//! use sansocket::{AcceptOptions, Config, Event};
//!
//! let listener = TcpListener::bind("127.0.0.1:9001")?;
//! let config = Config::server().build()?;
//! let options = AcceptOptions::new();
//! for stream in listener.incoming() {
//!     let Ok(stream) = stream else {
//!         thread::sleep(Duration::from_millis(100)); // out of file descriptors, for example
//!         continue;
//!     };
//!     let (config, options) = (config.clone(), options.clone());
//!     thread::spawn(move || {
//!         if let Err(error) = serve(stream, &config, &options) {
//!             eprintln!("{error}");
//!         }
//!     });
//! }
//!
//! fn serve(
//!     stream: TcpStream,
//!     config: &Config,
//!     options: &AcceptOptions,
//! ) -> Result<(), Box<dyn Error>> {
//!     stream.set_nodelay(true)?;
//!     let mut ws = WebSocket::accept(stream, config, options)?;
//!     while let Some((event, mut reply)) = ws.read()? {
//!         match event {
//!             Event::Text(text) => reply.feed_text(text)?,
//!             Event::Binary(bytes) => reply.feed_binary(bytes)?,
//!             _ => {} // pings and Close frames are answered automatically
//!         }
//!     }
//!     Ok(())
//! }
//! # Ok::<(), Box<dyn Error>>(())
//! ```
//!
//! # A client
//! ```no_run
//! use sansocket::blocking::WebSocket;
//! use sansocket::{CloseCode, Config, ConnectRequest, Entropy, Event};
//!
//! let request = ConnectRequest::new("ws://127.0.0.1:9001/ws")?;
//! let config = Config::client(Entropy::os()).build()?;
//! let (mut ws, _) = WebSocket::connect(&request, &config)?;
//! ws.send_text("Hello")?;
//! if let Some((Event::Text(text), _)) = ws.read()? {
//!     assert_eq!(text, "Hello");
//! }
//! ws.close(CloseCode::NORMAL, "")?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Feed and send
//! Every type that sends has two families of methods. `feed_*` appends a message to the output and
//! does not write. `send_*` feeds a message, then writes until the transport has taken it. Fed
//! output is written when [`read`](WebSocket::read) has to wait, so all replies to the events of
//! one read leave in one write.
//!
//! A thread in `send_*` or `flush` does not read. Two ends that do so at the same time
//! wait for each other, as over every TCP connection, and so do two ends that answer each other's
//! answers. The [`write_timeout`](crate::config::ConfigBuilder::write_timeout) ends such a wait. To
//! send and receive long messages at the same time, [`split`](WebSocket::split) the WebSocket and
//! read in another thread.
//!
//! A program with its own loop reads with a timeout ([`read_timeout`](WebSocket::read_timeout)) or
//! without waiting ([`poll_read`](WebSocket::poll_read), only on a WebSocket that is not split).

mod byte_stream;
mod client_stream;
mod connections;
mod connector;
mod drive;
mod handshake;
mod link;
mod messages;
mod reading;
mod shared;
mod socket;
mod split;
mod state;
mod transport;

pub use crate::adapter::connections::Drained;
pub use crate::adapter::parts::{Received, Unfinished};
pub use crate::blocking::byte_stream::{ByteStream, MessageReader, MessageWriter};
pub use crate::blocking::client_stream::ClientStream;
pub use crate::blocking::connections::Connections;
pub use crate::blocking::connector::Connector;
pub use crate::blocking::handshake::PendingRequest;
pub use crate::blocking::messages::Messages;
pub use crate::blocking::socket::{Reply, WebSocket};
pub use crate::blocking::split::{HalfReply, Reader, Sender};
pub use crate::blocking::transport::Transport;
