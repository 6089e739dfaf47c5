use core::fmt;
use core::ops::Deref;
use core::str::Utf8Error;

use alloc::string::String;
use alloc::vec::Vec;

use bytes::{Bytes, BytesMut};

use crate::kernel::utf8::from_utf8;

/// [`Bytes`] that are valid UTF-8. Clones share the memory.
///
/// The bytes are validated at construction, so that dereferencing to `str` takes constant time.
/// Conversion from `&str` copies the text; conversion from `String` and
/// [`from_static`](Self::from_static) don't.
///
/// Comparison and order are those of `str`, but the hash is that of the bytes, which differs from
/// the hash of a `str`. For this reason there is no `Borrow<str>`: a map with `Utf8Bytes` as keys
/// can't be searched with a `&str`.
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
/// // A slice of the bytes, without a copy. Bytes that aren't UTF-8 are refused.
/// let bytes = text.into_bytes();
/// assert_eq!(Utf8Bytes::try_from(bytes.slice(6..))?, "world");
/// assert!(Utf8Bytes::try_from(Bytes::from_static(b"\xff")).is_err());
/// # Ok::<(), core::str::Utf8Error>(())
/// ```
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Utf8Bytes(Bytes);

impl Utf8Bytes {
    /// Creates text from a static string, without a copy.
    #[must_use]
    pub const fn from_static(text: &'static str) -> Self {
        Self(Bytes::from_static(text.as_bytes()))
    }

    /// Borrows the text, in constant time.
    #[must_use]
    #[inline]
    #[expect(unsafe_code, reason = "`Deref` would otherwise validate the text each time")]
    pub fn as_str(&self) -> &str {
        // SAFETY: the bytes are UTF-8 at construction, and they don't change afterwards.
        //
        // At construction: the field is private to this file. Here each value is made from
        // - a `str` (`from_static`, `From<&str>`, `From<String>`),
        // - bytes that `from_utf8` has accepted in the same call (`TryFrom<Bytes>`; the other
        //   `TryFrom` call it),
        // - no bytes (`Default`),
        // - another value (`Clone`).
        // Text that was received or inflated in parts is no exception: it also becomes a value by
        // `From` or `TryFrom`, whether or not it was validated before.
        //
        // Afterwards: no function of this file returns a mutable reference to the bytes. `Bytes`
        // gives write access only to its sole owner (`try_into_mut`). A clone from `as_bytes` is
        // not the sole owner as long as this value exists, and `into_bytes` consumes this value.
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
    /// Copies the text. [`from_static`](Self::from_static) avoids the copy.
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

/// Implements `PartialEq` with other text types, in both directions.
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
