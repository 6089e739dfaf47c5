//! permessage-deflate held against other people's engines, in both directions: zlib, zlib-rs,
//! miniz_oxide, and a model that reads RFC 1951 bit by bit.

#![allow(
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::std_instead_of_alloc,
    clippy::unwrap_used,
    reason = "tests"
)]

#[path = "../common/bit_writer.rs"]
mod bit_writer;
#[path = "../common/codecs/mod.rs"]
mod codecs;
#[path = "../common/corpus/mod.rs"]
mod corpus;
#[path = "../common/engine.rs"]
mod engine;

mod corrupt;
mod encoder;
mod foreign;
mod secrets;
mod windows;
