//! The blocking adapter: lending reads, violations, back-pressure, timeouts, halves, handshakes.
//!
//! Over loopback TCP, or over a pipe in memory where the size of the buffers between matters. Each
//! test runs under a watchdog.
#![cfg(feature = "std")]
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
    reason = "tests"
)]

mod back_pressure;
mod closing;
mod edges;
mod halves;
mod handshakes;
mod keep_alive;
mod messages;
mod modes;
mod support;
mod transports;
mod violations;
