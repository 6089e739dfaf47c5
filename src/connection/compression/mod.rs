//! permessage-deflate in a connection.
//!
//! Each of these modules has two bodies, with the feature `deflate` and without, so that the rest of the
//! connection needs no `cfg`.

pub(super) mod codecs;
pub(super) mod compress;
pub(super) mod inflater;
