//! The driver: the opening handshake, deadlines, back-pressure, the end of a transport, and event
//! loops on it. All tests run in memory, with a virtual clock.

#![allow(
    clippy::alloc_instead_of_core,
    clippy::cast_possible_truncation,
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

mod edges;
mod endings;
mod event_loops;
mod events;
mod liveness;
mod opening;
mod parts;
mod pongs;
#[cfg(feature = "deflate")]
mod resumed;
mod support;
mod waits;
