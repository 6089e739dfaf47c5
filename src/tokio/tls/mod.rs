//! TLS for clients.
//!
//! This module has two bodies: `on` with the feature `rustls`, `off` without it. Both have the same
//! types with the same functions, so that other modules need no `cfg`:
//!
//! * [`TlsSettings`], the setting of a connector: `check` returns the error of `wss://` URLs that
//!   can't be connected, before anything is dialled; `connect` performs the TLS handshake.
//! * [`TlsStream`], a connected stream: `AsyncRead`, `AsyncWrite`, `tcp`, and `is_http2` with the
//!   feature `h2`. In `off` it has no values.
//!
//! Both take an [`Offer`] of protocols. `on` also has `TlsSettings::set`.

#[cfg(not(feature = "rustls"))]
mod off;
mod offer;
#[cfg(feature = "rustls")]
mod on;

#[cfg(not(feature = "rustls"))]
pub(crate) use crate::tokio::tls::off::{TlsSettings, TlsStream};
pub(crate) use crate::tokio::tls::offer::Offer;
#[cfg(feature = "rustls")]
pub(crate) use crate::tokio::tls::on::{TlsSettings, TlsStream};
