//! The adapter for blocking transports: a thread for each connection, `std` and nothing else.
//!
//! [`WebSocket`] drives a [`Connection`](crate::Connection) over any [`Transport`]: TCP and Unix
//! streams, or your own. Keep-alive, the closing handshake and back-pressure run by themselves
//! while it reads.
//!
//! # A server
//! ```no_run
//! use std::net::TcpListener;
//! use std::thread;
//!
//! use sansocket::blocking::WebSocket;
//! use sansocket::{AcceptOptions, Config, Event, WebSocketError};
//!
//! let listener = TcpListener::bind("127.0.0.1:9001")?;
//! let config = Config::server().build()?;
//! let options = AcceptOptions::new();
//! for stream in listener.incoming() {
//!     let (stream, config, options) = (stream?, config.clone(), options.clone());
//!     thread::spawn(move || {
//!         let Ok(mut ws) = WebSocket::accept(stream, &config, &options) else { return };
//!         let mut echo = || -> Result<(), WebSocketError> {
//!             while let Some((event, mut reply)) = ws.read()? {
//!                 match event {
//!                     Event::Text(text) => reply.send_text(text)?,
//!                     Event::Binary(bytes) => reply.send_binary(bytes)?,
//!                     _ => {}
//!                 }
//!             }
//!             Ok(())
//!         };
//!         if let Err(error) = echo() {
//!             eprintln!("{error}");
//!         }
//!     });
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
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
//! # When bytes move
//! Sends append to the output and write nothing: [`read`](WebSocket::read) writes all of it before
//! it waits, so that everything that one read has caused leaves in one write. Beyond the
//! [`high_water_mark`](crate::ConfigBuilder::high_water_mark) it writes before it hands out the next
//! event. A program that has something to say and doesn't read calls [`flush`](WebSocket::flush), or
//! [`split`](WebSocket::split)s.
//!
//! A peer that sends and never reads is not read from any more once the buffers of the transport
//! and that mark are full. To send and to receive long messages at the same time, `split`.

mod drive;
mod half;
mod handshake;
mod messages;
mod shared;
mod socket;
mod split;
mod transport;

pub use crate::blocking::handshake::Incoming;
pub use crate::blocking::messages::Messages;
pub use crate::blocking::socket::{Reply, WebSocket};
pub use crate::blocking::split::{Reader, Sender};
pub use crate::blocking::transport::Transport;
