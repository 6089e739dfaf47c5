//! The state of the closing handshake
//! ([RFC 6455 section 7](https://www.rfc-editor.org/rfc/rfc6455#section-7)). Only its methods
//! change it.
//!
//! ```text
//!            send_close                  receive_close
//!   Open ──────────────────► CloseSent ──────────────────► Closed
//!    │ │                         │                           ▲
//!    │ └── receive_close (answered in the same call) ────────┘
//!    │                           │
//!    └─────────── fail ──────────┴──────────► Failed    (a violation, EOF, a timeout, abort)
//! ```

use crate::close_code::CloseCode;
use crate::error::protocol::{PeerError, ProtocolError};
use crate::error::send::SendError;
use crate::message::Utf8Bytes;
use crate::role::Role;

/// The state of the closing handshake.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Closing(State);

#[derive(Clone, Copy, Debug)]
enum State {
    Open,
    /// Our Close frame was sent. The peer's is awaited until a deadline.
    CloseSent {
        code: CloseCode,
    },
    /// Both Close frames were exchanged.
    Closed {
        code: CloseCode,
        began: Side,
    },
    /// The connection has failed. The first error stays.
    Failed {
        error: ProtocolError,
        code: CloseCode,
        began: Side,
    },
}

/// The end that began the closure, independent of the roles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Us,
    Peer,
}

/// The closure of a connection: the end that began it, with the code and the reason.
///
/// ```
/// use bytes::BytesMut;
/// use sansocket::connection::Negotiated;
/// use sansocket::{CloseCode, Config, Connection, Inbox, Input, Instant, Role};
///
/// let now = Instant::from_micros(0);
/// let config = Config::server().build()?;
/// let mut server = Connection::new(Role::Server, &config, &Negotiated::new(), now);
///
/// let mut bytes = *b"\x88\x85\0\0\0\0\x03\xe9bye"; // 1001 with a reason
/// let (mut inbox, mut out) = (Inbox::new(), BytesMut::new());
/// server.receive(&mut Input::new(now, &mut bytes), &mut inbox, &mut out)?;
/// let status = server.close_status().unwrap();
/// assert_eq!((status.code, status.reason.as_str()), (CloseCode::GOING_AWAY, "bye"));
/// assert_eq!((status.by, status.clean), (Role::Client, true));
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CloseStatus {
    /// The code of the peer's Close frame, or [`CloseCode::NO_STATUS`] (1005) if that has none.
    /// Without such a frame, because it hasn't arrived yet or because this end failed the
    /// connection, the code of this end's Close frame. [`CloseCode::ABNORMAL`] (1006) for a
    /// connection that was lost without a Close frame (RFC 6455 section 7.1.5).
    pub code: CloseCode,
    /// The reason of the peer's Close frame; empty if there is none.
    pub reason: Utf8Bytes,
    /// The end that sent the first Close frame, or that ended the connection without one.
    pub by: Role,
    /// Whether both Close frames were exchanged.
    pub clean: bool,
}

/// The action that must follow a change of the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CloseAction {
    /// No frame: ours was sent before, or the connection is closed.
    None,
    /// A Close frame. RFC 6455 5.5.1: a Close frame of the peer MUST be answered with one.
    Close,
}

impl Closing {
    pub(crate) const OPEN: Self = Self(State::Open);

    /// Records that our Close frame is sent.
    pub(crate) fn send_close(&mut self, code: CloseCode) -> Result<(), SendError> {
        self.check_open()?;
        self.0 = State::CloseSent { code };
        Ok(())
    }

    /// Records that the peer's Close frame was received.
    pub(crate) fn receive_close(&mut self, code: CloseCode) -> CloseAction {
        match self.0 {
            State::Open => {
                self.0 = State::Closed { code, began: Side::Peer };
                CloseAction::Close
            }
            State::CloseSent { code: _ } => {
                self.0 = State::Closed { code, began: Side::Us };
                CloseAction::None
            }
            State::Closed { .. } | State::Failed { .. } => CloseAction::None,
        }
    }

    /// Fails the connection. Returns whether a Close frame with the error's code must be written.
    /// Errors after the first one have no effect.
    pub(crate) fn fail(&mut self, error: ProtocolError) -> CloseAction {
        let sent = match self.0 {
            State::Open => None,
            State::CloseSent { code } => Some(code),
            State::Closed { .. } | State::Failed { .. } => return CloseAction::None,
        };
        // RFC 6455 7.1.5: without a Close frame of the peer the code is 1006. That is so even if
        // the peer has only shut down its write half and still receives a Close frame.
        let lost = error == PeerError::ClosedWithoutHandshake.into();
        let abnormal = lost || error.close_code() == CloseCode::ABNORMAL;
        let code =
            if abnormal { CloseCode::ABNORMAL } else { sent.unwrap_or_else(|| error.close_code()) };
        let began = if lost && sent.is_none() { Side::Peer } else { Side::Us };
        self.0 = State::Failed { error, code, began };
        if error.close_code() == CloseCode::ABNORMAL || sent.is_some() {
            CloseAction::None
        } else {
            CloseAction::Close
        }
    }

    /// Refuses sends after our Close frame: RFC 6455 5.5.1 forbids any more data.
    #[inline]
    pub(crate) const fn check_open(&self) -> Result<(), SendError> {
        if self.is_open() { Ok(()) } else { Err(SendError::Closed) }
    }

    /// Returns the error that failed the connection.
    pub(crate) const fn failed(&self) -> Option<ProtocolError> {
        if let State::Failed { error, .. } = self.0 { Some(error) } else { None }
    }

    pub(crate) const fn is_open(&self) -> bool {
        matches!(self.0, State::Open)
    }

    /// Returns true if no more input is processed: both Close frames were exchanged, or the
    /// connection has failed.
    pub(crate) const fn is_closed(&self) -> bool {
        matches!(self.0, State::Closed { .. } | State::Failed { .. })
    }

    /// Returns the public form. `reason` is that of the peer's Close frame.
    pub(crate) fn status(&self, role: Role, reason: Utf8Bytes) -> Option<CloseStatus> {
        let (code, began, clean) = match self.0 {
            State::Open => return None,
            State::CloseSent { code } => (code, Side::Us, false),
            State::Closed { code, began } => (code, began, true),
            State::Failed { code, began, .. } => (code, began, false),
        };
        let by = match began {
            Side::Us => role,
            Side::Peer => role.peer(),
        };
        Some(CloseStatus { code, reason, by, clean })
    }
}
