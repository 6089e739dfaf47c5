//! The WebSocket without the socket: bytes in, events out; messages in, bytes out.
#![no_std]
#![cfg_attr(docsrs, feature(doc_cfg))]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

#[cfg(feature = "std")]
mod adapter;
mod authority;
#[cfg(feature = "std")]
pub mod blocking;
mod close_code;
mod config;
mod connection;
#[cfg(feature = "std")]
mod dial;
#[cfg(feature = "std")]
mod driver;
mod entropy;
mod error;
mod event;
pub mod frame;
pub mod handshake;
mod http1;
mod inbox;
mod input;
mod instant;
mod kernel;
mod message;
mod negotiated;
mod opcode;
mod prepared;
mod role;
mod stats;
#[cfg(feature = "tokio")]
pub mod tokio;
mod url;

#[cfg(feature = "std")]
pub use crate::adapter::{AcceptError, ConnectError, Received, Unfinished, WebSocketError};
pub use crate::close_code::CloseCode;
pub use crate::config::{Config, ConfigBuilder, Delivery};
pub use crate::connection::Connection;
pub use crate::connection::closing::CloseStatus;
pub use crate::connection::send::SendOptions;
pub use crate::entropy::{Entropy, EntropyError};
pub use crate::error::{
    ConfigError, LimitError, MisuseError, PeerError, ProtocolError, SendError, TimeoutError,
};
pub use crate::event::{Event, OwnedCloseFrame, OwnedEvent};
pub use crate::handshake::accept::AcceptOptions;
pub use crate::handshake::client::{ClientHandshake, HandshakeError, Response};
pub use crate::handshake::connect::ConnectRequest;
pub use crate::handshake::head::{Head, RequestHead};
pub use crate::handshake::origin::OriginPolicy;
pub use crate::handshake::refusal::Refusal;
pub use crate::handshake::server::ServerHandshake;
pub use crate::handshake::upgrade::UpgradeRequest;
pub use crate::inbox::Inbox;
pub use crate::input::Input;
pub use crate::instant::Instant;
pub use crate::message::{CloseFrame, Data, Message, MessageKind, Utf8Bytes};
pub use crate::negotiated::Negotiated;
pub use crate::opcode::OpCode;
pub use crate::prepared::Prepared;
pub use crate::role::Role;
pub use crate::stats::Stats;
pub use crate::url::UrlError;
