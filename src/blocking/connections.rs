//! The connections of a server that close together.

use core::fmt;
use core::time::Duration;

use alloc::sync::Arc;

use crate::adapter::connections::{Drained, Registry};
use crate::blocking::socket::WebSocket;
use crate::close_code::CloseCode;
use crate::error::send::SendError;
use crate::instant::Instant;

/// The open connections of a server, so that they can be closed together when it shuts down.
///
/// Each WebSocket is [added](Self::add) when it opens, and leaves by itself when its transport has
/// ended or it is dropped. [`drain`](Self::drain) sends a Close frame on each and returns after
/// these ends. Clones are handles to the same connections. A connection takes about 100 bytes here.
///
/// ```
/// use std::thread;
/// use std::time::Duration;
///
/// use sansocket::blocking::{Connections, Transport, WebSocket};
/// use sansocket::error::SendError;
/// use sansocket::{CloseCode, WebSocketError};
///
/// fn serve<S: Transport>(mut ws: WebSocket<S>, all: &Connections) -> Result<(), WebSocketError> {
///     all.add(&mut ws);
///     while let Some((event, _)) = ws.read()? {
///         println!("{event:?}");
///     }
///     Ok(())
/// }
///
/// fn shut_down(all: &Connections) -> Result<(), SendError> {
///     let drained = all.drain(CloseCode::GOING_AWAY, "", Duration::from_secs(10))?;
///     println!("{} connections did not close in time", drained.aborted);
///     Ok(())
/// }
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
    /// Its reads and sends execute the drain, the reads also after a [`split`](WebSocket::split). A
    /// blocked read can't be woken: from here on it looks for a drain every quarter of the
    /// [`close_timeout`](crate::config::ConfigBuilder::close_timeout), at least every 2 s.
    /// [`into_inner`](WebSocket::into_inner) removes it.
    pub fn add<S>(&self, ws: &mut WebSocket<S>) {
        let registration = self.0.register();
        registration.execute(&mut ws.driver.flow, Instant::now);
        ws.link.registration = Some(registration);
    }

    /// Sends a Close frame on each connection, and returns when all of them have ended, or after
    /// `timeout`; then aborts the others, which their threads notice as late as the drain.
    /// [`CloseCode::GOING_AWAY`] (1001) is for a server that shuts down,
    /// [`CloseCode::SERVICE_RESTART`] (1012) for one that comes back.
    ///
    /// A connection ends when its transport has ended, or at its
    /// [`close_timeout`](crate::config::ConfigBuilder::close_timeout). The threads that read see
    /// the end of their connections as they always do; a drain does not await their later work. A
    /// second drain returns at the same time, and changes neither code nor reason.
    ///
    /// # Errors
    /// [`SendError::UnsendableCode`] and [`SendError::ReasonTooLong`] (above 123 bytes): nothing
    /// was done then.
    pub fn drain(
        &self,
        code: CloseCode,
        reason: &str,
        timeout: Duration,
    ) -> Result<Drained, SendError> {
        let deadline = Instant::now().checked_add(timeout);
        self.0.begin_drain(code, reason)?;
        Ok(self.0.wait_drained(deadline).unwrap_or_else(|| self.0.abort()))
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
