//! What messages and Close frames carry, borrowed and owned.

mod close_frame;
mod data;
mod utf8_bytes;

pub use crate::message::close_frame::{CloseFrame, OwnedCloseFrame};
pub use crate::message::data::{Data, MessageKind, OwnedData};
pub use crate::message::utf8_bytes::Utf8Bytes;
