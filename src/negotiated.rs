use alloc::boxed::Box;

#[cfg(feature = "deflate")]
use crate::deflate::Agreement;

/// What a handshake has agreed on.
///
/// Public, so that upgrades made by others can say it too.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
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
