//! WebSockets on a hyper server, over HTTP/1.1 and HTTP/2 (feature `hyper`).
//!
//! [`upgrade()`] checks a request, and returns the response and a future, [`Upgrade`], of the
//! [`WebSocket`](crate::tokio::WebSocket). hyper sends the response, then hands over the stream, so
//! the future is awaited in a task of its own.
//!
//! ```
//! use bytes::Bytes;
//! use http::{Request, Response};
//! use sansocket::{AcceptOptions, Config, Event, WebSocketError};
//!
//! async fn serve<B>(
//!     mut request: Request<B>,
//!     options: &AcceptOptions,
//!     config: &Config,
//! ) -> Response<Bytes> {
//!     match sansocket::hyper::upgrade(&mut request, options, config) {
//!         Ok((response, upgrade)) => {
//!             tokio::spawn(echo(upgrade));
//!             response.map(|()| Bytes::new())
//!         }
//!         Err(refusal) => refusal.into(),
//!     }
//! }
//!
//! async fn echo(upgrade: sansocket::hyper::Upgrade) -> Result<(), WebSocketError> {
//!     let mut ws = upgrade.await?;
//!     while let Some((event, mut reply)) = ws.read().await? {
//!         if let Event::Text(text) = event {
//!             reply.feed_text(text)?;
//!         }
//!     }
//!     Ok(())
//! }
//! ```
//!
//! HTTP/1.1 connections must be served with upgrades (`with_upgrades`, `serve_connection_with_upgrades`),
//! HTTP/2 with `enable_connect_protocol`. The guide `docs/hyper.md` has the settings of both, and a
//! complete server.

mod error;
mod upgrade;
mod upgraded;

pub use crate::hyper::error::UpgradeError;
pub use crate::hyper::upgrade::{PendingUpgrade, Upgrade, upgrade};
pub use crate::hyper::upgraded::Upgraded;
