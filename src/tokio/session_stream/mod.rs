//! A stream of a session of HTTP/2 as the transport of a client.
//!
//! This module has two bodies: `on` with the feature `h2`, `off` without it, where [`SessionStream`] has
//! no values. `on` also has the trait that the module `h2` implements, which is in a higher layer.

#[cfg(not(feature = "h2"))]
mod off;
#[cfg(feature = "h2")]
mod on;

#[cfg(not(feature = "h2"))]
pub(crate) use crate::tokio::session_stream::off::SessionStream;
#[cfg(feature = "h2")]
pub(crate) use crate::tokio::session_stream::on::{AnyStream, SessionStream};
