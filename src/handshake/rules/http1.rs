//! The handshake over HTTP/1.1: a GET with Upgrade and a 101.

use crate::authority::Authority;
use crate::handshake::accept_key::{AcceptKey, is_key};
use crate::handshake::connect::ConnectRequest;
use crate::handshake::connect_response::ConnectResponse;
use crate::handshake::head::RequestHead;
use crate::handshake::refusal::Refusal;
use crate::handshake::rules::request::{Collected, Facts};
use crate::handshake::rules::response::{Fault, negotiate, only};
use crate::handshake::version::HttpVersion;
use crate::http1::error::HeadError;
use crate::http1::lists::List;
use crate::negotiated::Negotiated;

/// Checks a request (RFC 6455 4.2.1).
pub(crate) fn upgrade(head: &RequestHead<'_>) -> Result<Facts, Refusal> {
    let bad = |message| Err(Refusal::bad_request(message));
    // RFC 9110 7.8: Upgrade MUST be ignored in HTTP/1.0.
    if head.version() == HttpVersion::Http10 {
        return bad("a request for a WebSocket needs HTTP/1.1: HTTP/1.0 has no Upgrade");
    }
    let all = Collected::new(head);
    // RFC 6455 4.2.1(3): an Upgrade field with the value "websocket", without regard to case.
    if all.upgrade.is_broken() {
        return bad("the Upgrade field is not a list of protocols");
    }
    if !all.upgrade.found {
        return Err(Refusal::upgrade_required(
            "this is a WebSocket endpoint: the request has no Upgrade to websocket",
        ));
    }
    // RFC 6455 4.2.1(1): a GET of a resource name, or of an absolute URL.
    if head.method() != "GET" {
        return Err(Refusal::method());
    }
    let authority = head.authority();
    if authority.is_none() && !head.target().starts_with('/') {
        return bad("the request target is neither a path nor a URL");
    }
    if all.has_body {
        return bad("a request for a WebSocket can't have a body");
    }
    // RFC 6455 4.2.1(4): the token Upgrade, without regard to case.
    if all.connection.is_broken() || !all.connection.found {
        return bad("the Connection field doesn't list Upgrade");
    }
    // RFC 6455 11.3.1: it may not appear more than once. The version is checked first, since the
    // key of another version may have another form.
    all.check_version()?;
    if all.key.again {
        return bad("there must be at most one Sec-WebSocket-Key");
    }
    // RFC 6455 4.2.1(5): a value that decodes to 16 bytes.
    if !all.key.value().is_some_and(is_key) {
        return bad("Sec-WebSocket-Key is missing or is not 16 bytes in base64");
    }
    // RFC 6455 4.2.1(2), RFC 9112 3.2: exactly one Host field. If the target is a URL, the
    // authority of the URL replaces the value of Host.
    let host = all.host.value().filter(|_| !all.host.again);
    let Some(host) = host.map(|host| authority.map_or(host, str::as_bytes)) else {
        return bad("there must be exactly one valid Host field");
    };
    let Ok(host) = Authority::parse(host) else {
        return bad("the host is missing or is not a host");
    };
    all.check_choices()?;
    Ok(all.facts(host, head))
}

/// Checks a 101 (RFC 6455 4.1, rules 2 to 6 of the response). Each violation MUST fail the
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
        return Err(Fault::Accept(*expected));
    }
    negotiate(request, fields)
}
