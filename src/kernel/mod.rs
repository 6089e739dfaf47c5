//! The byte loops: masking, UTF-8 validation, copying, classes of bytes; bytes hidden from logs. No
//! state, no protocol.

pub(crate) mod class;
pub(crate) mod copy;
pub(crate) mod hidden;
pub(crate) mod mask;
pub(crate) mod utf8;
