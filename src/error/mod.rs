//! The errors of an open connection, of its settings and of the adapters.
//!
//! Each operation has one small error type. Its variants are sorted by cause:
//!
//! * [`ProtocolError`] ends a connection: the peer broke a rule ([`PeerError`]), a limit was
//!   exceeded ([`LimitError`]), a deadline passed ([`TimeoutError`]), or the caller broke the
//!   contract of a call ([`MisuseError`]). Its [`close_code`](ProtocolError::close_code) is the
//!   code of the Close frame.
//! * [`SendError`] refuses a send. The connection is unchanged.
//! * [`ConfigError`] refuses a setting at construction. Its text names the correction.
//! * `WebSocketError`, `AcceptError` and `ConnectError` are the errors of the adapters (feature
//!   `std`): one of the above, or an I/O error.
//!
//! The errors of an opening handshake are in [`handshake`](crate::handshake).
//!
//! ```
//! use sansocket::CloseCode;
//! use sansocket::error::{LimitError, PeerError, ProtocolError};
//!
//! // The type of the cause decides who has to act.
//! fn advice(error: ProtocolError) -> &'static str {
//!     match error {
//!         ProtocolError::Peer(PeerError::ClosedWithoutHandshake) => "the connection was lost",
//!         ProtocolError::Peer(_) => "the peer has a bug",
//!         ProtocolError::Limit(_) => "raise the limit, or refuse such messages",
//!         ProtocolError::Timeout(_) => "try again",
//!         _ => "correct the program",
//!     }
//! }
//!
//! let error = ProtocolError::Limit(LimitError::MessageTooLong);
//! assert_eq!(advice(error), "raise the limit, or refuse such messages");
//! assert_eq!(error.close_code(), CloseCode::MESSAGE_TOO_BIG);
//! assert_eq!(error.to_string(), "the peer's message is longer than max_message_len allows");
//! ```

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
