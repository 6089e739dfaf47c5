//! The closing handshake ([RFC 6455 section 7](https://www.rfc-editor.org/rfc/rfc6455#section-7)),
//! changed by its methods only.
//!
//! ```text
//!            send_close                  receive_close
//!   Open ──────────────────► CloseSent ──────────────────► Closed
//!    │ │                         │                           ▲
//!    │ └── receive_close (answered in the same call) ────────┘
//!    │                           │
//!    └─────────── fail ──────────┴──────────► Failed    (a broken rule, EOF, a timeout, abort)
//! ```

use crate::close_code::CloseCode;
use crate::error::protocol::{PeerError, ProtocolError};
use crate::error::send::SendError;
use crate::message::Utf8Bytes;
use crate::role::Role;

/// Where the closing handshake stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Closing(State);

#[derive(Clone, Copy, Debug)]
enum State {
    Open,
    /// We began: the peer's Close frame is awaited until a deadline.
    CloseSent {
        code: CloseCode,
    },
    /// Both Close frames are through.
    Closed {
        code: CloseCode,
        began: Side,
    },
    /// Poisoned by the first error.
    Failed {
        error: ProtocolError,
        code: CloseCode,
        began: Side,
    },
}

/// Who began: this end or the other, whatever its role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Us,
    Peer,
}

/// How the connection ends or has ended: which end began, with which code and reason.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CloseStatus {
    /// The code of the peer's Close frame, [`CloseCode::NO_STATUS`] (1005) if it had none. Before
    /// it has come, and if it never comes because this end failed the connection: the code that
    /// this end gave. [`CloseCode::ABNORMAL`] (1006) for a connection lost without a Close frame
    /// (RFC 6455 section 7.1.5).
    pub code: CloseCode,
    /// The reason of the peer's Close frame, empty without one.
    pub reason: Utf8Bytes,
    /// The end that sent the first Close frame, or broke off without one.
    pub by: Role,
    /// Whether both Close frames were exchanged.
    pub clean: bool,
}

/// What the peer's Close frame asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CloseAction {
    /// Ours was first, or the connection is over: nothing more to write.
    None,
    /// RFC 6455 5.5.1: it MUST be answered with a Close frame.
    Close,
}

impl Closing {
    pub(crate) const OPEN: Self = Self(State::Open);

    /// Our Close frame goes out.
    pub(crate) fn send_close(&mut self, code: CloseCode) -> Result<(), SendError> {
        self.check_open()?;
        self.0 = State::CloseSent { code };
        Ok(())
    }

    /// The peer's Close frame has come in.
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

    /// The connection fails. Returns whether a Close frame with the error's code must be written.
    /// The first error stays.
    pub(crate) fn fail(&mut self, error: ProtocolError) -> CloseAction {
        let sent = match self.0 {
            State::Open => None,
            State::CloseSent { code } => Some(code),
            State::Closed { .. } | State::Failed { .. } => return CloseAction::None,
        };
        // RFC 6455 7.1.5: without a Close frame of the peer the code is 1006, also where a peer that
        // has only ended its writing half still gets one of ours.
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

    /// RFC 6455 5.5.1: after its Close frame an endpoint MUST NOT send any more data.
    #[inline]
    pub(crate) const fn check_open(&self) -> Result<(), SendError> {
        if self.is_open() { Ok(()) } else { Err(SendError::Closed) }
    }

    /// The error that has poisoned the connection.
    pub(crate) const fn failed(&self) -> Option<ProtocolError> {
        if let State::Failed { error, .. } = self.0 { Some(error) } else { None }
    }

    pub(crate) const fn is_open(&self) -> bool {
        matches!(self.0, State::Open)
    }

    /// Whether nothing more is received: both Close frames are through, or the connection failed.
    pub(crate) const fn is_closed(&self) -> bool {
        matches!(self.0, State::Closed { .. } | State::Failed { .. })
    }

    /// `reason` is that of the peer's Close frame.
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
