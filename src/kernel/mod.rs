//! The byte loops: masking, UTF-8 validation, copying, classes of bytes. Also the type of bytes
//! that are hidden from logs. They have no state and depend on no protocol.

pub(crate) mod class;
pub(crate) mod copy;
pub(crate) mod hidden;
pub(crate) mod mask;
pub(crate) mod utf8;
