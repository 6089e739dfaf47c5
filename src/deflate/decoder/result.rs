//! The results of inflating.

use core::fmt;

/// The result of a call of [`Decoder::inflate`](crate::deflate::Decoder::inflate).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Progress {
    /// The number of input bytes that are used up.
    pub read: usize,
    /// The number of bytes written.
    pub written: usize,
    /// The reason for the return.
    pub needs: Needs,
}

/// The decoder's need before it can continue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Needs {
    /// More input: all of it is used up, and all of its output is written.
    Input,
    /// More room for output: at least one more byte has to be written.
    Room,
}

/// A compressed message breaks the rules of RFC 1951 or RFC 7692: no later message can be inflated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Corrupt {
    /// The number of bytes that the call has written before the fault. Their sum over all calls does
    /// not depend on how the message was cut.
    pub written: usize,
}

/// A fault in the compressed data; [`Corrupt`] adds the number of bytes written before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

impl fmt::Display for Corrupt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the compressed message is corrupt")
    }
}

impl core::error::Error for Corrupt {}
