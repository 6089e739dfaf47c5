//! The extensions that this end offers or accepts.
//!
//! This module has two implementations: `on` with the feature `deflate`, `off` without it. Both
//! have the type [`Extensions`] with the same functions, so that the handshakes need no `cfg`:
//!
//! * `Extensions::NONE`: no extension. In `off` the type has no size.
//! * `offer`: returns the value of Sec-WebSocket-Extensions for a client's request.
//! * `agree`: checks the value in the response.
//! * `answer`: accepts or declines, as a server, the offers of a request.
//!
//! `on` also has `deflate`, for the public setters that exist with the feature only.

#[cfg(not(feature = "deflate"))]
mod off;
#[cfg(feature = "deflate")]
mod on;

#[cfg(not(feature = "deflate"))]
pub(crate) use crate::handshake::extensions::off::Extensions;
#[cfg(feature = "deflate")]
pub(crate) use crate::handshake::extensions::on::Extensions;
