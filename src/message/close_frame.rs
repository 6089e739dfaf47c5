use core::fmt;

use crate::close_code::CloseCode;
use crate::message::utf8_bytes::Utf8Bytes;

/// The code and the reason of a Close frame, borrowed
/// ([RFC 6455 section 5.5.1](https://www.rfc-editor.org/rfc/rfc6455#section-5.5.1)).
///
/// A Close frame without a code is represented by `None` of an `Option<CloseFrame>`.
///
/// ```
/// use sansocket::{CloseCode, CloseFrame};
///
/// let frame = CloseFrame { code: CloseCode::GOING_AWAY, reason: "restart" };
/// assert_eq!(frame.to_string(), "1001 (restart)");
/// assert_eq!(CloseFrame { code: CloseCode::NORMAL, reason: "" }.to_string(), "1000");
/// ```
#[expect(clippy::exhaustive_structs, reason = "RFC 6455 section 5.5.1 has these two")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CloseFrame<'a> {
    /// The status code.
    pub code: CloseCode,
    /// The reason, a text for people; at most 123 bytes.
    pub reason: &'a str,
}

/// The owned form of [`CloseFrame`], which is called `CloseFrame` in tungstenite and axum.
///
/// ```
/// use sansocket::message::OwnedCloseFrame;
/// use sansocket::{CloseCode, CloseFrame};
///
/// let frame = OwnedCloseFrame { code: CloseCode::GOING_AWAY, reason: "restart".into() };
/// assert_eq!(frame, OwnedCloseFrame::new(CloseCode::GOING_AWAY, "restart"));
/// assert_eq!(frame, CloseFrame { code: CloseCode::new(1001), reason: "restart" });
/// assert_eq!(frame.to_string(), "1001 (restart)");
/// ```
#[expect(clippy::exhaustive_structs, reason = "RFC 6455 section 5.5.1 has these two")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnedCloseFrame {
    /// The status code.
    pub code: CloseCode,
    /// The reason, a text for people; at most 123 bytes.
    pub reason: Utf8Bytes,
}

impl OwnedCloseFrame {
    /// Creates a frame from a code and a reason, which may be empty. Both are checked when the
    /// frame is sent.
    #[must_use]
    pub fn new(code: CloseCode, reason: impl Into<Utf8Bytes>) -> Self {
        Self { code, reason: reason.into() }
    }

    /// Borrows the code and the reason.
    #[must_use]
    pub fn as_close_frame(&self) -> CloseFrame<'_> {
        CloseFrame { code: self.code, reason: self.reason.as_str() }
    }
}

impl From<CloseFrame<'_>> for OwnedCloseFrame {
    /// Copies the reason.
    fn from(frame: CloseFrame<'_>) -> Self {
        Self::new(frame.code, frame.reason)
    }
}

impl PartialEq<CloseFrame<'_>> for OwnedCloseFrame {
    fn eq(&self, other: &CloseFrame<'_>) -> bool {
        self.as_close_frame() == *other
    }
}

impl PartialEq<OwnedCloseFrame> for CloseFrame<'_> {
    fn eq(&self, other: &OwnedCloseFrame) -> bool {
        *self == other.as_close_frame()
    }
}

impl fmt::Display for CloseFrame<'_> {
    /// Writes the code, with the reason in parentheses if it isn't empty.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.code.fmt(f)?;
        if self.reason.is_empty() {
            return Ok(());
        }
        write!(f, " ({})", self.reason)
    }
}

impl fmt::Display for OwnedCloseFrame {
    /// Writes the code, with the reason in parentheses if it isn't empty.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_close_frame().fmt(f)
    }
}
