//! The driver: two of them back to back, the opening handshake, deadlines, and the end of a transport,
//! all in memory with a virtual clock.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::wildcard_enum_match_arm,
    clippy::alloc_instead_of_core,
    clippy::std_instead_of_alloc,
    clippy::std_instead_of_core,
    clippy::type_complexity,
    unreachable_pub,
    reason = "tests"
)]

#[path = "../common/mod.rs"]
mod common;
mod endings;
mod events;
mod liveness;
mod opening;
mod parts;
mod pongs;
#[cfg(feature = "deflate")]
mod resumed;
mod support;
mod waits;
