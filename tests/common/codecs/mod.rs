//! Deflate libraries of other projects, each with one small interface: the oracles of the tests,
//! and the competitors in the bench of compression.

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

/// The end of the compressed form of a message, which is not sent (RFC 7692 section 7.2.1).
pub const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

/// The state of an inflater after a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    pub read: usize,
    pub written: usize,
    /// A block with BFINAL has ended.
    pub ended: bool,
}

/// The end of a block or a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flush {
    /// A block, at a byte boundary.
    Sync,
    /// As `Sync`, and later data refers to no history.
    Full,
    /// The stream: its last block has BFINAL.
    Finish,
}

/// The matches and codes that a compressor may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strategy {
    Default,
    Filtered,
    Fixed,
    HuffmanOnly,
    Rle,
}

/// The inflater reports corrupt input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused;
