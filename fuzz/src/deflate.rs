//! The engine of permessage-deflate compared with other engines, with the helpers of its tests.
//! Shared by the fuzz targets and the replay of their seeds.

#![allow(dead_code, reason = "each target uses a part of it")]

#[path = "../../tests/common/codecs/mod.rs"]
mod codecs;
#[path = "../../tests/common/engine.rs"]
mod engine;
#[path = "inflate.rs"]
pub(crate) mod inflate;
#[path = "roundtrip.rs"]
pub(crate) mod roundtrip;
