//! HTTP/1.1 heads: a strict, resumable, bounded reader, a writer, and the grammar of lists; the
//! reader of a response body.
//!
//! It covers the needs of an opening handshake only.

pub(crate) mod body;
pub(crate) mod error;
pub(crate) mod head;
pub(crate) mod lists;
pub(crate) mod reader;
pub(crate) mod writer;

mod framing;
mod window;
