//! From a transport to a WebSocket: accepting and connecting.

use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use std::io;
use std::net::{TcpStream, ToSocketAddrs};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;

use bytes::{Bytes, BytesMut};

use crate::adapter::{AcceptError, ConnectError};
use crate::blocking::drive::Wire;
use crate::blocking::socket::WebSocket;
use crate::blocking::transport::Transport;
use crate::config::Config;
use crate::dial::Dial;
use crate::driver::Intake;
use crate::handshake::accept::AcceptOptions;
use crate::handshake::client::ClientHandshake;
use crate::handshake::connect::ConnectRequest;
use crate::handshake::connect_response::ConnectResponse;
use crate::handshake::error::HandshakeError;
use crate::handshake::head::OwnedRequestHead;
use crate::handshake::refusal::Refusal;
use crate::handshake::response::HttpResponse;
use crate::handshake::server::ServerHandshake;
use crate::input::Input;
use crate::instant::Instant;

/// A request that was read and is not answered yet: accept it, refuse it, or answer it with a page.
///
/// ```no_run
/// use std::error::Error;
/// use std::net::TcpStream;
///
/// use sansocket::blocking::Incoming;
/// use sansocket::handshake::HttpResponse;
/// use sansocket::{AcceptOptions, Config};
///
/// fn serve(stream: TcpStream, config: &Config) -> Result<(), Box<dyn Error>> {
///     let request = Incoming::read(stream, config)?;
///     if request.head().target() != "/ws" {
///         request.respond(&HttpResponse::new(404)?)?;
///         return Ok(());
///     }
///     let mut ws = request.accept(&AcceptOptions::new())?;
///     while let Some((event, mut reply)) = ws.read()? {
///         if let sansocket::Event::Text(text) = event {
///             reply.send_text(text)?;
///         }
///     }
///     Ok(())
/// }
/// ```
#[derive(Debug)]
pub struct Incoming<S> {
    wire: Wire<S>,
    head: OwnedRequestHead,
    config: Config,
    /// What came behind the head: the first frames.
    unread: BytesMut,
    deadline: Option<Instant>,
}

impl<S: Transport> Incoming<S> {
    /// Reads a request. The `handshake_timeout` of `config` holds from here to the end of the
    /// answer, however the bytes drip in.
    ///
    /// # Errors
    /// [`AcceptError::Refused`] for what is no request, or was not whole in time, after its answer
    /// was written; [`AcceptError::Io`] if the transport failed or ended.
    pub fn read(stream: S, config: &Config) -> Result<Self, AcceptError> {
        let mut wire = Wire::new(stream);
        let mut handshake = ServerHandshake::new(config, Instant::now());
        let deadline = handshake.poll_timeout();
        let received = receive(&mut wire, deadline, |input| handshake.receive(input).transpose())?;
        let refusal = match received {
            Received::Whole(Ok(head), unread) => {
                return Ok(Self { wire, head, config: config.clone(), unread, deadline });
            }
            Received::Whole(Err(refusal), _) => refusal,
            Received::Eof => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
            Received::TimedOut(now) => match handshake.handle_timeout(now) {
                Err(refusal) => refusal,
                Ok(()) => return Err(io::Error::from(io::ErrorKind::TimedOut).into()),
            },
        };
        Err(refuse(&mut wire, config, refusal))
    }

    /// Returns the request's head.
    pub const fn head(&self) -> &OwnedRequestHead {
        &self.head
    }

    /// Returns the transport, for its options and addresses.
    pub const fn get_ref(&self) -> &S {
        &self.wire.stream
    }

    /// Accepts the request as a WebSocket, and writes the answer.
    ///
    /// # Errors
    /// [`AcceptError::Refused`] if it breaks a rule of the opening handshake or of `options`, after
    /// its answer was written; [`AcceptError::Io`] if the transport failed.
    pub fn accept(self, options: &AcceptOptions) -> Result<WebSocket<S>, AcceptError> {
        let Self { mut wire, head, config, unread, deadline } = self;
        let accepted = head.upgrade().and_then(|request| request.accept(options));
        let accepted = match accepted {
            Ok(accepted) => accepted,
            Err(refusal) => return Err(refuse(&mut wire, &config, refusal)),
        };
        let mut out = BytesMut::new();
        accepted.write(&mut out);
        write_all(&mut wire, &out, deadline)?;
        let connection = accepted.into_connection(&config, Instant::now());
        Ok(WebSocket::new(wire, connection, &unread))
    }

    /// Refuses the request: the answer is written, the writing half of the transport ended, and the
    /// input drained, all within the linger timeout, so that the peer gets to see it.
    ///
    /// # Errors
    /// If the transport failed.
    pub fn refuse(mut self, refusal: &Refusal) -> io::Result<()> {
        let mut out = BytesMut::new();
        refusal.write(&mut out);
        answer_and_end(&mut self.wire, &self.config, &out)
    }

    /// Answers with a page, a redirect or whatever else; ends the transport as
    /// [`refuse`](Self::refuse) does. The answer to a HEAD request goes without its body.
    ///
    /// # Errors
    /// If the transport failed.
    pub fn respond(mut self, response: &HttpResponse) -> io::Result<()> {
        let mut out = BytesMut::new();
        if self.head.method() == "HEAD" {
            response.write_head(&mut out);
        } else {
            response.write(&mut out);
        }
        answer_and_end(&mut self.wire, &self.config, &out)
    }

    /// Gives the transport back, with the head and with what was read behind it: for another HTTP
    /// server in the same program. The stream has no timeouts then.
    pub fn into_parts(self) -> (S, OwnedRequestHead, Bytes) {
        (self.wire.into_stream(), self.head, self.unread.freeze())
    }
}

impl<S: Transport> WebSocket<S> {
    /// Reads a request and accepts it; see [`Incoming`] for servers that have pages too.
    ///
    /// # Errors
    /// As [`Incoming::read`] and [`Incoming::accept`].
    pub fn accept(
        stream: S,
        config: &Config,
        options: &AcceptOptions,
    ) -> Result<Self, AcceptError> {
        Incoming::read(stream, config)?.accept(options)
    }

    /// Asks for a WebSocket over a transport that is connected already.
    ///
    /// # Errors
    /// [`ConnectError`]; the transport was dropped then.
    pub fn client(
        stream: S,
        request: &ConnectRequest,
        config: &Config,
    ) -> Result<(Self, ConnectResponse), ConnectError> {
        let now = Instant::now();
        Self::ask(stream, request, config, now.checked_add(config.settings().handshake_timeout))
    }

    /// The same, under a deadline that may have begun before.
    fn ask(
        stream: S,
        request: &ConnectRequest,
        config: &Config,
        deadline: Option<Instant>,
    ) -> Result<(Self, ConnectResponse), ConnectError> {
        let mut wire = Wire::new(stream);
        let mut out = BytesMut::new();
        let mut handshake = ClientHandshake::new(request, config, Instant::now(), &mut out)?;
        write_all(&mut wire, &out, deadline).map_err(timed_out_or)?;
        let received = receive(&mut wire, deadline, |input| handshake.receive(input).transpose())?;
        match received {
            Received::Whole(opened, unread) => {
                let (connection, response) = opened?;
                Ok((Self::new(wire, connection, &unread), response))
            }
            Received::Eof => Err(HandshakeError::ClosedWithoutResponse.into()),
            Received::TimedOut(_) => Err(HandshakeError::Timeout.into()),
        }
    }
}

impl WebSocket<TcpStream> {
    /// Connects by the request's `ws://` URL: name resolution, each address in turn, `TCP_NODELAY`,
    /// handshake, all within the `handshake_timeout`.
    ///
    /// The system's resolver can't be interrupted: names are resolved in a thread of their own,
    /// which ends with the system's answer even if nobody waits for it any more.
    ///
    /// [RFC 6455 section 4.1](https://www.rfc-editor.org/rfc/rfc6455#section-4.1), item 2: at most
    /// one connection to a host may be connecting at a time; that is the caller's duty. After a
    /// failure wait as [`Backoff`](crate::handshake::Backoff) tells.
    ///
    /// # Errors
    /// [`ConnectError::TlsNotSupported`] for `wss://`; otherwise as [`client`](Self::client), or
    /// what name resolution or the last address said.
    pub fn connect(
        request: &ConnectRequest,
        config: &Config,
    ) -> Result<(Self, ConnectResponse), ConnectError> {
        if request.is_secure() {
            return Err(ConnectError::TlsNotSupported);
        }
        let deadline = Instant::now().checked_add(config.settings().handshake_timeout);
        let addresses = resolve(request.host(), request.port(), deadline).map_err(timed_out_or)?;
        let mut dial = Dial::new(addresses, deadline);
        while let Some((address, timeout)) = dial.next(Instant::now()) {
            let connected = match timeout {
                Some(timeout) => TcpStream::connect_timeout(&address, timeout),
                None => TcpStream::connect(address),
            };
            match connected {
                Ok(stream) => {
                    stream.set_nodelay(true)?;
                    return Self::ask(stream, request, config, deadline);
                }
                Err(error) => dial.failed(error),
            }
        }
        Err(dial.into_error().map_or_else(|| HandshakeError::Timeout.into(), ConnectError::Io))
    }
}

/// Asks the system for the addresses of a host, but not beyond the deadline.
fn resolve(host: &str, port: u16, deadline: Option<Instant>) -> io::Result<Vec<SocketAddr>> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    let (sender, receiver) = mpsc::channel();
    let host = String::from(host);
    thread::Builder::new().name("resolve".into()).spawn(move || {
        let resolved = (&*host, port).to_socket_addrs().map(Iterator::collect);
        // Nobody may be waiting any more.
        let _ = sender.send(resolved);
    })?;
    let left = match deadline {
        Some(deadline) => deadline.saturating_duration_since(Instant::now()),
        None => Duration::MAX,
    };
    match receiver.recv_timeout(left) {
        Ok(resolved) => resolved,
        Err(RecvTimeoutError::Timeout) => Err(io::ErrorKind::TimedOut.into()),
        Err(RecvTimeoutError::Disconnected) => {
            Err(io::Error::other("the name's resolver has panicked"))
        }
    }
}

/// What [`receive`] has come to.
enum Received<T> {
    /// A head, with what came behind it.
    Whole(T, BytesMut),
    /// The transport has ended.
    Eof,
    /// Nothing came until the deadline.
    TimedOut(Instant),
}

/// Reads until `receive` has something.
fn receive<S: Transport, T>(
    wire: &mut Wire<S>,
    deadline: Option<Instant>,
    mut receive: impl FnMut(&mut Input<'_>) -> Option<T>,
) -> io::Result<Received<T>> {
    let mut buffer = Intake::scratch();
    let received = loop {
        match wire.read(&mut buffer, deadline) {
            Ok(Some(0)) => break Ok(Received::Eof),
            Ok(Some(n)) => {
                let bytes = buffer.get_mut(..n).unwrap_or_default();
                let mut input = Input::new(Instant::now(), bytes);
                if let Some(whole) = receive(&mut input) {
                    break Ok(Received::Whole(whole, BytesMut::from(input.as_bytes())));
                }
            }
            Ok(None) => {
                let now = Instant::now();
                if deadline.is_some_and(|deadline| now >= deadline) {
                    break Ok(Received::TimedOut(now));
                }
            }
            Err(error) => break Err(error),
        }
    };
    Intake::put_back(buffer);
    received
}

fn write_all<S: Transport>(
    wire: &mut Wire<S>,
    mut bytes: &[u8],
    deadline: Option<Instant>,
) -> io::Result<()> {
    let mut flushed = false;
    while !bytes.is_empty() || !flushed {
        let moved = if bytes.is_empty() {
            flushed = wire.flush(deadline)?;
            flushed
        } else if let Some(n) = wire.write(bytes, deadline)? {
            bytes = bytes.get(n..).unwrap_or_default();
            true
        } else {
            false
        };
        if !moved && deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return Err(io::ErrorKind::TimedOut.into());
        }
    }
    Ok(())
}

/// Answers a request that can't be accepted.
fn refuse<S: Transport>(wire: &mut Wire<S>, config: &Config, refusal: Refusal) -> AcceptError {
    let mut out = BytesMut::new();
    refusal.write(&mut out);
    // The request is refused, whether the peer waits for the answer or not.
    let _ = answer_and_end(wire, config, &out);
    AcceptError::Refused(refusal)
}

/// Writes, ends writing, and drains: a transport closed with unread input ends in a reset, which
/// can destroy the answer.
fn answer_and_end<S: Transport>(
    wire: &mut Wire<S>,
    config: &Config,
    answer: &[u8],
) -> io::Result<()> {
    let deadline = Instant::now().checked_add(config.settings().linger_timeout);
    write_all(wire, answer, deadline)?;
    wire.stream.shutdown_write()?;
    // The answer is out; how the peer ends doesn't matter.
    while wire.drain(deadline) != Some(0)
        && deadline.is_none_or(|deadline| Instant::now() < deadline)
    {}
    Ok(())
}

/// Tells the end of a client's time from what the transport has to say.
fn timed_out_or(error: io::Error) -> ConnectError {
    if error.kind() == io::ErrorKind::TimedOut {
        HandshakeError::Timeout.into()
    } else {
        error.into()
    }
}
