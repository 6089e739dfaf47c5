//! The rules of the opening handshake.
//!
//! `http1` has those of HTTP/1.1; `request` and `response` have those that are the same over every
//! version of HTTP.

pub(crate) mod http1;
pub(crate) mod request;
pub(crate) mod response;
