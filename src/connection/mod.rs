//! The protocol after the opening handshake: [`Connection`] and its values.
//!
//! The state is in `state`. Its methods are in `receive` (input to events), `send` (messages to
//! output) and `timers` (deadlines). Below them, `control` has the replies to control frames,
//! `frames` writes frames, `assembly` assembles messages that don't arrive in one input, `closing`
//! and `keep_alive` hold their own states, and `compression` is permessage-deflate.
//!
//! ```
//! use bytes::BytesMut;
//! use sansocket::connection::{Negotiated, OwnedEvent};
//! use sansocket::{Config, Connection, Inbox, Input, Instant, Role};
//!
//! let now = Instant::from_micros(0);
//! let config = Config::server().build()?;
//! let mut server = Connection::new(Role::Server, &config, &Negotiated::new(), now);
//!
//! let mut bytes = *b"\x89\x80\0\0\0\0"; // an empty ping with a mask key of zeros
//! let (mut inbox, mut out) = (Inbox::new(), BytesMut::new());
//! let mut input = Input::new(now, &mut bytes);
//! // Owned events can be moved to another thread.
//! let event = server.receive_owned(&mut input, &mut inbox, &mut out)?;
//! assert!(matches!(event, Some(OwnedEvent::Ping(payload)) if payload.is_empty()));
//! assert_eq!(out, &b"\x8a\0"[..]); // the pong
//! # Ok::<(), Box<dyn core::error::Error>>(())
//! ```

mod assembly;
pub(crate) mod closing;
mod compression;
mod control;
mod fault;
mod frames;
mod keep_alive;
pub(crate) mod queued;
mod rare;
mod receive;
mod send;
pub(crate) mod state;
mod timers;

pub use crate::connection::closing::CloseStatus;
pub use crate::connection::state::Connection;
pub use crate::event::OwnedEvent;
pub use crate::negotiated::Negotiated;
pub use crate::stats::Stats;
