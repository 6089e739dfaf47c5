use crate::error::{LimitError, MisuseError, PeerError, ProtocolError};
use crate::inbox::OutOfMemory;

/// An error in the content of a message, not in a header: a byte, kept until the data before the fault
/// is handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    #[cfg_attr(not(feature = "deflate"), expect(dead_code, reason = "nothing is inflated"))]
    CorruptDeflate,
    DirectRoom,
    InvalidUtf8,
    MessageTooLong,
}

impl From<Fault> for ProtocolError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::CorruptDeflate => PeerError::CorruptDeflate.into(),
            Fault::DirectRoom => MisuseError::DirectRoom.into(),
            Fault::InvalidUtf8 => PeerError::InvalidUtf8.into(),
            Fault::MessageTooLong => LimitError::MessageTooLong.into(),
        }
    }
}

impl From<OutOfMemory> for Fault {
    fn from(_: OutOfMemory) -> Self {
        Self::MessageTooLong
    }
}

impl From<OutOfMemory> for ProtocolError {
    fn from(error: OutOfMemory) -> Self {
        Fault::from(error).into()
    }
}
