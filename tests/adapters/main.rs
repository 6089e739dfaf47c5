//! Both adapters together: one against the other, `Send` and `Sync` of their types, and compression.

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
#[path = "../common/mod.rs"]
mod common;
mod crossing;
#[cfg(feature = "deflate")]
mod deflate;
