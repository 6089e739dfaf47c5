//! Proxies between a client and its server: HTTP CONNECT and SOCKS5.
//!
//! [`Proxy`] holds the proxies of a client, and [`Proxy::server`] chooses one for a request. Connect a
//! transport to it, open the tunnel with a [`ProxyHandshake`], then use the tunnel as the transport of
//! the opening handshake (for `wss://` of TLS, over which the opening handshake runs).

mod choice;
mod error;
mod handshake;
mod http_connect;
mod no_proxy;
mod server;
mod socks5;

pub use crate::handshake::proxy::choice::{Proxy, ProxyEnvError};
pub use crate::handshake::proxy::error::{ProxyError, SocksError, SocksReply};
pub use crate::handshake::proxy::handshake::ProxyHandshake;
pub use crate::handshake::proxy::server::{ProxyProtocol, ProxyServer, ProxyUrlError};
