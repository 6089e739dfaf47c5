//! The offer of protocols.

/// The protocols that a client offers (RFC 7301).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Offer {
    /// `http/1.1`: an opening handshake by GET needs it (RFC 6455 section 4.1).
    Http1,
    /// `h2`, and `http/1.1` for servers without it.
    #[cfg(feature = "h2")]
    Http2,
}
