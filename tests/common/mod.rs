//! Helpers that the tests share: frames of any kind, valid or not, a pair of connections in memory
//! with a virtual clock, a generator of keys that is not for real use, and a reference model.

#![allow(
    dead_code,
    unused_imports,
    unused_macros,
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::exhaustive_enums,
    clippy::exhaustive_structs,
    clippy::missing_panics_doc,
    clippy::missing_errors_doc,
    clippy::must_use_candidate,
    clippy::wildcard_enum_match_arm,
    clippy::std_instead_of_alloc,
    reason = "test helpers: every file uses a part of them, and a panic is a failed test"
)]

#[cfg(feature = "deflate")]
pub mod deflate;
pub mod entropy;
pub mod frame;
pub mod head;
pub mod inflate_model;
pub mod model;
pub mod pair;
pub mod plan;
pub mod sends;
pub mod shown;
#[cfg(feature = "tokio")]
pub mod sockets;
#[cfg(feature = "tokio")]
pub mod tasks;
#[cfg(feature = "std")]
pub mod thread;
pub mod violations;

use core::time::Duration;

use proptest::sample::Index;
use sansocket::config::ConfigBuilder;
use sansocket::connection::Negotiated;
use sansocket::{Config, Connection, Instant, Role};

pub use entropy::{reseed, weak_entropy_for_tests_only};
pub use frame::Frame;
pub use pair::{End, Pair};

pub const BOTH: [Role; 2] = [Role::Client, Role::Server];

pub const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// The virtual clock's reading `ms` milliseconds after its start.
pub const fn at_ms(ms: u64) -> Instant {
    Instant::from_micros(ms * 1000)
}

/// The preset of a role, with keys that are not for real use.
pub fn preset(role: Role) -> ConfigBuilder {
    match role {
        Role::Client => Config::client(weak_entropy_for_tests_only()),
        Role::Server => Config::server(),
    }
}

/// A connection with the given settings, made at time zero.
pub fn connection(role: Role, config: ConfigBuilder) -> Connection {
    Connection::new(role, &config.build().unwrap(), &Negotiated::new(), at_ms(0))
}

/// The bytes between the cuts, some of them empty.
pub fn split_bytes<'b>(bytes: &'b [u8], cuts: &[Index]) -> Vec<&'b [u8]> {
    let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    at.sort_unstable();
    let mut from = 0;
    let mut chunks = Vec::new();
    for cut in at.into_iter().chain([bytes.len()]) {
        chunks.push(&bytes[from..cut]);
        from = cut;
    }
    chunks
}
