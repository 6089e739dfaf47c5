//! The tokio adapter: opening handshake, reads, sends, back-pressure, dropped futures, halves,
//! timeouts, and ends. Files with the same name as in `tests/blocking` test the same rules.

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
mod chaos;
mod codes;
mod dropped_futures;
mod edges;
mod endings;
mod faulty;
mod futures;
mod halves;
mod handshakes;
mod keep_alive;
mod limits;
mod liveness;
mod messages;
mod sends;
mod sink;
mod support;
mod timers;
mod transports;
mod violations;
mod waits;
mod wake_ups;
