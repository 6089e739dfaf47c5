//! permessage-deflate compared with other engines, in both directions: zlib, zlib-rs, miniz_oxide,
//! and a model that reads RFC 1951 bit by bit.

mod corrupt;
mod encoder;
mod foreign;
mod secrets;
mod windows;
