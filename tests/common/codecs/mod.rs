//! Other people's deflate, each behind one small interface: the oracles of the tests, and the others
//! of the bench of compression.

#![allow(
    dead_code,
    missing_docs,
    unreachable_pub,
    clippy::cast_possible_truncation,
    clippy::exhaustive_enums,
    clippy::exhaustive_structs,
    clippy::indexing_slicing,
    clippy::missing_errors_doc,
    clippy::missing_panics_doc,
    clippy::must_use_candidate,
    clippy::panic,
    clippy::unwrap_used,
    reason = "test helper: every file uses a part of it, and a panic is a failed test"
)]

pub mod miniz;
pub mod naive;
pub mod zlib;
pub mod zlib_rs;

/// What a message's compressed form ends with, and what is not sent (RFC 7692 section 7.2.1).
pub const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

/// How far an inflater has got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    pub read: usize,
    pub written: usize,
    /// A block with BFINAL has ended.
    pub ended: bool,
}

/// What a block or a message ends with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flush {
    /// A block, on a byte's boundary.
    Sync,
    /// As `Sync`, and what follows refers to nothing before it.
    Full,
    /// The stream: its last block has BFINAL.
    Finish,
}

/// Which matches and codes a compressor may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strategy {
    Default,
    Filtered,
    Fixed,
    HuffmanOnly,
    Rle,
}

/// The input is corrupt, it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused;
