//! The protocol after the opening handshake: frames, text, control frames, the closing handshake,
//! timers, limits, the public types, and properties against a reference model. All in memory, with a
//! virtual clock.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::std_instead_of_alloc,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

mod api;
mod close;
mod close_timeout;
mod endings;
mod fragmentation;
mod frames;
mod keep_alive;
mod limits;
mod masking;
mod message;
mod message_timeout;
mod misuse;
mod operations;
mod properties;
mod stats;
mod timers;
mod utf8;
mod utf8_bytes;
