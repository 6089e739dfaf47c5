//! The errors of an open connection, of its settings and of the adapters.
//!
//! Each operation has one small error type, and its variants are sorted by cause:
//!
//! * [`ProtocolError`] ends a connection: the peer broke a rule ([`PeerError`]), a limit was passed
//!   ([`LimitError`]), a deadline passed ([`TimeoutError`]), or the caller broke the contract of a call
//!   ([`MisuseError`]). Its [`close_code`](ProtocolError::close_code) is the code of the Close frame.
//! * [`SendError`] refuses a send and changes nothing.
//! * [`ConfigError`] refuses a setting at construction and names the change that helps.
//! * `WebSocketError`, `AcceptError` and `ConnectError` are the errors of the adapters (feature `std`): one
//!   of the above, or an I/O error.
//!
//! The errors of an opening handshake are in [`handshake`](crate::handshake).

#[cfg(feature = "std")]
pub(crate) mod adapter;
pub(crate) mod config;
pub(crate) mod extension;
#[cfg(feature = "std")]
mod io;
pub(crate) mod protocol;
pub(crate) mod send;

pub use crate::entropy::EntropyError;
#[cfg(feature = "std")]
pub use crate::error::adapter::{AcceptError, ConnectError, WebSocketError};
pub use crate::error::config::ConfigError;
pub use crate::error::protocol::{LimitError, MisuseError, PeerError, ProtocolError, TimeoutError};
pub use crate::error::send::SendError;
