//! Errors in the content of a message.

use crate::error::protocol::{LimitError, MisuseError, PeerError, ProtocolError};
use crate::inbox::NoRoom;

/// An error in the content of a message, as opposed to a header. It has one byte, so that a
/// connection can store it until the data before the fault has been handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(
    not(feature = "deflate"),
    expect(dead_code, reason = "two variants are faults of the decoder")
)]
pub(super) enum Fault {
    CorruptDeflate,
    DirectRoom,
    InflationRatio,
    InvalidUtf8,
    MemoryBudget,
    MessageTooLong,
}

impl From<Fault> for ProtocolError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::CorruptDeflate => PeerError::CorruptDeflate.into(),
            Fault::DirectRoom => MisuseError::DirectRoom.into(),
            Fault::InflationRatio => LimitError::InflationRatio.into(),
            Fault::InvalidUtf8 => PeerError::InvalidUtf8.into(),
            Fault::MemoryBudget => LimitError::MemoryBudget.into(),
            Fault::MessageTooLong => LimitError::MessageTooLong.into(),
        }
    }
}

impl From<NoRoom> for Fault {
    fn from(no_room: NoRoom) -> Self {
        match no_room {
            NoRoom::Budget => Self::MemoryBudget,
            NoRoom::Memory => Self::MessageTooLong,
        }
    }
}

impl From<NoRoom> for ProtocolError {
    fn from(no_room: NoRoom) -> Self {
        Fault::from(no_room).into()
    }
}
