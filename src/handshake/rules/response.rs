//! The rules of the server's choices
//! ([RFC 6455 section 4.1](https://www.rfc-editor.org/rfc/rfc6455#section-4.1), rules 5 and 6 of
//! the response).

use crate::error::extension::ExtensionError;
use crate::handshake::accept_key::AcceptKey;
use crate::handshake::connect::ConnectRequest;
use crate::http1::error::HeadError;
use crate::http1::head::Fields;
use crate::negotiated::Negotiated;

/// The rule that a response breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Sec-WebSocket-Accept differs from this value.
    Accept(AcceptKey),
    Connection,
    DuplicateField(&'static str),
    Extensions(ExtensionError),
    ForbiddenField(&'static str),
    Head(HeadError),
    Subprotocol,
    Upgrade,
}

impl From<ExtensionError> for Fault {
    fn from(error: ExtensionError) -> Self {
        Self::Extensions(error)
    }
}

/// Reads the negotiated subprotocol and extensions. Each violation MUST fail the connection.
pub(crate) fn negotiate(request: &ConnectRequest, fields: Fields<'_>) -> Result<Negotiated, Fault> {
    let extensions = only(fields, "Sec-WebSocket-Extensions")?;
    let negotiated = request.negotiate_extensions(extensions)?;
    let Some(subprotocol) = only(fields, "Sec-WebSocket-Protocol")? else {
        return Ok(negotiated);
    };
    match core::str::from_utf8(subprotocol) {
        Ok(subprotocol) if request.offers(subprotocol) => {
            Ok(negotiated.with_subprotocol(subprotocol))
        }
        _ => Err(Fault::Subprotocol),
    }
}

/// Returns the value of a field that may occur only once.
pub(crate) fn only<'h>(fields: Fields<'h>, name: &'static str) -> Result<Option<&'h [u8]>, Fault> {
    let mut values = fields.get_all(name);
    let value = values.next();
    if values.next().is_some() {
        return Err(Fault::DuplicateField(name));
    }
    Ok(value)
}
