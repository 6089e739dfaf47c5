//! The handshake over HTTP/1.1: a GET with Upgrade, answered by 101.

use crate::handshake::accept_key::AcceptKey;
use crate::handshake::connect::ConnectRequest;
use crate::handshake::connect_response::ConnectResponse;
use crate::handshake::rules::response::{Fault, negotiate, only};
use crate::http1::error::HeadError;
use crate::http1::lists::List;
use crate::negotiated::Negotiated;

/// Judges a 101 (RFC 6455 4.1, rules 2 to 6 about the response): each breach MUST fail the
/// connection.
pub(crate) fn open(
    request: &ConnectRequest,
    expected: &AcceptKey,
    response: &ConnectResponse,
) -> Result<Negotiated, Fault> {
    // RFC 9110 7.8: HTTP/1.0 has no Upgrade.
    if response.minor_version() == 0 {
        return Err(Fault::Head(HeadError::Version));
    }
    let fields = response.fields();
    let upgrade = only(fields, "Upgrade")?.unwrap_or_default();
    if !upgrade.eq_ignore_ascii_case(b"websocket") {
        return Err(Fault::Upgrade);
    }
    let mut connection = List::default();
    let mut found = false;
    for line in fields.get_all("Connection") {
        found |= connection.find_token(line, "Upgrade").map_err(|_| Fault::Connection)?;
    }
    if !found {
        return Err(Fault::Connection);
    }
    if only(fields, "Sec-WebSocket-Accept")? != Some(expected.as_bytes()) {
        return Err(Fault::Accept);
    }
    negotiate(request, fields)
}
