//! Tests that read the repository: the layers of `src`, the conformance tables, and the seeds of the
//! fuzz targets.

#![allow(
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::std_instead_of_alloc,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

mod conformance;
mod layers;
mod seeds;
