//! Names that both roles write: subprotocols and fields.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::http1::writer::FieldError;
use crate::kernel::class::is_token;

/// Reads names of subprotocols: each one a token, each one once.
pub(crate) fn read_subprotocols<I>(subprotocols: I) -> Result<Vec<Box<str>>, FieldError>
where
    I: IntoIterator<Item: AsRef<str>>,
{
    let mut list: Vec<Box<str>> = Vec::new();
    for subprotocol in subprotocols {
        let subprotocol = subprotocol.as_ref();
        // RFC 6455 4.1(10): tokens, not empty, and all of them different.
        if !is_token(subprotocol.as_bytes()) {
            return Err(FieldError::InvalidSubprotocol);
        }
        if list.iter().any(|known| **known == *subprotocol) {
            return Err(FieldError::DuplicateSubprotocol);
        }
        list.push(subprotocol.into());
    }
    Ok(list)
}

/// Tells whether a field belongs to this protocol.
pub(crate) fn is_websocket_field(name: &str) -> bool {
    name.get(..14).is_some_and(|start| start.eq_ignore_ascii_case("Sec-WebSocket-"))
}
