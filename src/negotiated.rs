//! The result of an opening handshake.

use core::fmt;

use alloc::boxed::Box;

use crate::agreed::Agreed;

/// The result of an opening handshake: the negotiated subprotocol and extension.
///
/// [`handshake`](crate::handshake) returns one. If another library does the handshake, make one
/// from its result:
///
/// ```
/// use sansocket::connection::Negotiated;
///
/// let negotiated = Negotiated::new().with_subprotocol("chat.v2");
/// assert_eq!(negotiated.subprotocol(), Some("chat.v2"));
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Negotiated {
    subprotocol: Option<Box<str>>,
    agreed: Agreed,
}

impl Negotiated {
    /// Creates a result without a subprotocol and without an extension.
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

    /// Returns the subprotocol, if one was negotiated.
    #[must_use]
    pub fn subprotocol(&self) -> Option<&str> {
        self.subprotocol.as_deref()
    }

    /// Returns the agreement about compression.
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

    /// Returns the agreement about compression, `None` if messages are not compressed.
    #[must_use]
    pub const fn deflate(&self) -> Option<crate::deflate::Agreement> {
        self.agreed.deflate().copied()
    }
}

impl fmt::Debug for Negotiated {
    /// Shows only the length of the subprotocol. Some browser clients put an access token there,
    /// because a browser lets them set no other field, and debug output ends up in logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut negotiated = f.debug_struct("Negotiated");
        negotiated.field("subprotocol_len", &self.subprotocol().map(str::len));
        self.agreed.add_to(&mut negotiated);
        negotiated.finish()
    }
}
