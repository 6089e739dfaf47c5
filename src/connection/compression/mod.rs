//! permessage-deflate in a connection.
//!
//! Each module has two implementations, with the feature `deflate` and without it, so that the rest
//! of the connection needs no `cfg`.

pub(super) mod codecs;
pub(super) mod compress;
pub(super) mod inflater;
