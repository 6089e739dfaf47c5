//! A session of a client.

use core::fmt;
use core::future::{Future, poll_fn};
use core::pin::Pin;
use core::task::{Context, Poll, Waker, ready};

use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::{Bytes, BytesMut};
use futures_util::Stream as _;
use futures_util::stream::FuturesUnordered;
use h2::SendStream;
use h2::client::{Builder, Connection, SendRequest};
use h2::ext::Protocol;
use http::{Request, Response};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::config::Config;
use crate::error::adapter::{ConnectError, ConnectErrorKind, ConnectStep};
use crate::h2::error::{SessionError, stream_error};
use crate::h2::liveness::{Due, Liveness};
use crate::h2::options::SessionOptions;
use crate::h2::progress::{Observed, Progress};
use crate::h2::pump::{Mailbox, Pump, Source};
use crate::h2::session::MAX_DRIVES;
use crate::h2::slots::{Slot, Slots};
use crate::h2::stream::{Input, Stream};
use crate::handshake::connect::ConnectRequest;
use crate::handshake::connect_response::ConnectResponse;
use crate::handshake::error::HandshakeError;
use crate::http::Handshake;
use crate::http1::body::BodyEnd;
use crate::instant::Instant;
use crate::tokio::WebSocket;
use crate::tokio::timer::{Passed, now, within};

/// Opens WebSockets on a session of a client. Clones open them on the same session.
///
/// ```no_run
/// use sansocket::h2::{Client, SessionOptions};
/// use sansocket::{CloseCode, Config, ConnectRequest, Entropy};
/// use tokio::net::TcpStream;
///
/// # async fn f() -> Result<(), Box<dyn core::error::Error>> {
/// let transport = TcpStream::connect("127.0.0.1:9002").await?;
/// transport.set_nodelay(true)?;
/// let options = SessionOptions::builder().build()?;
/// let (client, session) = Client::handshake(transport, &options).await?;
/// tokio::spawn(session); // moves the data of all streams
///
/// let config = Config::client(Entropy::os()).build()?;
/// let request = ConnectRequest::new("ws://127.0.0.1:9002/chat")?;
/// let (mut ws, _response) = client.open(&request, &config).await?;
/// ws.send_text("Hello").await?;
/// ws.close(CloseCode::NORMAL, "").await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Client {
    /// The session ends when the last one is dropped.
    requests: Arc<SendRequest<Bytes>>,
    opened: Arc<Opened>,
    slots: Arc<Slots>,
    progress: Arc<Progress>,
    send_buffer: usize,
}

/// The pumps of new streams, on their way to the session.
#[derive(Default)]
struct Opened(Mutex<OpenedState>);

#[derive(Default)]
struct OpenedState {
    pumps: Vec<Pump>,
    session: Option<Waker>,
    /// The session takes no more pumps.
    has_ended: bool,
}

impl Opened {
    /// No code panics under this lock.
    fn state(&self) -> MutexGuard<'_, OpenedState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the pumps of new streams. Returns false if there are none.
    fn take(&self, pumps: &mut FuturesUnordered<Pump>, cx: &Context<'_>) -> bool {
        let mut state = self.state();
        let has_new = !state.pumps.is_empty();
        pumps.extend(state.pumps.drain(..));
        match &state.session {
            Some(waker) if waker.will_wake(cx.waker()) => {}
            _ => state.session = Some(cx.waker().clone()),
        }
        has_new
    }

    fn push(&self, pump: Pump) {
        let mut state = self.state();
        if state.has_ended {
            drop(state);
            // Dropping the pump ends the mailbox.
            return drop(pump);
        }
        state.pumps.push(pump);
        let session = state.session.take();
        drop(state);
        if let Some(session) = session {
            session.wake();
        }
    }
}

/// The limit of streams before the settings of the server have arrived: they set another one.
const NO_SETTINGS: usize = usize::MAX - 1;

impl Client {
    /// Opens a session. It is open when the settings of the server have arrived, which state whether the
    /// server allows WebSockets.
    ///
    /// The [`ClientSession`] is a future that moves the data of all streams: spawn it.
    ///
    /// # Errors
    /// [`SessionError`]. The transport is dropped then.
    pub async fn handshake<T: AsyncRead + AsyncWrite + Unpin>(
        transport: T,
        options: &SessionOptions,
    ) -> Result<(Self, ClientSession<T>), SessionError> {
        let progress = Arc::new(Progress::new());
        let mut builder = Builder::new();
        builder
            .enable_push(false)
            .initial_max_send_streams(NO_SETTINGS)
            .initial_window_size(options.stream_window)
            .initial_connection_window_size(options.session_window)
            .max_send_buffer_size(options.send_buffer)
            .data_frame_budget(options.small_frame_budget())
            .max_frame_size(options.max_frame_len)
            .max_header_list_size(options.max_head_len);
        let deadline = now().checked_add(options.handshake_timeout);
        let observed = Observed::new(transport, progress.clone());
        let driving = progress.clone();
        let connected = async {
            let (requests, mut connection) =
                builder.handshake::<_, Bytes>(observed).await.map_err(SessionError::new)?;
            poll_fn(|cx| {
                driving.begin(options.read_len(), cx);
                match Pin::new(&mut connection).poll(cx) {
                    _ if requests.current_max_send_streams() != NO_SETTINGS => Poll::Ready(Ok(())),
                    Poll::Ready(Ok(())) => {
                        Poll::Ready(Err(SessionError::Io(io::ErrorKind::UnexpectedEof.into())))
                    }
                    // Found by this end, before the settings of the server.
                    Poll::Ready(Err(error)) if error.is_library() => {
                        Poll::Ready(Err(SessionError::not_http2(error)))
                    }
                    Poll::Ready(Err(error)) => Poll::Ready(Err(SessionError::new(error))),
                    Poll::Pending => {
                        if driving.end() {
                            cx.waker().wake_by_ref();
                        }
                        Poll::Pending
                    }
                }
            })
            .await?;
            Ok((requests, connection))
        };
        let connected = within(deadline, connected).await;
        let (requests, mut connection) =
            connected.unwrap_or(Err(SessionError::HandshakeTimeout))?;
        let opened = Arc::new(Opened::default());
        let own_limit = usize::try_from(options.max_streams).unwrap_or(usize::MAX);
        let peer_limit = connection.max_concurrent_send_streams();
        let slots = Arc::new(Slots::new(own_limit, peer_limit));
        let requests = Arc::new(requests);
        let session = ClientSession {
            liveness: Liveness::new(connection.ping_pong(), options),
            connection,
            pumps: FuturesUnordered::new(),
            opened: opened.clone(),
            slots: slots.clone(),
            requests: Arc::downgrade(&requests),
            peer_limit,
            progress: progress.clone(),
            read_len: options.read_len(),
        };
        let send_buffer = options.send_buffer;
        Ok((Self { requests, opened, slots, progress, send_buffer }, session))
    }

    /// Returns whether the server allows WebSockets (`SETTINGS_ENABLE_CONNECT_PROTOCOL`).
    #[must_use]
    pub fn allows_web_sockets(&self) -> bool {
        self.requests.is_extended_connect_protocol_enabled()
    }

    /// Returns the slots of the streams.
    pub(super) const fn slots(&self) -> &Arc<Slots> {
        &self.slots
    }

    /// Opens a WebSocket: an extended CONNECT request, within the `handshake_timeout` of the config. If
    /// the server or [`max_streams`](crate::h2::SessionOptionsBuilder::max_streams) allow no more streams
    /// at present, the request is sent when one has ended.
    ///
    /// # Errors
    /// [`ConnectError`] of the step [`Handshake`](ConnectStep::Handshake), with the response and the body
    /// of a refusal. [`ConnectErrorKind::Http2NotAllowed`] if the server does not allow WebSockets.
    pub async fn open(
        &self,
        request: &ConnectRequest,
        config: &Config,
    ) -> Result<(WebSocket<Stream>, ConnectResponse), ConnectError> {
        let deadline = now().checked_add(config.handshake_timeout());
        let opened = self.open_in(None, request, config, deadline, |stream| stream).await;
        opened.map_err(|error| {
            ConnectError::new(ConnectStep::Handshake, request.host(), request.port(), error.kind)
        })
    }

    /// Opens a WebSocket in a slot, or in the next one that is free, until the deadline. `wrap` makes its
    /// transport.
    pub(super) async fn open_in<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        slot: Option<Slot>,
        request: &ConnectRequest,
        config: &Config,
        deadline: Option<Instant>,
        wrap: impl FnOnce(Stream) -> S,
    ) -> Result<(WebSocket<S>, ConnectResponse), OpenError> {
        if !self.allows_web_sockets() {
            return Err(ConnectErrorKind::Http2NotAllowed.into());
        }
        let handshake = Handshake::extended_connect(request, config)?;
        let mut made = handshake.to_request().map_err(io::Error::other)?;
        made.extensions_mut().insert(Protocol::from_static("websocket"));
        let reads = self.progress.reads();
        let judged_from = now().checked_add(config.handshake_timeout() / 2);
        let state = || match self.progress.reads() == reads {
            true => RequestState::Unanswered,
            false => RequestState::Heard,
        };
        let (response, mut opening) = match within(deadline, self.request(slot, made)).await {
            Ok(Ok(responded)) => responded,
            Ok(Err(RequestError::NotSent(error))) => {
                let kind = stream_error(error).into();
                return Err(OpenError { kind, state: RequestState::NotSent });
            }
            Ok(Err(RequestError::NoResponse(error))) => {
                return Err(OpenError { kind: error.into(), state: state() });
            }
            Err(Passed) => {
                // A call that has waited for a slot leaves the server little time.
                let is_judged = judged_from.is_some_and(|from| now() >= from);
                let state = if is_judged { state() } else { RequestState::NotSent };
                return Err(OpenError { kind: HandshakeError::Timeout.into(), state });
            }
        };
        match handshake.receive_response(&response, now()) {
            Ok((connection, response)) => {
                let stream = wrap(self.stream(opening));
                Ok((WebSocket::from_connection(stream, connection, &[]), response))
            }
            Err(HandshakeError::Status(mut response)) => {
                let (body, end) = opening.read_body(config.max_refusal_body_len(), deadline).await;
                response.set_body(body, end);
                Err(HandshakeError::Status(response).into())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Sends a request in a slot, or in the next one that is free, and awaits the response.
    pub(super) async fn request(
        &self,
        slot: Option<Slot>,
        request: Request<()>,
    ) -> Result<(Response<()>, Opening), RequestError> {
        let ready = SendRequest::clone(&self.requests).ready().await;
        let mut requests = ready.map_err(RequestError::NotSent)?;
        let slot = match slot {
            Some(slot) => slot,
            None => self.slots.take().await,
        };
        let sent = requests.send_request(request, false);
        let (response, output) = sent.map_err(RequestError::NotSent)?;
        let mailbox = Arc::new(Mailbox::with_slot(slot));
        let mut opening = Opening { input: Input { mailbox, flow: None, unwritten: None }, output };
        self.opened.push(Pump::new(Source::Response(response), opening.input.mailbox.clone()));
        let mailbox = &opening.input.mailbox;
        let responded = poll_fn(|cx| mailbox.poll_response(cx)).await;
        let (response, flow) = responded.map_err(RequestError::NoResponse)?;
        opening.input.flow = Some(flow);
        Ok((response, opening))
    }

    /// Makes a stream after its response.
    pub(super) fn stream(&self, opening: Opening) -> Stream {
        let Opening { input, output } = opening;
        Stream::new(input, output, self.progress.clone(), self.send_buffer)
    }
}

/// A request without a response.
pub(super) enum RequestError {
    NotSent(h2::Error),
    NoResponse(io::Error),
}

/// A failed `open_in`.
pub(super) struct OpenError {
    pub(super) kind: ConnectErrorKind,
    pub(super) state: RequestState,
}

/// The state of a request that has failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RequestState {
    /// Or sent so late that no response could be expected.
    NotSent,
    /// The session has received no input since the request. The transport may have been lost before.
    Unanswered,
    /// The session has received input since the request, or the response.
    Heard,
}

impl<E: Into<ConnectErrorKind>> From<E> for OpenError {
    fn from(error: E) -> Self {
        Self { kind: error.into(), state: RequestState::Heard }
    }
}

/// A stream whose response is awaited. Dropping it resets the stream.
pub(super) struct Opening {
    input: Input,
    output: SendStream<Bytes>,
}

impl Opening {
    /// Reads the body of a refusal, at most `max_len` bytes until the deadline.
    async fn read_body(&mut self, max_len: usize, deadline: Option<Instant>) -> (Bytes, BodyEnd) {
        let mut body = BytesMut::new();
        let input = &mut self.input;
        let read = poll_fn(|cx| {
            let mut chunk = [0; 1024];
            loop {
                let mut buf = ReadBuf::new(&mut chunk);
                let len = match input.poll_read(cx, &mut buf) {
                    Poll::Ready(Ok(len)) => len,
                    Poll::Ready(Err(_)) => return Poll::Ready(BodyEnd::Closed),
                    Poll::Pending => return Poll::Pending,
                };
                if len == 0 {
                    return Poll::Ready(BodyEnd::Complete);
                }
                let room = max_len - body.len();
                body.extend_from_slice(buf.filled().get(..len.min(room)).unwrap_or_default());
                if len > room {
                    return Poll::Ready(BodyEnd::TooLong);
                }
            }
        });
        let end = within(deadline, read).await.unwrap_or(BodyEnd::Timeout);
        (body.freeze(), end)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("allows_web_sockets", &self.allows_web_sockets())
            .finish_non_exhaustive()
    }
}

/// Moves the data of all streams of a [`Client`]: a future to spawn.
///
/// It is ready when all clients are dropped and all WebSockets have ended, when the session had no
/// WebSockets for the `idle_timeout`, or when it fails.
/// Dropping it ends the WebSockets.
#[must_use = "futures do nothing unless polled"]
pub struct ClientSession<T: AsyncRead + AsyncWrite + Unpin> {
    connection: Connection<Observed<T>, Bytes>,
    pumps: FuturesUnordered<Pump>,
    opened: Arc<Opened>,
    slots: Arc<Slots>,
    requests: Weak<SendRequest<Bytes>>,
    /// The limit of the server that `slots` has.
    peer_limit: usize,
    progress: Arc<Progress>,
    liveness: Liveness,
    read_len: usize,
}

impl<T: AsyncRead + AsyncWrite + Unpin> Future for ClientSession<T> {
    type Output = Result<(), SessionError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self {
            connection,
            pumps,
            opened,
            slots,
            requests,
            peer_limit,
            progress,
            liveness,
            read_len,
        } = &mut *self;
        let mut has_streams = false;
        let mut has_more = true;
        for _ in 0..MAX_DRIVES {
            progress.begin(*read_len, cx);
            let done = Pin::new(&mut *connection).poll(cx);
            has_more = progress.end();
            has_streams |= opened.take(pumps, cx);
            while let Poll::Ready(Some(())) = Pin::new(&mut *pumps).poll_next(cx) {}
            if let Poll::Ready(result) = done {
                self.end();
                return Poll::Ready(result.map_err(SessionError::new));
            }
            if !has_more {
                break;
            }
        }
        if has_more {
            cx.waker().wake_by_ref();
        }
        let limit = connection.max_concurrent_send_streams();
        if limit != *peer_limit {
            *peer_limit = limit;
            slots.set_peer_limit(limit);
        }
        let heard = progress.take_heard();
        // After GOAWAY no stream can be opened, although streams end: the calls that wait for one fail.
        if heard
            && let Some(requests) = requests.upgrade()
            && let Poll::Ready(Err(_)) = SendRequest::clone(&requests).poll_ready(cx)
        {
            slots.end();
        }
        // A session without streams is idle. It ends when its last `Client` is dropped.
        has_streams |= !pumps.is_empty();
        let due = ready!(liveness.poll(cx, has_streams, heard));
        self.end();
        Poll::Ready(match due {
            Due::KeepAlive => Err(SessionError::KeepAliveTimeout),
            Due::Idle => Ok(()),
        })
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> ClientSession<T> {
    /// Ends the streams.
    fn end(&mut self) {
        self.progress.end_session();
        let mut state = self.opened.state();
        state.has_ended = true;
        let pumps = core::mem::take(&mut state.pumps);
        let session = state.session.take();
        drop(state);
        drop((pumps, session));
        self.pumps.clear();
        self.slots.end();
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> Drop for ClientSession<T> {
    fn drop(&mut self) {
        self.end();
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> fmt::Debug for ClientSession<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientSession")
            .field("web_sockets", &self.pumps.len())
            .finish_non_exhaustive()
    }
}
