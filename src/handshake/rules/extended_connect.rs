//! The handshake over HTTP/2 and HTTP/3: an extended CONNECT and a 2xx
//! ([RFC 8441 section 5](https://www.rfc-editor.org/rfc/rfc8441#section-5),
//! [RFC 9220 section 3](https://www.rfc-editor.org/rfc/rfc9220#section-3)).

use alloc::format;

use crate::authority::Authority;
use crate::handshake::connect::ConnectRequest;
use crate::handshake::connect_response::ConnectResponse;
use crate::handshake::head::RequestHead;
use crate::handshake::refusal::Refusal;
use crate::handshake::rules::request::{Collected, Facts};
use crate::handshake::rules::response::{Fault, negotiate};
use crate::http1::head::connection_field;
use crate::negotiated::Negotiated;

/// Returns true if a value of `:protocol` names this protocol. Upgrade tokens are compared without
/// regard to case (RFC 9110 16.7).
pub(crate) fn is_websocket(protocol: &str) -> bool {
    protocol.eq_ignore_ascii_case("websocket")
}

/// Checks a request.
pub(crate) fn upgrade(head: &RequestHead<'_>) -> Result<Facts, Refusal> {
    let bad = |message| Err(Refusal::bad_request(message));
    let Some(protocol) = head.protocol() else {
        return Err(Refusal::upgrade_required(
            "this is a WebSocket endpoint: over HTTP/2 and HTTP/3 it needs a CONNECT with \
             :protocol websocket",
        ));
    };
    // RFC 8441 4: :protocol is defined for CONNECT only. With another method the request is
    // malformed (RFC 9113 8.1.1).
    if head.method() != "CONNECT" {
        return bad("the request has :protocol, but its method is not CONNECT");
    }
    // RFC 9220 3: 501 for an unknown protocol.
    if !is_websocket(protocol) {
        return Err(Refusal::protocol());
    }
    // RFC 9113 8.2.2, RFC 9114 4.2: a message with such a field is malformed.
    let forbidden = head.fields().raw().find_map(|(name, value)| connection_field(name, value));
    if let Some(name) = forbidden {
        let message = format!("{} forbids the field {name}", head.version());
        return Err(Refusal::bad_request(message));
    }
    // RFC 8441 4: :scheme and :path MUST be present. RFC 8441 5: https for wss, http for ws.
    let secure = match head.scheme() {
        Some(scheme) if scheme.eq_ignore_ascii_case("https") => true,
        Some(scheme) if scheme.eq_ignore_ascii_case("http") => false,
        _ => return bad("the :scheme is neither https nor http"),
    };
    if !head.target().starts_with('/') {
        return bad("the :path is missing or is not a path");
    }
    let all = Collected::new(head);
    if all.has_body {
        return bad("a request for a WebSocket can't have a body");
    }
    all.check_version()?;
    let host = check_host(head, &all, if secure { 443 } else { 80 })?;
    // RFC 8441 5: Sec-WebSocket-Key is not used, so it isn't checked. The other fields have the
    // same rules as over HTTP/1.1.
    all.check_choices()?;
    Ok(all.facts(host, head))
}

/// Parses `:authority`, or Host if a gateway has sent that instead (RFC 9113 8.3.1). If both are
/// present, they must name the same host.
fn check_host<'h>(
    head: &RequestHead<'h>,
    all: &Collected<'h>,
    default_port: u16,
) -> Result<Authority<'h>, Refusal> {
    let field = all.host.value();
    if all.host.again {
        return Err(Refusal::bad_request("there must be at most one Host field"));
    }
    let authority = head.authority().map(str::as_bytes).or(field);
    let Some(Ok(host)) = authority.map(Authority::parse) else {
        return Err(Refusal::bad_request("the :authority is missing or is not a host"));
    };
    let is_same = |other: Authority<'_>| {
        other.host.eq_ignore_ascii_case(host.host)
            && other.port.unwrap_or(default_port) == host.port.unwrap_or(default_port)
    };
    match field.map(Authority::parse) {
        Some(Ok(field)) if is_same(field) => Ok(host),
        Some(_) => Err(Refusal::bad_request("the Host field names another host than :authority")),
        None => Ok(host),
    }
}

/// Checks the fields of a 2xx (RFC 8441 5). Each violation MUST fail the connection.
pub(crate) fn open(
    request: &ConnectRequest,
    response: &ConnectResponse,
) -> Result<Negotiated, Fault> {
    let fields = response.fields();
    // RFC 9113 8.2.2, RFC 9114 4.2: a message with such a field is malformed.
    if let Some(name) = fields.raw().find_map(|(name, value)| connection_field(name, value)) {
        return Err(Fault::ForbiddenField(name));
    }
    negotiate(request, fields)
}
