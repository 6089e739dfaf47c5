use core::fmt;
use core::ops::Deref;

use alloc::string::String;
use alloc::vec::Vec;

use bytes::Bytes;

use crate::kernel::utf8::validate;

/// [`Bytes`] known to be UTF-8.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Utf8Bytes(Bytes);

impl Utf8Bytes {
    /// For bytes that were found to be UTF-8 as they came.
    pub(crate) const fn judged(bytes: Bytes) -> Self {
        Self(bytes)
    }

    /// Borrows the text. It was checked when it was made; this looks at it again only in that the
    /// crate has no `unsafe` here, at the speed of [`core::str::from_utf8`].
    #[must_use]
    pub fn as_str(&self) -> &str {
        validate(&self.0).unwrap_or_default()
    }

    /// Returns the bytes, without a look at them.
    #[must_use]
    pub const fn as_bytes(&self) -> &Bytes {
        &self.0
    }

    /// Returns the bytes, without a look at them.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        self.0
    }
}

impl Deref for Utf8Bytes {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
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

impl From<String> for Utf8Bytes {
    fn from(text: String) -> Self {
        Self(Bytes::from(Vec::from(text)))
    }
}

impl From<&'static str> for Utf8Bytes {
    fn from(text: &'static str) -> Self {
        Self(Bytes::from_static(text.as_bytes()))
    }
}

impl TryFrom<Bytes> for Utf8Bytes {
    type Error = core::str::Utf8Error;

    fn try_from(bytes: Bytes) -> Result<Self, Self::Error> {
        core::str::from_utf8(&bytes)?;
        Ok(Self(bytes))
    }
}
