//! WebSockets over HTTP/2 ([RFC 8441](https://www.rfc-editor.org/rfc/rfc8441), feature `h2`).
//!
//! A [`Session`] is one transport with many streams. It accepts extended CONNECT requests, which become
//! a [`WebSocket`](crate::tokio::WebSocket) over a [`Stream`], and all other requests, such as those of
//! pages. The task that calls [`Session::accept`] moves the data of all streams; a WebSocket that its
//! application does not read delays only itself.
//!
//! ```no_run
//! use bytes::Bytes;
//! use http::Response;
//! use sansocket::h2::{Incoming, Session, SessionError, SessionOptions, Stream};
//! use sansocket::tokio::WebSocket;
//! use sansocket::{AcceptOptions, Config, Event, WebSocketError};
//! use tokio::net::TcpStream;
//!
//! async fn serve(
//!     transport: TcpStream,
//!     options: &SessionOptions,
//!     config: &Config,
//! ) -> Result<(), SessionError> {
//!     let mut session = Session::handshake(transport, options).await?;
//!     while let Some(incoming) = session.accept().await? {
//!         match incoming {
//!             Incoming::WebSocket(request) => {
//!                 if let Ok(ws) = request.accept(&AcceptOptions::new(), config) {
//!                     tokio::spawn(echo(ws));
//!                 }
//!             }
//!             Incoming::Other(_request, mut respond) => {
//!                 if let Ok(mut body) = respond.send_response(Response::new(()), false) {
//!                     let _ = body.send_data(Bytes::from_static(b"a page"), true);
//!                 }
//!             }
//!             _ => {} // a request that was refused
//!         }
//!     }
//!     Ok(())
//! }
//!
//! async fn echo(mut ws: WebSocket<Stream>) -> Result<(), WebSocketError> {
//!     while let Some((event, mut reply)) = ws.read().await? {
//!         if let Event::Text(text) = event {
//!             reply.feed_text(text)?;
//!         }
//!     }
//!     Ok(())
//! }
//! ```

mod client;
mod connector;
mod error;
mod liveness;
mod options;
mod pool;
mod prefer;
mod progress;
mod pump;
mod request;
mod session;
mod slots;
mod stream;
mod tunnel;

pub use crate::h2::client::{Client, ClientSession};
pub use crate::h2::error::SessionError;
pub use crate::h2::options::{SessionOptions, SessionOptionsBuilder};
pub use crate::h2::prefer::Prefer;
pub use crate::h2::request::{Body, Incoming, PendingRequest};
pub use crate::h2::session::Session;
pub use crate::h2::stream::Stream;
pub use crate::h2::tunnel::TunnelError;
