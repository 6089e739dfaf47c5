//! The error that a transport has failed with.

use std::io;

use crate::driver::Flow;
use crate::error::adapter::WebSocketError;
use crate::error::protocol::{PeerError, ProtocolError};

/// The first error of a transport, kept until the result of the connection is returned.
#[derive(Debug, Default)]
pub(crate) struct Failure(Option<io::Error>);

impl Failure {
    pub(crate) const NONE: Self = Self(None);

    /// Records that the transport has failed.
    pub(crate) fn fail(&mut self, flow: &mut Flow, error: io::Error) {
        self.keep(flow, error);
        flow.failed();
    }

    /// Records that a write has failed. The error is returned after the remaining input was
    /// processed.
    pub(crate) fn write_failed(&mut self, flow: &mut Flow, error: io::Error) {
        self.keep(flow, error);
        flow.write_failed();
    }

    /// A peer may reset a transport that it has finished with. After the end of a connection such an
    /// error is not reported: here if the connection has failed, in `result` if it was closed in order.
    fn keep(&mut self, flow: &Flow, error: io::Error) {
        if flow.error().is_none() {
            self.0.get_or_insert(error);
        }
    }

    /// Returns the result of the connection, for [`Step::Done`](crate::driver::Step::Done). An error of
    /// the transport is the reason for a missing Close frame, and replaces that error.
    pub(crate) fn result(&mut self, flow: &Flow) -> Result<(), WebSocketError> {
        match (flow.error(), self.0.take()) {
            (Some(ProtocolError::Peer(PeerError::ClosedWithoutHandshake)), Some(error)) => {
                Err(error.into())
            }
            (Some(error), _) => Err(error.into()),
            (None, _) => Ok(()),
        }
    }

    /// Takes the error, for an opening handshake.
    pub(crate) const fn take(&mut self) -> Option<io::Error> {
        self.0.take()
    }
}

/// Returns the reason why fed output can't be written any more.
pub(crate) fn lost(flow: &Flow) -> WebSocketError {
    match flow.error() {
        Some(ProtocolError::Peer(PeerError::ClosedWithoutHandshake)) | None => {
            io::Error::from(io::ErrorKind::BrokenPipe).into()
        }
        Some(error) => error.into(),
    }
}
