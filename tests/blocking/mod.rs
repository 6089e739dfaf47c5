//! The blocking adapter: opening handshake, reads, sends, back-pressure, timeouts, halves, and
//! ends. Files with the same name as in `tests/tokio` test the same rules.
//!
//! Over loopback TCP, or over a pipe in memory where the size of the buffers matters. A watchdog ends a
//! test that hangs.

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

mod answers;
mod back_pressure;
mod closing;
mod codes;
mod edges;
mod endings;
mod halves;
mod handshakes;
mod keep_alive;
mod limits;
mod liveness;
mod messages;
mod modes;
mod pipe;
mod sends;
mod support;
mod transports;
mod trickle;
mod violations;
mod waits;
