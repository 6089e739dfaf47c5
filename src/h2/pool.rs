//! The sessions of a connector.

use core::future::{Future, poll_fn};
use core::net::SocketAddr;
use core::pin::{Pin, pin};
use core::task::{Context, Poll};
use core::time::Duration;

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use std::collections::HashMap;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use h2::Reason;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::config::Config;
use crate::error::adapter::{ConnectError, ConnectErrorKind, ConnectStep};
use crate::h2::client::{Client, OpenError, RequestState};
use crate::h2::error::SessionError;
use crate::h2::options::SessionOptions;
use crate::h2::prefer::Prefer;
use crate::h2::slots::Slot;
use crate::h2::stream::Stream;
use crate::handshake::connect::ConnectRequest;
use crate::handshake::connect_response::ConnectResponse;
use crate::handshake::error::HandshakeError;
use crate::instant::Instant;
use crate::tokio::WebSocket;
use crate::tokio::client_stream::ClientStream;
use crate::tokio::dialer::Dialer;
use crate::tokio::session_stream::{AnyStream, SessionStream};
use crate::tokio::sessions::{Connecting, Sessions};
use crate::tokio::timer::{Passed, now, within};
use crate::tokio::tls::{Offer, TlsStream};

/// The time for which WebSockets of an origin without HTTP/2 are connected over HTTP/1.1 at once.
const HTTP1_TIME: Duration = Duration::from_secs(60);

/// The number of origins from which on those without sessions are removed.
const MIN_LIMIT: usize = 16;

/// The sessions of a connector, by origin.
#[derive(Debug)]
pub(super) struct Pool {
    prefer: Prefer,
    origins: Mutex<Origins>,
}

#[derive(Debug, Default)]
struct Origins {
    by_name: HashMap<(Box<str>, u16), Arc<Origin>>,
    /// The number of origins at which those without sessions are removed. It grows with their number,
    /// so that the removals take linear time in all.
    limit: usize,
}

/// A host and port.
#[derive(Debug, Default)]
struct Origin {
    /// Notified when a session is opened, or is not.
    opened: Notify,
    state: Mutex<OriginState>,
}

#[derive(Debug, Default)]
struct OriginState {
    sessions: Vec<PooledSession>,
    /// The number of the next session or claim.
    next: u64,
    /// The claim of the call that opens a session: others wait, and open none (RFC 6455 section 4.1,
    /// item 2).
    claim: Option<u64>,
    /// Set for a server without WebSockets over HTTP/2.
    http1_until: Option<Instant>,
}

#[derive(Clone, Debug)]
struct PooledSession {
    number: u64,
    client: Client,
    addresses: Addresses,
}

#[derive(Clone, Copy, Debug)]
struct Addresses {
    peer: Option<SocketAddr>,
    local: Option<SocketAddr>,
}

/// The way to a WebSocket.
enum Way {
    /// A free slot of a session.
    Session { session: PooledSession, slot: Slot, is_new: bool },
    /// HTTP/1.1; on this stream if the server has selected it by ALPN.
    Http1(Option<TlsStream>),
}

/// The next step to a WebSocket.
enum Step {
    Take(Way),
    /// Open a session.
    Open(Claim),
    /// Wait for the session that another call opens.
    Opening,
    /// Wait for a slot of one of these sessions.
    Wait(Vec<PooledSession>),
}

impl Pool {
    pub(super) fn new(prefer: Prefer) -> Self {
        Self { prefer, origins: Mutex::default() }
    }

    fn origin(&self, request: &ConnectRequest) -> Arc<Origin> {
        let mut origins = lock(&self.origins);
        let Origins { by_name, limit } = &mut *origins;
        let name = (request.host().to_ascii_lowercase().into(), request.port());
        if let Some(origin) = by_name.get(&name) {
            return origin.clone();
        }
        if by_name.len() >= *limit {
            by_name.retain(|_, origin| origin.is_used());
            *limit = (2 * by_name.len()).max(MIN_LIMIT);
        }
        by_name.entry(name).or_default().clone()
    }

    async fn connect_until(
        &self,
        dialer: &Dialer,
        request: &ConnectRequest,
        config: &Config,
        start: Instant,
    ) -> Result<(WebSocket<ClientStream>, ConnectResponse), ConnectError> {
        let deadline = start.checked_add(config.handshake_timeout());
        let origin = self.origin(request);
        let mut is_repeated = false;
        loop {
            let (session, slot, is_new) =
                match self.way(&origin, dialer, request, config, start).await? {
                    Some(Way::Session { session, slot, is_new }) => (session, slot, is_new),
                    Some(Way::Http1(Some(stream))) => {
                        return WebSocket::ask(stream.into(), request, config, start).await;
                    }
                    Some(Way::Http1(None)) => {
                        return dialer.connect_http1(request, config, start).await;
                    }
                    None => continue,
                };
            let wrap = |stream| session.wrap(stream);
            let error =
                match session.client.open_in(Some(slot), request, config, deadline, wrap).await {
                    Ok(opened) => return Ok(opened),
                    Err(error) => error,
                };
            match Failure::new(&error) {
                Failure::Http1Required => origin.use_http1(),
                Failure::Session => {
                    origin.remove(session.number);
                    if is_new {
                        return Err(failed(request, error.kind));
                    }
                }
                Failure::Unanswered => {
                    origin.remove(session.number);
                    if is_new || is_repeated {
                        return Err(failed(request, error.kind));
                    }
                    is_repeated = true;
                }
                // The next WebSocket has a session of its own.
                Failure::Lost => {
                    origin.remove(session.number);
                    return Err(failed(request, error.kind));
                }
                Failure::WebSocket => return Err(failed(request, error.kind)),
            }
        }
    }

    /// Chooses a session, or opens one. `None`: choose again after a wait.
    async fn way(
        &self,
        origin: &Arc<Origin>,
        dialer: &Dialer,
        request: &ConnectRequest,
        config: &Config,
        start: Instant,
    ) -> Result<Option<Way>, ConnectError> {
        let deadline = start.checked_add(config.handshake_timeout());
        let wait = async |sessions: Vec<PooledSession>| {
            let taken = within(deadline, take_any(sessions)).await;
            taken.map_err(|Passed| failed(request, HandshakeError::Timeout.into()))
        };
        let mut opened = pin!(origin.opened.notified());
        // From here on no notification is lost.
        opened.as_mut().enable();
        let claim = match origin.next(self.prefer.max_sessions) {
            Step::Take(way) => return Ok(Some(way)),
            Step::Wait(sessions) => return wait(sessions).await,
            Step::Opening => {
                let waited = within(deadline, opened).await;
                let waited = waited.map(|()| None);
                return waited.map_err(|Passed| {
                    let (host, port) = (request.host(), request.port());
                    ConnectError::new(ConnectStep::Connect, host, port, ConnectErrorKind::Timeout)
                });
            }
            Step::Open(claim) => claim,
        };
        match self.open(claim, dialer, request, config, start).await? {
            Opened::Http1(stream) => Ok(Some(Way::Http1(stream))),
            Opened::Session(session, Some(slot)) => {
                Ok(Some(Way::Session { session, slot, is_new: true }))
            }
            // The server allows no streams at present. If it ends the session, it would end others, too.
            Opened::Session(session, None) => match wait(vec![session]).await? {
                Some(Way::Session { session, slot, .. }) => {
                    Ok(Some(Way::Session { session, slot, is_new: true }))
                }
                _ => {
                    let error = io::Error::from(io::ErrorKind::ConnectionAborted);
                    Err(failed(request, error.into()))
                }
            },
        }
    }

    /// Opens a session, in a task: other calls wait for it, even if this one is not polled.
    async fn open(
        &self,
        claim: Claim,
        dialer: &Dialer,
        request: &ConnectRequest,
        config: &Config,
        start: Instant,
    ) -> Result<Opened, ConnectError> {
        let origin = claim.origin.clone();
        let options = self.prefer.options.clone();
        let (dialer, to, config) = (dialer.clone(), request.clone(), config.clone());
        let mut task = OpeningTask {
            // An aborted task may be dropped late, or never: its call gives the claim back.
            _claim: Claim { origin: origin.clone(), number: claim.number },
            handle: tokio::spawn(async move {
                let opened = origin.open(&dialer, &to, &config, start, &options).await;
                drop(claim);
                opened
            }),
        };
        let opened = (&mut task.handle).await;
        // The runtime shuts down.
        opened.unwrap_or_else(|error| Err(failed(request, io::Error::other(error).into())))
    }
}

/// The task that opens a session. Dropping it aborts the task.
struct OpeningTask {
    _claim: Claim,
    handle: JoinHandle<Result<Opened, ConnectError>>,
}

impl Drop for OpeningTask {
    fn drop(&mut self) {
        self.handle.abort();
    }
}

/// The result of opening a session.
enum Opened {
    Session(PooledSession, Option<Slot>),
    Http1(Option<TlsStream>),
}

/// The right to open a session. Dropping it gives it back.
struct Claim {
    origin: Arc<Origin>,
    number: u64,
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut state = lock(&self.origin.state);
        if state.claim == Some(self.number) {
            state.claim = None;
            drop(state);
            self.origin.opened.notify_waiters();
        }
    }
}

impl Origin {
    /// Opens a session.
    async fn open(
        self: &Arc<Self>,
        dialer: &Dialer,
        request: &ConnectRequest,
        config: &Config,
        start: Instant,
        options: &SessionOptions,
    ) -> Result<Opened, ConnectError> {
        let deadline = start.checked_add(config.handshake_timeout());
        let stream = dialer.tls_stream(request, config, start, Offer::Http2).await?;
        if !stream.is_http2() {
            self.use_http1();
            return Ok(Opened::Http1(Some(stream)));
        }
        let addresses = Addresses {
            peer: stream.tcp().peer_addr().ok(),
            local: stream.tcp().local_addr().ok(),
        };
        let opened = within(deadline, Client::handshake(stream, options)).await;
        let (client, task) = match opened.unwrap_or(Err(SessionError::HandshakeTimeout)) {
            Ok(opened) if opened.0.allows_web_sockets() => opened,
            Ok(_) => {
                self.use_http1();
                return Ok(Opened::Http1(None));
            }
            Err(SessionError::HandshakeTimeout) => {
                return Err(failed(request, HandshakeError::Timeout.into()));
            }
            Err(error) => {
                let error = io::Error::from(error).into();
                if let Failure::Http1Required = Failure::new(&error) {
                    self.use_http1();
                    return Ok(Opened::Http1(None));
                }
                return Err(failed(request, error.kind));
            }
        };
        let slot = client.slots().try_take();
        let session = self.add(client, addresses);
        let number = session.number;
        let weak = Arc::downgrade(self);
        tokio::spawn(async move {
            // Each WebSocket of the session has the error.
            let _ = task.await;
            if let Some(origin) = weak.upgrade() {
                origin.remove(number);
            }
        });
        Ok(Opened::Session(session, slot))
    }
}

impl Sessions for Pool {
    fn connect<'a>(
        &'a self,
        dialer: &'a Dialer,
        request: &'a ConnectRequest,
        config: &'a Config,
        start: Instant,
    ) -> Connecting<'a> {
        Box::pin(self.connect_until(dialer, request, config, start))
    }

    fn renewed(&self) -> Arc<dyn Sessions> {
        Arc::new(Self::new(self.prefer.clone()))
    }
}

impl Origin {
    /// Returns the next step of a WebSocket.
    fn next(self: &Arc<Self>, max_sessions: usize) -> Step {
        drop(self.remove_ended());
        let mut state = lock(&self.state);
        if state.http1_until.is_some_and(|until| now() < until) {
            return Step::Take(Way::Http1(None));
        }
        for session in &state.sessions {
            if let Some(slot) = session.client.slots().try_take() {
                let session = session.clone();
                return Step::Take(Way::Session { session, slot, is_new: false });
            }
        }
        if state.sessions.len() < max_sessions {
            if state.claim.is_some() {
                return Step::Opening;
            }
            let number = state.next;
            state.next += 1;
            state.claim = Some(number);
            return Step::Open(Claim { origin: self.clone(), number });
        }
        Step::Wait(state.sessions.clone())
    }

    fn add(&self, client: Client, addresses: Addresses) -> PooledSession {
        let mut state = lock(&self.state);
        let session = PooledSession { number: state.next, client, addresses };
        state.next += 1;
        state.sessions.push(session.clone());
        session
    }

    /// Removes a session. Its WebSockets go on, and the calls that wait for a slot of it use another one.
    fn remove(&self, number: u64) {
        let removed = {
            let mut state = lock(&self.state);
            let place = state.sessions.iter().position(|session| session.number == number);
            place.map(|place| state.sessions.swap_remove(place))
        };
        if let Some(removed) = removed {
            removed.client.slots().end();
        }
    }

    /// Removes the sessions that take no more streams: by GOAWAY, or because their runtime has ended.
    fn remove_ended(&self) -> Vec<PooledSession> {
        let mut state = lock(&self.state);
        state.sessions.extract_if(.., |session| session.client.slots().has_ended()).collect()
    }

    fn use_http1(&self) {
        lock(&self.state).http1_until = now().checked_add(HTTP1_TIME);
    }

    fn is_used(self: &Arc<Self>) -> bool {
        drop(self.remove_ended());
        let state = lock(&self.state);
        Arc::strong_count(self) > 1
            || !state.sessions.is_empty()
            || state.http1_until.is_some_and(|until| now() < until)
    }
}

/// Takes the first slot that is free. `None`: one of the sessions takes no more streams.
async fn take_any(sessions: Vec<PooledSession>) -> Option<Way> {
    let slots: Vec<_> = sessions.iter().map(|session| session.client.slots().clone()).collect();
    let mut waits: Vec<_> = slots.iter().map(|slots| Box::pin(slots.take())).collect();
    poll_fn(|cx| {
        for (wait, session) in waits.iter_mut().zip(&sessions) {
            if let Poll::Ready(slot) = wait.as_mut().poll(cx) {
                if session.client.slots().has_ended() {
                    return Poll::Ready(None);
                }
                let session = session.clone();
                return Poll::Ready(Some(Way::Session { session, slot, is_new: false }));
            }
        }
        Poll::Pending
    })
    .await
}

/// A failure to open a WebSocket on a session.
enum Failure {
    /// The server has not processed the request: another session may take it.
    Session,
    /// The session was lost after the request without any input, as if it had ended before: the request is
    /// repeated once. It may be the cause of the loss.
    Unanswered,
    /// The session was lost. The server may have processed the request, so it is not repeated.
    Lost,
    /// The server wants HTTP/1.1 (RFC 9113 section 7).
    Http1Required,
    /// Any other one: a refusal, for example.
    WebSocket,
}

impl Failure {
    fn new(error: &OpenError) -> Self {
        let &OpenError { ref kind, state } = error;
        if matches!(kind, ConnectErrorKind::Handshake(HandshakeError::Timeout)) {
            return match state {
                // The server may be slow: the session is not dead.
                RequestState::Heard | RequestState::NotSent => Self::WebSocket,
                RequestState::Unanswered => Self::Lost,
            };
        }
        let ConnectErrorKind::Io(error) = kind else { return Self::WebSocket };
        let Some(error) = error.get_ref().and_then(|error| error.downcast_ref::<h2::Error>())
        else {
            // An error of the transport. A server that ends an idle session and a request can cross.
            return match state {
                RequestState::NotSent => Self::Session,
                RequestState::Unanswered => Self::Unanswered,
                RequestState::Heard => Self::Lost,
            };
        };
        match error.reason() {
            Some(Reason::HTTP_1_1_REQUIRED) => Self::Http1Required,
            // RFC 9113 section 8.7: the server has not processed the request.
            Some(Reason::REFUSED_STREAM) => Self::Session,
            // h2 returns the GOAWAY of a server to streams above its last stream only.
            _ if error.is_go_away() && (error.is_remote() || state == RequestState::NotSent) => {
                Self::Session
            }
            _ if error.is_go_away() => Self::Lost,
            // RST_STREAM, or a request that h2 refuses.
            _ => Self::WebSocket,
        }
    }
}

fn failed(request: &ConnectRequest, kind: ConnectErrorKind) -> ConnectError {
    ConnectError::new(ConnectStep::Handshake, request.host(), request.port(), kind)
}

/// No code panics under these locks.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A stream with the addresses of its session.
#[derive(Debug)]
struct PooledStream {
    stream: Stream,
    addresses: Addresses,
}

impl PooledSession {
    fn wrap(&self, stream: Stream) -> ClientStream {
        SessionStream::new(PooledStream { stream, addresses: self.addresses }).into()
    }
}

impl AnyStream for PooledStream {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.addresses.peer.ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.addresses.local.ok_or_else(|| io::ErrorKind::NotConnected.into())
    }
}

impl AsyncRead for PooledStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for PooledStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
