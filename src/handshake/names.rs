//! Names that both roles use: subprotocols and fields.

use alloc::boxed::Box;
use alloc::vec::Vec;

use crate::http1::writer::FieldError;
use crate::kernel::class::is_token;

/// Reads names of subprotocols. Each one is a token and is listed once.
pub(crate) fn read_subprotocols<I>(subprotocols: I) -> Result<Vec<Box<str>>, FieldError>
where
    I: IntoIterator<Item: AsRef<str>>,
{
    let mut list: Vec<Box<str>> = Vec::new();
    for subprotocol in subprotocols {
        let subprotocol = subprotocol.as_ref();
        // RFC 6455 4.1(10): the elements are non-empty tokens, all of them unique.
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

/// Returns true if a field belongs to the WebSocket protocol.
pub(crate) fn is_websocket_field(name: &str) -> bool {
    name.get(..14).is_some_and(|start| start.eq_ignore_ascii_case("Sec-WebSocket-"))
}
