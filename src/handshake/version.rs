use core::fmt;

/// The version of HTTP that carries a handshake.
///
/// ```
/// use sansocket::handshake::{Fields, HttpVersion, RequestHead};
///
/// let head = RequestHead::extended_connect("websocket", "https", "a", "/", Fields::new(&[]))
///     .with_version(HttpVersion::Http3);
/// assert_eq!(head.version().to_string(), "HTTP/3");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum HttpVersion {
    /// HTTP/1.0, over which a WebSocket can't be opened.
    Http10,
    /// HTTP/1.1: GET with Upgrade
    /// ([RFC 6455 section 4](https://www.rfc-editor.org/rfc/rfc6455#section-4)).
    Http11,
    /// HTTP/2: extended CONNECT ([RFC 8441](https://www.rfc-editor.org/rfc/rfc8441)).
    Http2,
    /// HTTP/3: extended CONNECT ([RFC 9220](https://www.rfc-editor.org/rfc/rfc9220)).
    Http3,
}

impl HttpVersion {
    /// Returns true if Upgrade may be sent: HTTP/1.0 ignores it (RFC 9110 7.8), HTTP/2 and HTTP/3
    /// forbid it (RFC 9113 8.2.2, RFC 9114 4.2).
    pub(crate) const fn has_upgrade(self) -> bool {
        matches!(self, Self::Http11)
    }

    /// Returns true if heads have pseudo-header fields, and names in lower case.
    pub(crate) const fn has_pseudo_headers(self) -> bool {
        matches!(self, Self::Http2 | Self::Http3)
    }
}

impl fmt::Display for HttpVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http10 => "HTTP/1.0",
            Self::Http11 => "HTTP/1.1",
            Self::Http2 => "HTTP/2",
            Self::Http3 => "HTTP/3",
        })
    }
}
