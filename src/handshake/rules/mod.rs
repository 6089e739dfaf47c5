//! The rules of the opening handshake.
//!
//! `http1` has those of HTTP/1.1, `extended_connect` those of HTTP/2 and HTTP/3; `request` and
//! `response` have those that are the same over every version of HTTP.

pub(crate) mod extended_connect;
pub(crate) mod http1;
pub(crate) mod request;
pub(crate) mod response;
