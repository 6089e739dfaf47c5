//! Two adapters back to back, waits, and the end of connections: the same rules for both adapters.

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
    clippy::disallowed_methods,
    clippy::type_complexity,
    unreachable_pub,
    reason = "tests"
)]

mod auto_traits;
mod blocking_codes;
mod blocking_endings;
mod blocking_handshakes;
mod blocking_limits;
mod blocking_liveness;
mod blocking_sends;
mod blocking_trickle;
mod blocking_waits;
#[cfg(feature = "tokio")]
mod crossing;
mod pipe;
mod plan;
#[cfg(feature = "tokio")]
mod tokio_chaos;
#[cfg(feature = "tokio")]
mod tokio_codes;
#[cfg(feature = "tokio")]
mod tokio_endings;
#[cfg(feature = "tokio")]
mod tokio_handshakes;
#[cfg(feature = "tokio")]
mod tokio_limits;
#[cfg(feature = "tokio")]
mod tokio_liveness;
#[cfg(feature = "tokio")]
mod tokio_sends;
#[cfg(feature = "tokio")]
mod tokio_sink;
#[cfg(feature = "tokio")]
mod tokio_waits;
