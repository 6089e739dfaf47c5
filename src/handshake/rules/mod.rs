//! The rules of the opening handshake.
//!
//! `http1` has the rules of HTTP/1.1, `extended_connect` those of HTTP/2 and HTTP/3. `request` and
//! `response` have the rules that all versions of HTTP share.

pub(crate) mod extended_connect;
pub(crate) mod http1;
pub(crate) mod request;
pub(crate) mod response;
