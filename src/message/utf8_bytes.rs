use core::fmt;
use core::ops::Deref;
use core::str::Utf8Error;

use alloc::string::String;
use alloc::vec::Vec;

use bytes::{Bytes, BytesMut};

use crate::kernel::utf8::from_utf8;

/// [`Bytes`] known to be UTF-8: text whose clones share the memory.
///
/// It dereferences to `str` in constant time: the bytes were validated when it was made. A `&str` is
/// copied, a `String` keeps its memory, and [`from_static`](Self::from_static) copies nothing.
///
/// It compares and sorts as `str` does, but its hash is that of the bytes, which differs from that of
/// a `str`. So there is no `Borrow<str>`, and a map with `Utf8Bytes` for keys is not asked for a
/// `&str`.
///
/// ```
/// use bytes::Bytes;
/// use sansocket::message::Utf8Bytes;
///
/// const GREETING: Utf8Bytes = Utf8Bytes::from_static("hello");
/// let text = Utf8Bytes::from(format!("{GREETING} world"));
/// assert_eq!(text, "hello world");
/// assert!(text.starts_with("hello"));
///
/// // A part of what was received, without a copy; what isn't UTF-8 is refused.
/// let bytes = text.into_bytes();
/// assert_eq!(Utf8Bytes::try_from(bytes.slice(6..))?, "world");
/// assert!(Utf8Bytes::try_from(Bytes::from_static(b"\xff")).is_err());
/// # Ok::<(), core::str::Utf8Error>(())
/// ```
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Utf8Bytes(Bytes);

impl Utf8Bytes {
    /// Makes text of a string that lives as long as the program, without a copy.
    #[must_use]
    pub const fn from_static(text: &'static str) -> Self {
        Self(Bytes::from_static(text.as_bytes()))
    }

    /// Borrows the text, in constant time.
    #[must_use]
    #[inline]
    #[expect(unsafe_code, reason = "`Deref` would otherwise validate the text each time")]
    pub fn as_str(&self) -> &str {
        // SAFETY: the bytes are UTF-8. Nothing outside of this file can name the field, and in it
        // each value is made of a `str` (`from_static`, `From<&str>`, `From<String>`), of bytes that
        // `from_utf8` has taken in the same call (`TryFrom<Bytes>`, which all others go through), of
        // no bytes (`Default`), or of another value (`Clone`). Text that arrives or is inflated part
        // by part makes no exception: however it was validated on its way, it becomes a value
        // through `From` and `TryFrom`. Nor do the bytes change afterwards: nothing here lends them
        // mutably, and `Bytes` gives them up for writing to a sole owner only, which takes this
        // value by `into_bytes`; a clone from `as_bytes` is never the sole owner while it lives.
        unsafe { core::str::from_utf8_unchecked(&self.0) }
    }

    /// Returns the bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &Bytes {
        &self.0
    }

    /// Returns the bytes, without a copy.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        self.0
    }
}

impl Deref for Utf8Bytes {
    type Target = str;

    #[inline]
    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<str> for Utf8Bytes {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<[u8]> for Utf8Bytes {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Utf8Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

impl fmt::Display for Utf8Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

impl From<&str> for Utf8Bytes {
    /// Copies the text; [`from_static`](Self::from_static) doesn't.
    fn from(text: &str) -> Self {
        Self(Bytes::copy_from_slice(text.as_bytes()))
    }
}

impl From<&String> for Utf8Bytes {
    /// Copies the text.
    fn from(text: &String) -> Self {
        text.as_str().into()
    }
}

impl From<String> for Utf8Bytes {
    /// Keeps the string's memory, without a copy.
    fn from(text: String) -> Self {
        Self(Bytes::from(text))
    }
}

impl TryFrom<Bytes> for Utf8Bytes {
    type Error = Utf8Error;

    /// Validates the bytes and keeps their memory.
    fn try_from(bytes: Bytes) -> Result<Self, Self::Error> {
        from_utf8(&bytes)?;
        Ok(Self(bytes))
    }
}

impl TryFrom<BytesMut> for Utf8Bytes {
    type Error = Utf8Error;

    /// Validates the bytes and keeps their memory.
    fn try_from(bytes: BytesMut) -> Result<Self, Self::Error> {
        bytes.freeze().try_into()
    }
}

impl TryFrom<Vec<u8>> for Utf8Bytes {
    type Error = Utf8Error;

    /// Validates the bytes and keeps their memory.
    fn try_from(bytes: Vec<u8>) -> Result<Self, Self::Error> {
        Bytes::from(bytes).try_into()
    }
}

impl From<Utf8Bytes> for Bytes {
    fn from(text: Utf8Bytes) -> Self {
        text.0
    }
}

/// Compares with other text types, from both sides.
macro_rules! compare {
    ($($other:ty),*) => {$(
        impl PartialEq<$other> for Utf8Bytes {
            fn eq(&self, other: &$other) -> bool {
                self.as_str() == AsRef::<str>::as_ref(other)
            }
        }

        impl PartialEq<Utf8Bytes> for $other {
            fn eq(&self, other: &Utf8Bytes) -> bool {
                AsRef::<str>::as_ref(self) == other.as_str()
            }
        }
    )*};
}

compare!(str, &str, String);
