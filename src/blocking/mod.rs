//! The adapter for blocking transports (feature `std`): a thread for each connection, `std` and nothing
//! else.
//!
//! [`WebSocket`] drives a [`Connection`](crate::Connection) over any [`Transport`]: TCP and Unix
//! streams, or your own. Keep-alive, the closing handshake and back-pressure run by themselves
//! while it reads.
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
//! fn serve(stream: TcpStream, config: &Config, options: &AcceptOptions) -> Result<(), Box<dyn Error>> {
//!     stream.set_nodelay(true)?;
//!     let mut ws = WebSocket::accept(stream, config, options)?;
//!     while let Some((event, mut reply)) = ws.read()? {
//!         match event {
//!             Event::Text(text) => reply.feed_text(text)?,
//!             Event::Binary(bytes) => reply.feed_binary(bytes)?,
//!             _ => {} // pings and Close frames are answered already
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
//! Every type here that sends has two families. `feed_*` appends to the output and writes nothing:
//! [`read`](WebSocket::read) writes all of it before it waits, so that all replies to one read leave in
//! one write. `send_*` feeds, then writes until the transport has taken the message.
//!
//! A thread that waits in `send_*` or `flush` does not read. Two ends that do so at the same time, or
//! that answer each other's answers, wait for each other, as over every TCP connection; the
//! [`write_timeout`](crate::config::ConfigBuilder::write_timeout) ends it. To send and to receive long messages
//! at the same time [`split`](WebSocket::split), and let another thread read.
//!
//! A program with a loop of its own reads with a timeout ([`read_timeout`](WebSocket::read_timeout)), or
//! without waiting ([`poll_read`](WebSocket::poll_read), of an unsplit WebSocket only).

mod byte_stream;
mod connections;
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
pub use crate::blocking::connections::Connections;
pub use crate::blocking::handshake::PendingRequest;
pub use crate::blocking::messages::Messages;
pub use crate::blocking::socket::{Reply, WebSocket};
pub use crate::blocking::split::{HalfReply, Reader, Sender};
pub use crate::blocking::transport::Transport;
