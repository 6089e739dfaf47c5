//! permessage-deflate: negotiation, encoder and decoder alone, and in a connection; compared with
//! models and other deflate libraries.

#![allow(
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::std_instead_of_alloc,
    clippy::std_instead_of_core,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

#[path = "../common/bit_writer.rs"]
mod bit_writer;
#[path = "../common/codecs/mod.rs"]
mod codecs;
#[path = "../common/corpus/mod.rs"]
mod corpus;
mod cutting;
mod decoder;
mod decoder_model;
mod differential;
#[cfg(feature = "std")]
mod edges;
mod encoder;
#[path = "../common/engine.rs"]
mod engine;
mod inflation_ratio;
#[cfg(feature = "miniz_oxide")]
mod miniz;
mod negotiation;
mod pair;
mod properties;
mod receive;
mod send;
