use core::fmt;

use alloc::string::String;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1_smol::Sha1;

use crate::config::Config;
use crate::error::send::SendError;
use crate::kernel::class::{BASE64, run_len};
use crate::kernel::hidden::Hidden;

/// The GUID that is appended to a key before hashing (RFC 6455 1.3).
const GUID: &[u8; 36] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The length of 16 bytes in base64.
pub(crate) const KEY_LEN: usize = 24;

/// The value of Sec-WebSocket-Accept for a key: 20 bytes in base64.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct AcceptKey([u8; 28]);

impl AcceptKey {
    /// Computes the base64 of the SHA-1 of key and GUID (RFC 6455 4.2.2(5.4)).
    pub(crate) fn new(key: &[u8]) -> Self {
        let mut sha1 = Sha1::new();
        sha1.update(key);
        sha1.update(GUID);
        let mut text = [0; 28];
        // The base64 of 20 bytes always has 28 characters, so the slice is large enough.
        let _ = STANDARD.encode_slice(sha1.digest().bytes(), &mut text);
        Self(text)
    }

    pub(crate) const fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Returns the value as text. Base64 is ASCII, so the default is never used.
    pub(crate) fn as_str(&self) -> &str {
        core::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Debug for AcceptKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AcceptKey").field(&Hidden::new(self.0)).finish()
    }
}

/// Makes the key of a client's request (RFC 6455 4.1(7)): 16 random bytes, chosen anew for each
/// connection. A server's config has no source of randomness.
pub(crate) fn fresh_key(config: &Config) -> Result<[u8; KEY_LEN], SendError> {
    let mut nonce = [0; 16];
    config.settings().entropy.ok_or(SendError::Entropy)?.fill(&mut nonce)?;
    Ok(encode_nonce(nonce))
}

/// Encodes 16 random bytes as a key.
fn encode_nonce(nonce: [u8; 16]) -> [u8; KEY_LEN] {
    let mut text = [0; KEY_LEN];
    // The base64 of 16 bytes always has 24 characters, so the slice is large enough.
    let _ = STANDARD.encode_slice(nonce, &mut text);
    text
}

/// Returns true if a key is the base64 of 16 bytes: 22 characters of its alphabet and "==".
///
/// The unused bits of the last character may be set, as in the example of RFC 6455 4.1(7).
pub(crate) fn is_key(key: &[u8]) -> bool {
    matches!(key, [digits @ .., b'=', b'=']
        if digits.len() == KEY_LEN - 2 && run_len(digits, BASE64) == digits.len())
}

/// Returns the Sec-WebSocket-Accept for a Sec-WebSocket-Key, for handshakes by another HTTP server
/// ([RFC 6455 section 4.2.2](https://www.rfc-editor.org/rfc/rfc6455#section-4.2.2)).
///
/// ```
/// use sansocket::handshake::accept_key;
///
/// assert_eq!(accept_key("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
/// ```
#[must_use]
pub fn accept_key(key: &str) -> String {
    AcceptKey::new(key.as_bytes()).as_str().into()
}
