//! The client's side: the request, and every rule about its answer
//! ([RFC 6455 section 4.1](https://www.rfc-editor.org/rfc/rfc6455#section-4.1)).

use core::fmt;

use alloc::boxed::Box;
use alloc::vec::Vec;

use bytes::BytesMut;

use crate::config::Config;
use crate::connection::Connection;
#[cfg(feature = "deflate")]
use crate::deflate::Agreement;
use crate::error::{ExtensionError, LimitError, SendError};
use crate::handshake::accept_key::{AcceptKey, encode_nonce};
use crate::handshake::connect::ConnectRequest;
use crate::http1::error::HeadError;
use crate::http1::head::{Fields, RawHead};
use crate::http1::lists::List;
use crate::http1::reader::{HeadReader, Kind};
use crate::input::Input;
use crate::instant::Instant;
use crate::negotiated::Negotiated;
use crate::role::Role;

/// How much of the body of a refusal is kept, in bytes.
const MAX_BODY: usize = 1024;

/// Asks for a WebSocket and checks the answer.
///
/// Bytes behind the answer stay in the input: they are the first frames.
#[derive(Debug)]
pub struct ClientHandshake {
    request: ConnectRequest,
    config: Config,
    expected: AcceptKey,
    reader: HeadReader,
    /// How many bytes all heads together may have from now on.
    room: usize,
    deadline: Option<Instant>,
    state: State,
}

#[derive(Debug)]
enum State {
    Reading,
    Done,
    Failed(HandshakeError),
}

impl ClientHandshake {
    /// Appends the request, with a fresh key from the config's entropy; the config's
    /// `handshake_timeout` runs from `now`.
    ///
    /// # Errors
    /// [`SendError::Entropy`] if the source of randomness fails, or if the config is a server's,
    /// which has none. Nothing is appended then.
    pub fn new(
        request: &ConnectRequest,
        config: &Config,
        now: Instant,
        out: &mut BytesMut,
    ) -> Result<Self, SendError> {
        let settings = config.settings();
        let entropy = settings.entropy.ok_or(SendError::Entropy)?;
        // RFC 6455 4.1(7): 16 random bytes, chosen anew for each connection.
        let mut nonce = [0; 16];
        entropy.fill(&mut nonce)?;
        let key = encode_nonce(nonce);
        request.write(&key, out);
        let room = settings.max_head_len;
        Ok(Self {
            request: request.clone(),
            config: config.clone(),
            expected: AcceptKey::new(&key),
            reader: HeadReader::new(Kind::Response, room, settings.max_head_fields),
            room,
            deadline: now.checked_add(settings.handshake_timeout),
            state: State::Reading,
        })
    }

    /// Returns the connection when the answer is whole and right; `None`: more bytes are needed.
    /// After the connection nothing more is taken from any input.
    ///
    /// # Errors
    /// [`HandshakeError`]: end the transport. Each later call returns the same error.
    pub fn receive(
        &mut self,
        input: &mut Input<'_>,
    ) -> Result<Option<(Connection, Response)>, HandshakeError> {
        match &self.state {
            State::Reading => {}
            State::Done => return Ok(None),
            State::Failed(error) => return Err(error.clone()),
        }
        loop {
            let (taken, whole) = self.reader.read(input.as_bytes());
            input.take(taken);
            match whole {
                Ok(true) => {}
                Ok(false) => return self.handle_timeout(input.now()).map(|()| None),
                Err(error) => return Err(self.fail(error.into())),
            }
            let len = self.reader.len();
            let head = self.reader.take();
            // RFC 9110 15.2: a client MUST be able to read any number of 1xx before the answer.
            // All of them together are as long as one head may be.
            if matches!(head.line.status, 100 | 102..=199) {
                self.room = self.room.saturating_sub(len);
                let max_fields = self.config.settings().max_head_fields;
                self.reader = HeadReader::new(Kind::Response, self.room, max_fields);
                if self.room == 0 {
                    return Err(self.fail(HandshakeError::Limit(LimitError::HeadTooLong)));
                }
                continue;
            }
            return self.judge(Response::new(head), input);
        }
    }

    fn judge(
        &mut self,
        mut response: Response,
        input: &Input<'_>,
    ) -> Result<Option<(Connection, Response)>, HandshakeError> {
        // RFC 6455 4.1, first rule about the answer: another status is HTTP's business.
        if response.status() != 101 {
            let body = input.as_bytes();
            response.body = body.get(..MAX_BODY).unwrap_or(body).into();
            return Err(self.fail(HandshakeError::Status(Box::new(response))));
        }
        match self.negotiate(&response) {
            Ok(negotiated) => {
                self.state = State::Done;
                #[cfg(feature = "deflate")]
                {
                    response.deflate = negotiated.deflate();
                }
                let connection =
                    Connection::new(Role::Client, &self.config, &negotiated, input.now());
                Ok(Some((connection, response)))
            }
            Err(error) => Err(self.fail(error)),
        }
    }

    /// RFC 6455 4.1, second to sixth rule about the answer: each breach MUST fail.
    fn negotiate(&self, response: &Response) -> Result<Negotiated, HandshakeError> {
        // RFC 9110 7.8: HTTP/1.0 has no Upgrade.
        if response.head.line.minor == 0 {
            return Err(HandshakeError::BadHead(HeadError::Version));
        }
        let fields = response.fields();
        let upgrade = only(fields, "Upgrade")?.unwrap_or_default();
        if !upgrade.eq_ignore_ascii_case(b"websocket") {
            return Err(HandshakeError::BadUpgrade);
        }
        let mut connection = List::default();
        let mut found = false;
        for line in fields.get_all("Connection") {
            found |= connection
                .find_token(line, "Upgrade")
                .map_err(|_| HandshakeError::BadConnection)?;
        }
        if !found {
            return Err(HandshakeError::BadConnection);
        }
        if only(fields, "Sec-WebSocket-Accept")? != Some(self.expected.as_bytes()) {
            return Err(HandshakeError::BadAccept);
        }
        let extensions = only(fields, "Sec-WebSocket-Extensions")?;
        let negotiated = self.request.negotiate_extensions(extensions)?;
        let Some(subprotocol) = only(fields, "Sec-WebSocket-Protocol")? else {
            return Ok(negotiated);
        };
        match core::str::from_utf8(subprotocol) {
            Ok(subprotocol) if self.request.offers(subprotocol) => {
                Ok(negotiated.with_subprotocol(subprotocol))
            }
            _ => Err(HandshakeError::UnofferedSubprotocol),
        }
    }

    /// Tells that the transport has ended.
    ///
    /// # Errors
    /// [`HandshakeError::ClosedWithoutResponse`] unless the handshake is over; the error it has
    /// failed with if it has.
    pub fn receive_eof(&mut self) -> Result<(), HandshakeError> {
        match &self.state {
            State::Reading => Err(self.fail(HandshakeError::ClosedWithoutResponse)),
            State::Done => Ok(()),
            State::Failed(error) => Err(error.clone()),
        }
    }

    /// Returns when to call [`handle_timeout`](Self::handle_timeout); `None` when there is nothing
    /// to wait for.
    #[must_use]
    pub const fn poll_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Reading => self.deadline,
            State::Done | State::Failed(_) => None,
        }
    }

    /// Tells the time. Early is no error.
    ///
    /// # Errors
    /// [`HandshakeError::Timeout`] when the deadline has passed: end the transport.
    pub fn handle_timeout(&mut self, now: Instant) -> Result<(), HandshakeError> {
        match &self.state {
            State::Reading if self.deadline.is_some_and(|deadline| now >= deadline) => {
                Err(self.fail(HandshakeError::Timeout))
            }
            State::Reading | State::Done => Ok(()),
            State::Failed(error) => Err(error.clone()),
        }
    }

    fn fail(&mut self, error: HandshakeError) -> HandshakeError {
        self.state = State::Failed(error.clone());
        error
    }
}

/// The value of a field that may be there once only.
fn only<'h>(fields: Fields<'h>, name: &'static str) -> Result<Option<&'h [u8]>, HandshakeError> {
    let mut values = fields.get_all(name);
    let value = values.next();
    if values.next().is_some() {
        return Err(HandshakeError::DuplicateField(name));
    }
    Ok(value)
}

/// A server's answer.
#[derive(Clone, Debug)]
pub struct Response {
    head: RawHead,
    #[cfg(feature = "deflate")]
    deflate: Option<Agreement>,
    body: Vec<u8>,
}

impl Response {
    const fn new(head: RawHead) -> Self {
        Self {
            head,
            #[cfg(feature = "deflate")]
            deflate: None,
            body: Vec::new(),
        }
    }

    /// Returns the status.
    #[must_use]
    pub const fn status(&self) -> u16 {
        self.head.line.status
    }

    /// Returns the words behind the status, which are for people only.
    #[must_use]
    pub fn reason(&self) -> &[u8] {
        self.head.reason()
    }

    /// Returns the fields, in their order.
    #[must_use]
    pub fn fields(&self) -> Fields<'_> {
        self.head.fields()
    }

    /// Returns the subprotocol that was agreed on: one of those offered, if the answer opened a
    /// connection.
    #[must_use]
    pub fn subprotocol(&self) -> Option<&str> {
        core::str::from_utf8(self.fields().get("Sec-WebSocket-Protocol")?).ok()
    }

    /// Returns what was agreed on about compression, if the answer opened a connection; `None`:
    /// messages are not compressed.
    #[cfg(feature = "deflate")]
    #[must_use]
    pub const fn deflate(&self) -> Option<Agreement> {
        self.deflate
    }

    /// Returns the beginning of a refusal's body: what came in the same input as the end of its
    /// head, at most 1 KiB. They are still in the input too.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.body
    }
}

/// A client's handshake has failed: end the transport.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum HandshakeError {
    /// The server has answered with another status than 101: a refusal, a redirect, a question
    /// for credentials.
    Status(Box<Response>),
    /// Sec-WebSocket-Accept is missing, or not the answer to our key.
    BadAccept,
    /// Upgrade is missing, or not `websocket`.
    BadUpgrade,
    /// Connection is missing, or doesn't name `Upgrade`.
    BadConnection,
    /// A subprotocol that was not offered, or more than one.
    UnofferedSubprotocol,
    /// The extensions of the answer can't be agreed to.
    Extensions(ExtensionError),
    /// A field that may be there once only is there again.
    DuplicateField(&'static str),
    /// The answer is not HTTP/1.1.
    BadHead(HeadError),
    /// The answer passes a limit of the [`Config`].
    Limit(LimitError),
    /// The answer was not whole in time.
    Timeout,
    /// The transport has ended before the answer was whole.
    ClosedWithoutResponse,
}

impl From<ExtensionError> for HandshakeError {
    fn from(error: ExtensionError) -> Self {
        Self::Extensions(error)
    }
}

impl From<HeadError> for HandshakeError {
    fn from(error: HeadError) -> Self {
        if let HeadError::Limit(limit) = error { Self::Limit(limit) } else { Self::BadHead(error) }
    }
}

impl fmt::Display for HandshakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Status(response) => {
                write!(f, "the server answered {}", response.status())?;
                return match response.reason() {
                    [] => Ok(()),
                    reason => write!(f, " {}", reason.escape_ascii()),
                };
            }
            Self::BadAccept => "the server's Sec-WebSocket-Accept doesn't answer our key",
            Self::BadUpgrade => "the server's Upgrade is not websocket",
            Self::BadConnection => "the server's Connection doesn't name Upgrade",
            Self::UnofferedSubprotocol => "the server chose a subprotocol that was not offered",
            Self::DuplicateField(name) => {
                return write!(f, "the server's answer has more than one {name}");
            }
            Self::BadHead(error) => {
                return write!(f, "the server's answer is not HTTP/1.1: {error}");
            }
            Self::Extensions(error) => return error.fmt(f),
            Self::Limit(error) => return error.fmt(f),
            Self::Timeout => "the server didn't answer the handshake in time",
            Self::ClosedWithoutResponse => {
                "the server closed the connection without answering the handshake"
            }
        })
    }
}

impl core::error::Error for HandshakeError {}
