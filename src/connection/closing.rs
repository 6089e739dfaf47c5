//! The closing handshake ([RFC 6455 section 7](https://www.rfc-editor.org/rfc/rfc6455#section-7)),
//! changed by its methods only.
//!
//! ```text
//!            send_close                  receive_close
//!   Open ──────────────────► CloseSent ──────────────────► Closed
//!    │ │                         │                           ▲
//!    │ └── receive_close (answered in the same call) ────────┘
//!    │                           │
//!    └─────────── fail ──────────┴──────────► Failed    (a broken rule, EOF, time ran out)
//! ```

use crate::close_code::CloseCode;
use crate::error::{PeerError, ProtocolError, SendError};
use crate::instant::Instant;
use crate::role::Role;

/// Where the closing handshake stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Closing(State);

#[derive(Clone, Copy, Debug)]
enum State {
    Open,
    /// We began: the peer's Close frame is awaited until the deadline.
    CloseSent {
        code: CloseCode,
        since: Instant,
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

/// How the connection ends or has ended: who began, with which code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CloseStatus {
    /// The code of the peer's Close frame, [`CloseCode::NO_STATUS`] (1005) if it had none. Before
    /// it has come, and if it never comes because this end failed the connection: the code that
    /// this end gave. [`CloseCode::ABNORMAL`] (1006) for a connection lost without a Close frame
    /// (RFC 6455 section 7.1.5).
    pub code: CloseCode,
    /// Who sent the first Close frame, or broke off without one.
    pub by: Role,
    /// Whether both Close frames were exchanged.
    pub clean: bool,
}

/// What the peer's Close frame asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Ours was first, or the connection is over: nothing more to write.
    None,
    /// RFC 6455 5.5.1: it MUST be answered with a Close frame.
    Close,
}

impl Closing {
    pub(crate) const OPEN: Self = Self(State::Open);

    /// Our Close frame goes out.
    pub(crate) fn send_close(&mut self, code: CloseCode, now: Instant) -> Result<(), SendError> {
        self.check_open()?;
        self.0 = State::CloseSent { code, since: now };
        Ok(())
    }

    /// The peer's Close frame has come in.
    pub(crate) fn receive_close(&mut self, code: CloseCode) -> Answer {
        match self.0 {
            State::Open => {
                self.0 = State::Closed { code, began: Side::Peer };
                Answer::Close
            }
            State::CloseSent { .. } => {
                self.0 = State::Closed { code, began: Side::Us };
                Answer::None
            }
            State::Closed { .. } | State::Failed { .. } => Answer::None,
        }
    }

    /// The connection fails; tells whether a Close frame with the error's code is still to be
    /// written. The first error stays.
    pub(crate) fn fail(&mut self, error: ProtocolError) -> Answer {
        let (sent, lost) = match self.0 {
            State::Open => (None, true),
            State::CloseSent { code, .. } => (Some(code), false),
            State::Closed { .. } | State::Failed { .. } => return Answer::None,
        };
        let abnormal = error.close_code() == CloseCode::ABNORMAL;
        let code =
            if abnormal { CloseCode::ABNORMAL } else { sent.unwrap_or_else(|| error.close_code()) };
        let began = if abnormal && lost { Side::Peer } else { Side::Us };
        self.0 = State::Failed { error, code, began };
        if abnormal || sent.is_some() { Answer::None } else { Answer::Close }
    }

    /// The transport has ended.
    pub(crate) fn receive_eof(&mut self) -> Result<(), ProtocolError> {
        match self.0 {
            State::Open | State::CloseSent { .. } => {
                let error = PeerError::ClosedWithoutHandshake.into();
                self.fail(error);
                Err(error)
            }
            State::Closed { .. } => Ok(()),
            State::Failed { error, .. } => Err(error),
        }
    }

    /// RFC 6455 5.5.1: after its Close frame an endpoint MUST NOT send any more data.
    #[inline]
    pub(crate) const fn check_open(&self) -> Result<(), SendError> {
        if self.is_open() { Ok(()) } else { Err(SendError::Closed) }
    }

    /// Since when the peer's Close frame has been awaited.
    pub(crate) const fn waiting_since(&self) -> Option<Instant> {
        if let State::CloseSent { since, .. } = self.0 { Some(since) } else { None }
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

    pub(crate) const fn status(&self, role: Role) -> Option<CloseStatus> {
        let (code, began, clean) = match self.0 {
            State::Open => return None,
            State::CloseSent { code, .. } => (code, Side::Us, false),
            State::Closed { code, began } => (code, began, true),
            State::Failed { code, began, .. } => (code, began, false),
        };
        let by = match began {
            Side::Us => role,
            Side::Peer => role.peer(),
        };
        Some(CloseStatus { code, by, clean })
    }
}
