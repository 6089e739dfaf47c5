//! Helpers of the tests of the tokio adapter.

use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use core::time::Duration;

use sansocket::connection::Negotiated;
use sansocket::message::SendOptions;
use sansocket::tokio::WebSocket;
use sansocket::{Config, Connection, Event, Instant, Role, WebSocketError};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::common::preset;

pub const MS: Duration = Duration::from_millis(1);
pub const SECONDS_10: Duration = Duration::from_secs(10);

/// Returns the output of a future that completes within 10 seconds.
pub async fn with_timeout<F: Future>(future: F) -> F::Output {
    timeout(SECONDS_10, future).await.expect("within 10 seconds")
}

/// Polls once, without a waker.
pub fn poll_once<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

pub fn socket<S>(role: Role, io: S, config: &Config) -> WebSocket<S>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let connection = Connection::new(role, config, &Negotiated::new(), Instant::now());
    WebSocket::from_connection(io, connection, &[])
}

/// A socket with the preset of its role.
pub fn plain<S: AsyncRead + AsyncWrite + Unpin>(role: Role, io: S) -> WebSocket<S> {
    socket(role, io, &preset(role).build().unwrap())
}

pub fn server<S: AsyncRead + AsyncWrite + Unpin>(io: S) -> WebSocket<S> {
    plain(Role::Server, io)
}

pub fn client<S: AsyncRead + AsyncWrite + Unpin>(io: S) -> WebSocket<S> {
    plain(Role::Client, io)
}

/// Returns both ends of a TCP connection.
pub async fn tcp_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (a, b) =
        tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
    (a.unwrap(), b.unwrap().0)
}

/// Sends each message and each part back, until the end.
pub async fn echo<S>(mut ws: WebSocket<S>) -> Result<(), WebSocketError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    while let Some((event, mut reply)) = ws.read().await? {
        match event {
            Event::Text(text) => reply.feed_text(text)?,
            Event::Binary(bytes) => reply.feed_binary(bytes)?,
            Event::Part { data, end, .. } => reply.feed_part(data, end, SendOptions::new())?,
            _ => {}
        }
    }
    Ok(())
}
