//! `{:?}` of types that hold state or credentials shows lengths and states, never data, since it is
//! written to logs. Values that the caller has requested show their data. `types` finds public
//! types without a test.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::std_instead_of_alloc,
    reason = "tests"
)]

#[cfg(feature = "std")]
mod adapters;
mod drivers;
mod handshakes;
#[cfg(feature = "hyper")]
mod hyper_upgrades;
mod messages;
mod secrets;
mod tunnels;
#[cfg(all(feature = "deflate", feature = "hyper"))]
mod types;
#[cfg(feature = "deflate")]
mod windows;
