//! The byte loops: masking, UTF-8 validation, copying. No state, no protocol.

pub(crate) mod copy;
pub(crate) mod mask;
pub(crate) mod utf8;
