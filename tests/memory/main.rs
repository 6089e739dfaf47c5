//! Heap of connections, codecs and the tokio adapter, counted by a global allocator: size, peak,
//! growth, and the memory budget.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::std_instead_of_alloc,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

#[cfg(feature = "tokio")]
mod adapter;
#[path = "../common/alloc.rs"]
mod alloc;
mod budget;
#[cfg(all(feature = "deflate", feature = "std"))]
mod budget_deflate;
#[path = "../common/mod.rs"]
mod common;
mod connection;
#[cfg(all(feature = "deflate", feature = "std"))]
mod deflate;
#[cfg(feature = "h2")]
mod http2;
#[cfg(all(feature = "deflate", feature = "std"))]
mod properties;
mod timers;

use crate::alloc::Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;
