//! The writer of heads, and fields of the caller, which are checked on insertion.

use core::fmt;

use alloc::borrow::Cow;
use alloc::vec::Vec;

use bytes::BytesMut;

use crate::http1::head::connection_field;
use crate::kernel::class::{is_token, is_value};
use crate::kernel::hidden::Hidden;

/// Fields to be written. All of them are valid.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct FieldList(Vec<(Cow<'static, str>, Cow<'static, [u8]>)>);

impl FieldList {
    pub(crate) const fn new() -> Self {
        Self(Vec::new())
    }

    /// Adds a field of this crate.
    pub(crate) fn push_own(&mut self, name: &'static str, value: &'static str) {
        self.0.push((Cow::Borrowed(name), Cow::Borrowed(value.as_bytes())));
    }

    /// Adds a field with a checked value.
    pub(crate) fn push_checked(&mut self, name: &'static str, value: &[u8]) {
        self.0.push((Cow::Borrowed(name), Cow::Owned(value.into())));
    }

    /// Adds copies of other fields.
    pub(crate) fn append(&mut self, other: &Self) {
        self.0.extend_from_slice(&other.0);
    }

    /// Adds a field of the caller. `is_owned` returns true for the names that the crate writes
    /// itself.
    pub(crate) fn push(
        &mut self,
        name: &str,
        value: &[u8],
        is_owned: fn(&str) -> bool,
    ) -> Result<(), FieldError> {
        if !is_token(name.as_bytes()) {
            return Err(FieldError::InvalidName);
        }
        // A CR or LF would end the field, and the rest of the value would be read as other fields.
        if !is_value(value) {
            return Err(FieldError::InvalidValue);
        }
        if is_owned(name) {
            return Err(FieldError::OwnedName);
        }
        self.0.push((Cow::Owned(name.into()), Cow::Owned(value.into())));
        Ok(())
    }

    /// Removes all fields with a name.
    pub(crate) fn remove(&mut self, name: &str) {
        self.0.retain(|(field, _)| !field.eq_ignore_ascii_case(name));
    }

    /// Returns true if the fields have the form of HTTP/2 and HTTP/3.
    pub(crate) fn is_http2(&self) -> bool {
        self.iter().all(|(name, value)| {
            connection_field(name.as_bytes(), value).is_none()
                && !name.bytes().any(|byte| byte.is_ascii_uppercase())
        })
    }

    /// Converts the fields to the form of HTTP/2 and HTTP/3: names in lower case (RFC 9113 8.2.1),
    /// no fields that are specific to a connection.
    pub(crate) fn make_http2(&mut self) {
        self.0.retain(|(name, value)| connection_field(name.as_bytes(), value).is_none());
        for (name, _) in &mut self.0 {
            if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
                name.to_mut().make_ascii_lowercase();
            }
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }

    pub(crate) fn write(&self, out: &mut BytesMut) {
        for (name, value) in self.iter() {
            write_field(name, value, out);
        }
    }
}

/// Shows names and lengths only: values may be credentials.
impl fmt::Debug for FieldList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fields = self.iter().map(|(name, value)| (name, Hidden::new(value)));
        f.debug_map().entries(fields).finish()
    }
}

/// Appends one field.
pub(crate) fn write_field(name: &str, value: &[u8], out: &mut BytesMut) {
    for part in [name.as_bytes(), b": ", value, b"\r\n"] {
        out.extend_from_slice(part);
    }
}

/// Appends a number in decimal digits, without an allocation.
pub(crate) fn write_number(number: usize, out: &mut BytesMut) {
    // Writing to a `BytesMut` can't fail: it grows on demand.
    let _ = fmt::Write::write_fmt(out, format_args!("{number}"));
}

/// A field, subprotocol or origin can't be sent. The text of the error names the correction.
///
/// ```
/// use sansocket::ConnectRequest;
/// use sansocket::handshake::FieldError;
///
/// let request = ConnectRequest::new("ws://example.com/").unwrap();
/// let error = request.clone().field("X-Name", "a\r\nCookie: b").unwrap_err();
/// assert_eq!(error, FieldError::InvalidValue);
/// let error = request.subprotocols(["chat", "chat"]).unwrap_err();
/// assert_eq!(error.to_string(), "the subprotocol is listed twice: list each one once");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FieldError {
    /// The field's name is not a token.
    InvalidName,
    /// The field's value has a CR, LF, NUL or another control character.
    InvalidValue,
    /// The field is written by the handshake itself.
    OwnedName,
    /// The subprotocol is empty or not a token.
    InvalidSubprotocol,
    /// The subprotocol is listed twice.
    DuplicateSubprotocol,
    /// The origin is neither `scheme://host[:port]`, without a path, nor `null`; nor, in a list,
    /// `https://*.host[:port]`.
    InvalidOrigin,
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InvalidName => {
                "the field's name is not a token: use letters, digits and !#$%&'*+-.^_`|~ only"
            }
            Self::InvalidValue => {
                "the field's value has a control character: remove CR, LF, NUL and the like"
            }
            Self::OwnedName => "the handshake writes this field itself: use its own setter, if any",
            Self::InvalidSubprotocol => {
                "the subprotocol is not a token: use letters, digits and !#$%&'*+-.^_`|~ only"
            }
            Self::DuplicateSubprotocol => "the subprotocol is listed twice: list each one once",
            Self::InvalidOrigin => {
                "the origin is neither \"null\" nor scheme://host[:port], such as \
                 https://example.com: include the scheme, leave out path and slash; in a list, *. \
                 may stand for the subdomains of a name (for all origins use OriginPolicy::Any)"
            }
        })
    }
}

impl core::error::Error for FieldError {}
