//! Both adapters together: one with the other, byte streams, common closing of all connections of a
//! server, `Send` and `Sync` of their types, and compression.

#![allow(
    clippy::alloc_instead_of_core,
    clippy::cast_possible_truncation,
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::std_instead_of_alloc,
    clippy::std_instead_of_core,
    clippy::type_complexity,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    unreachable_pub,
    reason = "tests"
)]

mod auto_traits;
mod byte_streams;
mod connections;
mod connectors;
mod crossing;
#[cfg(feature = "deflate")]
mod deflate;
