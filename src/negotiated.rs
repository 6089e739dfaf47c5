use core::fmt;

use alloc::boxed::Box;

#[cfg(feature = "deflate")]
use crate::deflate::Agreement;

/// What a handshake has agreed on.
///
/// Public, so that upgrades made by others can say it too.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Negotiated {
    subprotocol: Option<Box<str>>,
    #[cfg(feature = "deflate")]
    deflate: Option<Agreement>,
}

impl Negotiated {
    /// Nothing but the protocol itself: no subprotocol, no extension.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            subprotocol: None,
            #[cfg(feature = "deflate")]
            deflate: None,
        }
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

    /// Sets what was agreed on about compression.
    #[cfg(feature = "deflate")]
    #[must_use]
    pub fn with_deflate(mut self, agreement: Agreement) -> Self {
        self.deflate = Some(agreement);
        self
    }

    /// Returns what was agreed on about compression; `None`: messages are not compressed.
    #[cfg(feature = "deflate")]
    #[must_use]
    pub const fn deflate(&self) -> Option<Agreement> {
        self.deflate
    }
}

impl fmt::Debug for Negotiated {
    /// Of the subprotocol only the length: some clients give a token as one, since a browser lets
    /// them give nothing else, and debug output ends in logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut negotiated = f.debug_struct("Negotiated");
        negotiated.field("subprotocol_len", &self.subprotocol().map(str::len));
        #[cfg(feature = "deflate")]
        negotiated.field("deflate", &self.deflate);
        negotiated.finish()
    }
}
