use core::fmt;

/// The status code of a Close frame
/// ([RFC 6455 section 7.4](https://www.rfc-editor.org/rfc/rfc6455#section-7.4)).
///
/// The type can hold any `u16`. [`may_be_sent`](Self::may_be_sent) returns whether a value is legal
/// on the wire.
///
/// ```
/// use sansocket::CloseCode;
///
/// assert!(CloseCode::NORMAL.may_be_sent());
/// // 4000 to 4999 are for private use, 1006 is never sent.
/// assert!(CloseCode::new(4001).may_be_sent());
/// assert!(!CloseCode::ABNORMAL.may_be_sent());
/// assert_eq!(CloseCode::GOING_AWAY.to_string(), "1001");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CloseCode(u16);

impl CloseCode {
    /// 1000: the purpose of the connection is fulfilled.
    pub const NORMAL: Self = Self(1000);
    /// 1001: the endpoint is going away, such as a server that shuts down or a browser that leaves
    /// the page.
    pub const GOING_AWAY: Self = Self(1001);
    /// 1002: the peer violated the protocol.
    pub const PROTOCOL_ERROR: Self = Self(1002);
    /// 1003: the message has a kind of data that this end can't accept.
    pub const UNSUPPORTED_DATA: Self = Self(1003);
    /// 1005: reported for a Close frame without a code. Never on the wire: closing with this code
    /// and an empty reason sends a Close frame without a payload.
    pub const NO_STATUS: Self = Self(1005);
    /// 1006: reported for a connection that ended without a Close frame. Never on the wire.
    pub const ABNORMAL: Self = Self(1006);
    /// 1007: the data is inconsistent with the kind of the message, such as a text that is not
    /// UTF-8.
    pub const INVALID_PAYLOAD: Self = Self(1007);
    /// 1008: the message violates a policy of this end.
    pub const POLICY_VIOLATION: Self = Self(1008);
    /// 1009: the message is too big to process.
    pub const MESSAGE_TOO_BIG: Self = Self(1009);
    /// 1010: the server did not negotiate an extension that the client requires.
    pub const MANDATORY_EXTENSION: Self = Self(1010);
    /// 1011: an unexpected condition at this end.
    pub const INTERNAL_ERROR: Self = Self(1011);
    /// 1012: the service restarts (IANA registry).
    pub const SERVICE_RESTART: Self = Self(1012);
    /// 1013: try again later (IANA registry).
    pub const TRY_AGAIN_LATER: Self = Self(1013);
    /// 1014: a gateway received an invalid response (IANA registry).
    pub const BAD_GATEWAY: Self = Self(1014);
    /// 1015: reported for a failed TLS handshake. Never on the wire.
    pub const TLS_HANDSHAKE: Self = Self(1015);

    /// Creates a code from any value, legal on the wire or not.
    #[must_use]
    pub const fn new(value: u16) -> Self {
        Self(value)
    }

    /// Returns the value.
    #[must_use]
    pub const fn value(self) -> u16 {
        self.0
    }

    /// Returns true if a Close frame may carry the code: 1000 to 1003, 1007 to 1014 and 3000 to
    /// 4999 ([RFC 6455 section 7.4.2](https://www.rfc-editor.org/rfc/rfc6455#section-7.4.2) and the
    /// IANA registry).
    #[must_use]
    pub const fn may_be_sent(self) -> bool {
        matches!(self.0, 1000..=1003 | 1007..=1014 | 3000..=4999)
    }

    /// Returns true if a Close frame of the peer may carry the code. These are the same codes as
    /// those of [`may_be_sent`](Self::may_be_sent).
    #[must_use]
    pub const fn may_be_received(self) -> bool {
        self.may_be_sent()
    }
}

impl fmt::Display for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<u16> for CloseCode {
    fn from(value: u16) -> Self {
        Self(value)
    }
}

impl From<CloseCode> for u16 {
    fn from(code: CloseCode) -> Self {
        code.0
    }
}
