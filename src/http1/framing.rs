//! The fields that determine the framing and the host of a request.

use core::mem;

use crate::authority::Authority;
use crate::http1::error::HeadError;
use crate::http1::lists::members;
use crate::kernel::class::is_token;

/// The fields of a request that determine its framing and its host, as far as they were read.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Framing {
    pub(super) host: bool,
    content_length: bool,
    transfer_encoding: bool,
}

impl Framing {
    pub(super) fn field(&mut self, name: &[u8], value: &[u8]) -> Result<(), HeadError> {
        if name.eq_ignore_ascii_case(b"host") {
            // RFC 9112 3.2: a server MUST answer 400 to more than one Host, or an invalid one.
            if mem::replace(&mut self.host, true) || !is_host(value) {
                return Err(HeadError::Host);
            }
        } else if name.eq_ignore_ascii_case(b"content-length") {
            let is_number = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
            if mem::replace(&mut self.content_length, true) || !is_number {
                return Err(HeadError::ContentLength);
            }
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            // RFC 9112 6.3: a server MUST answer 400 if chunked isn't the last coding.
            let chunked = |coding: &[u8]| coding.eq_ignore_ascii_case(b"chunked");
            if mem::replace(&mut self.transfer_encoding, true)
                || !members(value).all(is_token)
                || !members(value).last().is_some_and(chunked)
            {
                return Err(HeadError::TransferEncoding);
            }
        }
        // RFC 9112 6.1: a message with both ought to be handled as an error.
        if self.content_length && self.transfer_encoding {
            return Err(HeadError::ContentLength);
        }
        Ok(())
    }
}

/// Returns true for a valid value of Host. RFC 9112 3.2: it is empty if the target has no
/// authority.
fn is_host(value: &[u8]) -> bool {
    value.is_empty() || Authority::parse(value).is_ok()
}
