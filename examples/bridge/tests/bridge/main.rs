//! A bridge between raw ends, which send any bytes and see the ends of the transport, and between the
//! clients and servers of this crate.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::std_instead_of_alloc,
    clippy::std_instead_of_core,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

mod bytes;
mod command_line;
mod ends;
mod failures;
mod heads;
mod messages;
mod setup;
