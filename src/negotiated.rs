//! The result of a handshake.

use core::fmt;

use alloc::boxed::Box;

use crate::agreed::Agreed;

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

#[cfg(feature = "deflate")]
impl Negotiated {
    /// Sets the agreement about compression.
    #[must_use]
    pub fn with_deflate(mut self, agreement: crate::deflate::Agreement) -> Self {
        self.agreed = Agreed::new(agreement);
        self
    }

    /// Returns the agreement about compression; `None`: messages are not compressed.
    #[must_use]
    pub const fn deflate(&self) -> Option<crate::deflate::Agreement> {
        self.agreed.deflate().copied()
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
