use alloc::boxed::Box;

/// What a handshake has agreed on.
///
/// Public, so that upgrades made by others can say it too.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Negotiated {
    subprotocol: Option<Box<str>>,
}

impl Negotiated {
    /// Nothing but the protocol itself: no subprotocol, no extension.
    #[must_use]
    pub const fn new() -> Self {
        Self { subprotocol: None }
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
}
