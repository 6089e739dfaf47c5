//! The features `http`, `hyper`, `tls` and `h2`. They are one binary, so that a change of the library links their
//! dependencies once.

#![allow(
    missing_docs,
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::std_instead_of_alloc,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

#[cfg(all(feature = "deflate", feature = "hyper"))]
#[path = "../hyper/mod.rs"]
mod on_hyper;
#[cfg(all(feature = "deflate", feature = "h2"))]
#[path = "../h2/mod.rs"]
mod over_http2;
#[cfg(feature = "tls")]
#[path = "../tls/mod.rs"]
mod over_tls;
#[cfg(feature = "deflate")]
#[path = "../http/mod.rs"]
mod with_http;
