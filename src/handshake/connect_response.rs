//! A server's response to a client's handshake.

use core::fmt;

use alloc::vec::Vec;

use crate::http1::head::{Fields, RawHead};
use crate::kernel::hidden::Hidden;
use crate::negotiated::Negotiated;

/// A server's response to a client's handshake: the one that opened the connection, or a refusal.
#[derive(Clone)]
pub struct ConnectResponse {
    head: RawHead,
    negotiated: Negotiated,
    body: Vec<u8>,
}

impl ConnectResponse {
    pub(crate) const fn new(head: RawHead) -> Self {
        Self { head, negotiated: Negotiated::new(), body: Vec::new() }
    }

    /// Copies the head of a response that another HTTP library has read. `minor` is the minor version
    /// of HTTP/1.
    pub(crate) fn from_fields(status: u16, minor: u8, fields: Fields<'_>) -> Self {
        let mut head = RawHead::default();
        (head.line.status, head.line.minor) = (status, minor);
        head.push_fields(fields);
        Self::new(head)
    }

    /// Sets the beginning of a refusal's body.
    pub(crate) fn set_body(&mut self, body: &[u8]) {
        self.body = body.into();
    }

    /// Sets what the handshake has agreed on.
    pub(crate) fn set_negotiated(&mut self, negotiated: Negotiated) {
        self.negotiated = negotiated;
    }

    /// Returns the minor version of an HTTP/1 response.
    pub(crate) const fn minor_version(&self) -> u8 {
        self.head.line.minor
    }

    /// Returns the status.
    #[must_use]
    pub const fn status(&self) -> u16 {
        self.head.line.status
    }

    /// Returns the reason phrase of an HTTP/1.1 status line: text for people, of any encoding;
    /// empty over HTTP/2 and HTTP/3.
    #[must_use]
    pub fn reason(&self) -> &[u8] {
        self.head.reason()
    }

    /// Returns the fields, in their order.
    #[must_use]
    pub fn fields(&self) -> Fields<'_> {
        self.head.fields()
    }

    /// Returns what the handshake has agreed on: nothing, if the response is a refusal.
    #[must_use]
    pub const fn negotiated(&self) -> &Negotiated {
        &self.negotiated
    }

    /// Returns the subprotocol that was agreed on: one of those offered, or none.
    #[must_use]
    pub fn subprotocol(&self) -> Option<&str> {
        self.negotiated.subprotocol()
    }

    /// Returns the agreement about compression; `None`: messages are not compressed.
    #[cfg(feature = "deflate")]
    #[must_use]
    pub const fn deflate(&self) -> Option<crate::deflate::Agreement> {
        self.negotiated.deflate()
    }

    /// Returns the beginning of a refusal's body: what came in the same input as the end of its
    /// head, at most 1 KiB. They are still in the input too.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.body
    }
}

/// Without the values of fields and the body, which may be credentials.
impl fmt::Debug for ConnectResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectResponse")
            .field("status", &self.status())
            .field("reason", &Hidden::new(self.reason()))
            .field("fields", &self.fields())
            .field("body", &Hidden::new(&self.body))
            .finish_non_exhaustive()
    }
}
