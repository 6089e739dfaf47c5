//! The result of a handshake.
//!
//! The part about compression has two bodies: `on` with the feature `deflate`, `off` without. Both
//! have the type [`Agreed`] with the same functions, so that other modules need no `cfg`:
//!
//! * `Agreed::NONE`: messages are not compressed. `Agreed` is `Copy`; in `off` it has no size.
//! * `rsv`: the reserved bits that the first frame of a message may have.
//! * `add_to`: adds the agreement to debug output.
//!
//! `on` has more, for callers that are themselves compiled with the feature only: `deflate`, the
//! agreement itself, and the public methods of [`Negotiated`] about it.

#[cfg(not(feature = "deflate"))]
mod off;
#[cfg(feature = "deflate")]
mod on;

use core::fmt;

use alloc::boxed::Box;

#[cfg(not(feature = "deflate"))]
pub(crate) use crate::negotiated::off::Agreed;
#[cfg(feature = "deflate")]
pub(crate) use crate::negotiated::on::Agreed;

/// The result of a handshake: the subprotocol and the extension that both ends have agreed on.
///
/// Make one for a connection whose handshake another library has done.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Negotiated {
    subprotocol: Option<Box<str>>,
    agreed: Agreed,
}

impl Negotiated {
    /// Nothing but the protocol itself: no subprotocol, no extension.
    #[must_use]
    pub const fn new() -> Self {
        Self { subprotocol: None, agreed: Agreed::NONE }
    }

    /// Sets the subprotocol.
    #[must_use]
    pub fn with_subprotocol(mut self, subprotocol: &str) -> Self {
        self.subprotocol = Some(subprotocol.into());
        self
    }

    /// Returns the subprotocol, if one was agreed on.
    #[must_use]
    pub fn subprotocol(&self) -> Option<&str> {
        self.subprotocol.as_deref()
    }

    /// The agreement about compression.
    pub(crate) const fn agreed(&self) -> Agreed {
        self.agreed
    }
}

impl fmt::Debug for Negotiated {
    /// Of the subprotocol only the length: some clients give a token as one, since a browser lets
    /// them give nothing else, and debug output ends in logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut negotiated = f.debug_struct("Negotiated");
        negotiated.field("subprotocol_len", &self.subprotocol().map(str::len));
        self.agreed.add_to(&mut negotiated);
        negotiated.finish()
    }
}
