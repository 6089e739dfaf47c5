//! The extensions that this end offers or accepts.
//!
//! This module has two bodies: `on` with the feature `deflate`, `off` without. Both have the type
//! [`Extensions`] with the same functions, so that the handshakes need no `cfg`:
//!
//! * `Extensions::NONE`: no extension. In `off` it has no size.
//! * `offer`: the value of Sec-WebSocket-Extensions of a client's request.
//! * `agree`: checks the answer to it.
//! * `answer`: answers, as a server, the offers of a request.
//!
//! `on` has `deflate` too, for the public setters that exist with the feature only.

#[cfg(not(feature = "deflate"))]
mod off;
#[cfg(feature = "deflate")]
mod on;

#[cfg(not(feature = "deflate"))]
pub(crate) use crate::handshake::extensions::off::Extensions;
#[cfg(feature = "deflate")]
pub(crate) use crate::handshake::extensions::on::Extensions;
