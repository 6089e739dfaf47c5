//! HTTP/1.1 heads: a strict, resumable, bounded reader, a writer, and the grammar of lists.
//!
//! Just what an opening handshake needs, and nothing about bodies.

pub(crate) mod error;
pub(crate) mod head;
pub(crate) mod lists;
pub(crate) mod reader;
pub(crate) mod writer;

mod window;
