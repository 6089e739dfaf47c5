//! The connections of a server that close together.

use core::fmt;
use core::future::poll_fn;
use core::time::Duration;

use alloc::sync::Arc;

use tokio::time::Instant;

use crate::adapter::connections::{Drained, Registry};
use crate::close_code::CloseCode;
use crate::error::send::SendError;
use crate::tokio::socket::WebSocket;
use crate::tokio::timer::now;

/// The open connections of a server, so that they can be closed together when it shuts down.
///
/// Each WebSocket is [added](Self::add) when it opens, and leaves by itself when its transport has
/// ended or it is dropped. [`drain`](Self::drain) sends a Close frame on each and returns after
/// these ends. Clones are handles to the same connections. A connection takes about 100 bytes here.
///
/// ```no_run
/// use std::time::Duration;
///
/// use sansocket::tokio::{Connections, WebSocket};
/// use sansocket::{AcceptOptions, CloseCode, Config};
/// use tokio::net::TcpListener;
///
/// # async fn f(listener: TcpListener, shutdown: impl Future<Output = ()>)
/// #     -> Result<(), Box<dyn std::error::Error>> {
/// let (config, options) = (Config::server().build()?, AcceptOptions::new());
/// let connections = Connections::new();
/// let accepting = async {
///     while let Ok((stream, _)) = listener.accept().await {
///         let (config, options) = (config.clone(), options.clone());
///         let connections = connections.clone();
///         tokio::spawn(async move {
///             let mut ws = WebSocket::accept(stream, &config, &options).await?;
///             connections.add(&mut ws);
///             while let Some((event, _)) = ws.read().await? {
///                 println!("{event:?}");
///             }
///             Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
///         });
///     }
/// };
/// tokio::select! {
///     () = accepting => {}
///     () = shutdown => {}
/// }
/// connections.drain(CloseCode::GOING_AWAY, "", Duration::from_secs(10)).await?;
/// # Ok(()) }
/// ```
#[derive(Clone, Default)]
pub struct Connections(Arc<Registry>);

impl Connections {
    /// Starts without a connection.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a connection. If a drain has begun it is closed at once: reads go on to the peer's
    /// Close frame.
    ///
    /// Its reads, sends and flushes execute the drain, also after a [`split`](WebSocket::split), in
    /// [`Messages`](crate::tokio::Messages) and in a [`ByteStream`](crate::tokio::ByteStream).
    /// [`into_inner`](WebSocket::into_inner) removes it.
    pub fn add<S>(&self, ws: &mut WebSocket<S>) {
        let registration = self.0.register();
        registration.execute(&mut ws.driver.flow, now);
        ws.link.registration = Some(registration);
    }

    /// Sends a Close frame on each connection, and returns when all of them have ended, or after
    /// `timeout`; then aborts the others. [`CloseCode::GOING_AWAY`] (1001) is for a server that
    /// shuts down, [`CloseCode::SERVICE_RESTART`] (1012) for one that comes back.
    ///
    /// A connection ends when its transport has ended, or at its
    /// [`close_timeout`](crate::config::ConfigBuilder::close_timeout). The tasks that read see the
    /// end of their connections as they always do; a drain does not await their later work. A task
    /// that does not poll its connection can neither close nor abort it: it keeps the transport
    /// until it does.
    ///
    /// A second drain returns at the same time, and changes neither code nor reason. Dropping the
    /// future stops the wait and the timeout; connections go on to close.
    ///
    /// # Errors
    /// [`SendError::UnsendableCode`] and [`SendError::ReasonTooLong`] (above 123 bytes): nothing
    /// was done then.
    pub async fn drain(
        &self,
        code: CloseCode,
        reason: &str,
        timeout: Duration,
    ) -> Result<Drained, SendError> {
        self.0.begin_drain(code, reason)?;
        let drained = poll_fn(|cx| self.0.poll_drained(cx));
        let Some(deadline) = Instant::now().checked_add(timeout) else {
            return Ok(drained.await);
        };
        match tokio::time::timeout_at(deadline, drained).await {
            Ok(drained) => Ok(drained),
            Err(_) => Ok(self.0.abort()),
        }
    }

    /// Ready when a drain has begun: for tasks without a connection that end at the same time, such as
    /// sessions of HTTP/2, which announce the end (`h2::Session::drain`).
    ///
    /// Cancel safe.
    pub async fn draining(&self) {
        let wait = self.0.wait_for_begin();
        poll_fn(|cx| wait.poll(cx)).await;
    }

    /// Returns whether a drain has begun. A server that does can refuse opening handshakes.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.0.is_draining()
    }

    /// Returns the number of connections.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns true if there is no connection.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl fmt::Debug for Connections {
    /// Without the reason of the drain.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connections")
            .field("len", &self.len())
            .field("is_draining", &self.is_draining())
            .finish()
    }
}
