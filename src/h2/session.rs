//! A session of a server.

use core::fmt;
use core::future::poll_fn;
use core::pin::Pin;
use core::task::{Context, Poll, ready};

use alloc::sync::Arc;

use bytes::Bytes;
use futures_util::Stream as _;
use futures_util::stream::FuturesUnordered;
use h2::Reason;
use h2::server::{Builder, Connection};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;

use crate::h2::error::SessionError;
use crate::h2::liveness::{Due, Liveness};
use crate::h2::options::SessionOptions;
use crate::h2::progress::{Observed, Progress};
use crate::h2::pump::Pump;
use crate::h2::request::{Incoming, sort};

/// The number of drives in one poll. It bounds the time until other tasks run.
pub(super) const MAX_DRIVES: usize = 8;

/// A session of HTTP/2: one transport with many streams, for a server.
///
/// Its methods move the data of all streams, so call [`accept`](Self::accept) in a loop until it
/// returns `None`. Dropping the session ends its streams.
pub struct Session<T> {
    connection: Connection<Observed<T>, Bytes>,
    pumps: FuturesUnordered<Pump>,
    progress: Arc<Progress>,
    liveness: Liveness,
    send_buffer: usize,
    read_len: usize,
    is_draining: bool,
}

impl<T: AsyncRead + AsyncWrite + Unpin> Session<T> {
    /// Opens a session: the client sends the preface of HTTP/2, and both ends their settings.
    ///
    /// # Errors
    /// [`SessionError`]. The transport is dropped then.
    pub async fn handshake(transport: T, options: &SessionOptions) -> Result<Self, SessionError> {
        let progress = Arc::new(Progress::new());
        let mut builder = Builder::new();
        builder
            .enable_connect_protocol()
            .max_concurrent_streams(options.max_streams)
            .initial_window_size(options.stream_window)
            .initial_connection_window_size(options.session_window)
            .max_send_buffer_size(options.send_buffer)
            .data_frame_budget(options.small_frame_budget())
            .max_frame_size(options.max_frame_len)
            .max_header_list_size(options.max_head_len);
        let handshake = builder.handshake(Observed::new(transport, progress.clone()));
        let connected = timeout(options.handshake_timeout, handshake).await;
        let mut connection =
            connected.map_err(|_| SessionError::HandshakeTimeout)?.map_err(|error| {
                if error.is_io() {
                    return SessionError::new(error);
                }
                SessionError::not_http2("the first bytes of the client are not the preface")
            })?;
        let liveness = Liveness::new(connection.ping_pong(), options);
        let pumps = FuturesUnordered::new();
        Ok(Self {
            connection,
            pumps,
            progress,
            liveness,
            send_buffer: options.send_buffer,
            read_len: options.read_len(),
            is_draining: false,
        })
    }

    /// Returns the next request, and moves the data of all streams meanwhile. `None`: the session has
    /// ended in order.
    ///
    /// Cancel safe: dropping the future loses no request.
    ///
    /// # Errors
    /// [`SessionError`]. The session and its streams have ended.
    pub async fn accept(&mut self) -> Result<Option<Incoming>, SessionError> {
        poll_fn(|cx| self.poll_accept(cx)).await
    }

    /// [`accept`](Self::accept) as a function for futures.
    ///
    /// # Errors
    /// As [`accept`](Self::accept).
    pub fn poll_accept(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Incoming>, SessionError>> {
        for _ in 0..MAX_DRIVES {
            self.progress.begin(self.read_len, cx);
            let accepted = self.poll_drive(cx);
            let has_more = self.progress.end();
            while let Poll::Ready(Some(())) = Pin::new(&mut self.pumps).poll_next(cx) {}
            match accepted {
                Poll::Ready(Ok(Some(_))) => return accepted,
                Poll::Ready(_) => {
                    self.end();
                    return accepted;
                }
                Poll::Pending if has_more => {}
                Poll::Pending => return self.poll_liveness(cx),
            }
        }
        cx.waker().wake_by_ref();
        self.poll_liveness(cx)
    }

    /// Lets h2 read, write, and return a request.
    fn poll_drive(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Incoming>, SessionError>> {
        let (request, response) = match ready!(self.connection.poll_accept(cx)) {
            Some(Ok(incoming)) => incoming,
            // A peer may end the transport as soon as it has read GOAWAY.
            Some(Err(error))
                if error.is_io() && self.is_draining && !self.connection.has_streams() =>
            {
                return Poll::Ready(Ok(None));
            }
            Some(Err(error)) => return Poll::Ready(Err(SessionError::new(error))),
            None => return Poll::Ready(Ok(None)),
        };
        self.liveness.renew();
        let (incoming, pump) = sort(request, response, &self.progress, self.send_buffer);
        self.pumps.extend(pump);
        Poll::Ready(Ok(Some(incoming)))
    }

    fn poll_liveness(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Incoming>, SessionError>> {
        let progress = &self.progress;
        let has_streams = self.connection.has_streams();
        match self.liveness.poll(cx, has_streams, progress.take_heard()) {
            Poll::Ready(Due::Idle) => {
                self.drain();
                // The connection must be polled to send GOAWAY.
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Poll::Ready(Due::KeepAlive) => {
                self.connection.abrupt_shutdown(Reason::NO_ERROR);
                self.end();
                Poll::Ready(Err(SessionError::KeepAliveTimeout))
            }
            Poll::Pending => Poll::Pending,
        }
    }

    /// Ends the streams of a session that has ended: it may be kept for some time.
    fn end(&mut self) {
        self.progress.end_session();
        self.pumps.clear();
    }

    /// Ends the session in order (GOAWAY): the peer opens no more streams, and the open ones go on.
    /// Continue to call [`accept`](Self::accept) until it returns `None`. After the last stream the peer
    /// must answer within the timeout of [`keep_alive`](crate::h2::SessionOptionsBuilder::keep_alive).
    pub fn drain(&mut self) {
        self.is_draining = true;
        self.liveness.drain();
        self.connection.graceful_shutdown();
    }
}

impl<T> Drop for Session<T> {
    fn drop(&mut self) {
        self.progress.end_session();
    }
}

impl<T> fmt::Debug for Session<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("received_streams", &self.pumps.len())
            .finish_non_exhaustive()
    }
}
