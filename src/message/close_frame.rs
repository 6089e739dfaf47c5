use crate::close_code::CloseCode;
use crate::message::utf8_bytes::Utf8Bytes;

/// What a Close frame says.
#[expect(clippy::exhaustive_structs, reason = "RFC 6455 section 5.5.1 has these two")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CloseFrame<'a> {
    /// Why.
    pub code: CloseCode,
    /// Why, for people; at most 123 bytes.
    pub reason: &'a str,
}

/// The owned twin of [`CloseFrame`].
#[expect(clippy::exhaustive_structs, reason = "RFC 6455 section 5.5.1 has these two")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnedCloseFrame {
    /// Why.
    pub code: CloseCode,
    /// Why, for people; at most 123 bytes.
    pub reason: Utf8Bytes,
}

impl From<CloseFrame<'_>> for OwnedCloseFrame {
    fn from(frame: CloseFrame<'_>) -> Self {
        Self { code: frame.code, reason: frame.reason.into() }
    }
}
