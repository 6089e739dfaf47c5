//! The rules of the opening handshake.
//!
//! `http1` has those of HTTP/1.1, `response` those about what a server has agreed to, which are the
//! same over every version of HTTP.

pub(crate) mod http1;
pub(crate) mod response;
