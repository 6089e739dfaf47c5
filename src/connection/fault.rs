use crate::connection::compression::InflateFault;
use crate::error::protocol::{LimitError, MisuseError, PeerError, ProtocolError};
use crate::inbox::NoRoom;

/// An error in the content of a message, not in a header: a byte, kept until the data before the fault
/// is handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    DirectRoom,
    Inflate(InflateFault),
    InvalidUtf8,
    MemoryBudget,
    MessageTooLong,
}

impl From<Fault> for ProtocolError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::DirectRoom => MisuseError::DirectRoom.into(),
            Fault::Inflate(fault) => fault.into(),
            Fault::InvalidUtf8 => PeerError::InvalidUtf8.into(),
            Fault::MemoryBudget => LimitError::MemoryBudget.into(),
            Fault::MessageTooLong => LimitError::MessageTooLong.into(),
        }
    }
}

impl From<InflateFault> for Fault {
    fn from(fault: InflateFault) -> Self {
        Self::Inflate(fault)
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
