//! The sessions of HTTP/2 of a connector.
//!
//! This module has two bodies: `on` with the feature `h2`, `off` without it. Both have the type
//! [`SharedSessions`] with the same functions, so that other modules need no `cfg`: `renewed` for a
//! change of a setting, and `connect`, which returns `None` if the connector does not use HTTP/2.
//!
//! `on` also has the trait that the module `h2` implements, which is in a higher layer.

#[cfg(not(feature = "h2"))]
mod off;
#[cfg(feature = "h2")]
mod on;

#[cfg(not(feature = "h2"))]
pub(crate) use crate::tokio::sessions::off::SharedSessions;
#[cfg(feature = "h2")]
pub(crate) use crate::tokio::sessions::on::{Connecting, Sessions, SharedSessions};
