//! HTTP/1.1 heads: a strict, resumable, bounded reader, a writer, and the grammar of lists.
//!
//! It covers the needs of an opening handshake only. There is no support for bodies.

pub(crate) mod error;
pub(crate) mod head;
pub(crate) mod lists;
pub(crate) mod reader;
pub(crate) mod writer;

mod window;
