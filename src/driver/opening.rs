//! The opening handshake of either role, as a phase of the driver.
//!
//! ```text
//!  server:  Server ──► Request ──► Answering ──► (open connection)
//!             │           └────────────┴───────► Responded | Refused
//!             └───► Refused (invalid, or too late) | Lost (the transport has ended)
//!  client:  Client ──► Opened ──► (open connection)
//!             └───► Failed | Lost
//! ```

use core::{fmt, mem};

use bytes::BytesMut;

use crate::config::Config;
use crate::connection::Connection;
use crate::error::send::SendError;
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

/// An opening handshake in progress, or a failed one.
pub(super) struct Opening {
    /// The deadline of the entire handshake.
    pub(super) deadline: Option<Instant>,
    pub(super) state: State,
}

pub(super) enum State {
    /// A server reads the request.
    Server(ServerHandshake),
    /// The request was read and is not taken yet.
    Request(OwnedRequestHead),
    /// The request was taken and is not answered yet.
    Answering { is_head: bool },
    /// A client has sent its request and awaits the response.
    Client(ClientHandshake),
    /// The response was read and is not taken yet.
    Opened(Connection, ConnectResponse),
    /// The transport has ended or failed.
    Lost,
    /// The request was answered with a page or another response.
    Responded,
    /// The request was refused.
    Refused(Refusal),
    /// The response did not open a connection.
    Failed(HandshakeError),
}

/// The end of an opening handshake that opened no connection.
pub(super) struct Ended {
    /// The output holds a response that the peer must receive.
    pub(super) must_answer: bool,
}

impl Opening {
    pub(super) fn server(config: &Config, now: Instant) -> Self {
        let handshake = ServerHandshake::new(config, now);
        let deadline = handshake.poll_timeout();
        Self { deadline, state: State::Server(handshake) }
    }

    /// Appends the request.
    pub(super) fn client(
        request: &ConnectRequest,
        config: &Config,
        now: Instant,
        out: &mut BytesMut,
    ) -> Result<Self, SendError> {
        let handshake = ClientHandshake::new(request, config, now, out)?;
        let deadline = handshake.poll_timeout();
        Ok(Self { deadline, state: State::Client(handshake) })
    }

    /// Returns how the handshake has failed. `None` while it is in progress, and after it has
    /// opened a connection.
    pub(super) const fn ended(&self) -> Option<Ended> {
        match self.state {
            State::Lost | State::Failed(_) => Some(Ended { must_answer: false }),
            State::Responded | State::Refused(_) => Some(Ended { must_answer: true }),
            State::Answering { .. }
            | State::Client(_)
            | State::Opened(..)
            | State::Request(_)
            | State::Server(_) => None,
        }
    }

    /// Returns when to call [`timed_out`](Self::timed_out). `None` while the caller decides: its
    /// time is limited when the answer is written.
    pub(super) const fn deadline(&self) -> Option<Instant> {
        if matches!(self.state, State::Server(_) | State::Client(_)) { self.deadline } else { None }
    }

    /// Processes input up to the end of the head.
    pub(super) fn receive(&mut self, input: &mut Input<'_>, out: &mut BytesMut) {
        if let State::Server(handshake) = &mut self.state {
            match handshake.receive(input) {
                Ok(Some(head)) => self.state = State::Request(head),
                Ok(None) => {}
                Err(refusal) => self.refuse(refusal, out),
            }
        } else if let State::Client(handshake) = &mut self.state {
            match handshake.receive(input) {
                Ok(Some((connection, response))) => {
                    self.state = State::Opened(connection, response);
                }
                Ok(None) => {}
                Err(error) => self.fail(error),
            }
        }
    }

    /// Records the peer's EOF.
    pub(super) fn receive_eof(&mut self) {
        // A request that is complete can still be answered, and a complete response still be taken.
        if let State::Server(_) = self.state {
            self.state = State::Lost;
        } else if let State::Client(handshake) = &mut self.state
            && let Err(error) = handshake.receive_eof()
        {
            self.fail(error);
        }
    }

    pub(super) fn timed_out(&mut self, now: Instant, out: &mut BytesMut) {
        if let State::Server(handshake) = &mut self.state {
            if let Err(refusal) = handshake.handle_timeout(now) {
                self.refuse(refusal, out);
            }
        } else if let State::Client(handshake) = &mut self.state
            && let Err(error) = handshake.handle_timeout(now)
        {
            self.fail(error);
        }
    }

    /// Records that the transport has failed.
    pub(super) fn lose(&mut self) {
        if self.ended().is_none() {
            self.state = State::Lost;
        }
    }

    pub(super) fn take_request(&mut self) -> Option<OwnedRequestHead> {
        let State::Request(head) = &self.state else { return None };
        let answering = State::Answering { is_head: head.method() == "HEAD" };
        let taken = mem::replace(&mut self.state, answering);
        if let State::Request(head) = taken { Some(head) } else { None }
    }

    /// Returns true if there is an unanswered request, taken or not.
    pub(super) const fn awaits_answer(&self) -> bool {
        matches!(self.state, State::Request(_) | State::Answering { .. })
    }

    pub(super) fn respond(&mut self, response: &HttpResponse, out: &mut BytesMut) {
        // RFC 9110 section 9.3.2: the response to HEAD has no body.
        let is_head = matches!(&self.state, State::Answering { is_head: true })
            || matches!(&self.state, State::Request(head) if head.method() == "HEAD");
        if is_head {
            response.write_head(out);
        } else {
            response.write(out);
        }
        self.state = State::Responded;
    }

    pub(super) fn refuse(&mut self, refusal: Refusal, out: &mut BytesMut) {
        refusal.write(out);
        self.state = State::Refused(refusal);
    }

    fn fail(&mut self, error: HandshakeError) {
        self.state = State::Failed(error);
    }
}

impl fmt::Debug for Opening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.state {
            State::Server(_) => "Server",
            State::Request(_) => "Request",
            State::Answering { .. } => "Answering",
            State::Client(_) => "Client",
            State::Opened(..) => "Opened",
            State::Lost => "Lost",
            State::Responded => "Responded",
            State::Refused(_) => "Refused",
            State::Failed(_) => "Failed",
        })
    }
}
