//! Offers and responses of permessage-deflate with any bytes. The parser must not panic, a list
//! must have the same meaning when it is spread over several lines, and an agreement must observe
//! the settings. Shared by the fuzz target and the replay of its seeds.
//!
//! The first four bytes of the data choose the settings of a client and of a server. The rest are
//! field lines, separated by line feeds.

use sansocket::deflate::{Agreement, Deflate};
use sansocket::handshake::{ExtensionError, Fields, RequestHead};
use sansocket::{AcceptOptions, Role};

const FIELD: &str = "Sec-WebSocket-Extensions";

/// Window bits and context takeover of the server's direction, then of the client's.
type Terms = (u8, bool, u8, bool);

/// Checks a server and a client with `data`.
pub(crate) fn check(data: &[u8]) {
    let [client_bits, client_flags, server_bits, server_flags, lines @ ..] = data else { return };
    let (client, offered) = deflate(*client_bits, *client_flags);
    let (server, own) = deflate(*server_bits, *server_flags);
    let lines: Vec<&[u8]> = lines.split(|&byte| byte == b'\n').collect();

    check_server(server, own, server_flags & 4 != 0, &lines);
    check_client(client, offered, client_flags & 4 != 0, &lines);

    // Our own offer and our own response are always valid.
    let offer = client.offer();
    let answer = server.answer([offer.as_bytes()]).expect("our own grammar is right");
    let answer = answer.expect("our own offers can be accepted");
    let agreement = client.agree([answer.value().as_bytes()]).expect("our own answer is right");
    let agreement = agreement.expect("it agrees");
    assert_eq!(terms(agreement), terms(answer.agreement()), "{offer} / {}", answer.value());
}

fn check_server(server: Deflate, own: Terms, limits_required: bool, lines: &[&[u8]]) {
    let answer = server.answer(lines.iter().copied());
    // RFC 9110 section 5.3: several lines are one list.
    assert_eq!(answer, server.answer([&*lines.join(&b','); 1]));
    // The handshake applies the same rules to the grammar.
    let mut fields = vec![
        ("Host", &b"a"[..]),
        ("Upgrade", b"websocket"),
        ("Connection", b"Upgrade"),
        ("Sec-WebSocket-Key", b"dGhlIHNhbXBsZSBub25jZQ=="),
        ("Sec-WebSocket-Version", b"13"),
    ];
    fields.extend(lines.iter().map(|line| (FIELD, *line)));
    let request = RequestHead::new("GET", "/", Fields::new(&fields)).upgrade();
    assert_eq!(request.is_err(), answer.is_err());
    let Ok(request) = request else { return };
    let accepted = request.accept(&AcceptOptions::new().deflate(server)).expect("no origin");
    let field = accepted.fields().find(|(name, _)| *name == FIELD).map(|(_, value)| value);
    // The result over HTTP/2 is the same.
    let extended: Vec<_> = fields[4..].to_vec();
    let extended = Fields::new(&extended);
    let extended = RequestHead::extended_connect("websocket", "https", "a", "/", extended);
    let extended = extended.upgrade().expect("the same grammar");
    let extended = extended.accept(&AcceptOptions::new().deflate(server)).expect("no origin");
    assert_eq!(extended.negotiated(), accepted.negotiated());
    let answer = answer.expect("it was compared");
    assert_eq!(field, answer.as_ref().map(|answer| answer.value().as_bytes()));
    let Some(answer) = answer else { return };

    let agreed = terms(answer.agreement());
    assert!(agreed.0 <= own.0 && agreed.1 <= own.1 && agreed.3 <= own.3, "{agreed:?} {own:?}");
    // Without client_max_window_bits in the offer, a server can't limit the client's window.
    let unasked = !limits_required && !answer.value().contains("client_max_window_bits");
    assert!(agreed.2 <= own.2 || unasked, "{agreed:?} {own:?}");
    assert!(answer.agreement().encoder_window_bits().get() <= agreed.0);
    // A client with default settings reads the same agreement.
    let read = Deflate::default().agree([answer.value().as_bytes()]);
    assert_eq!(read.map(|agreement| agreement.map(terms)), Ok(Some(agreed)));
}

fn check_client(client: Deflate, own: Terms, limits_required: bool, lines: &[&[u8]]) {
    let agreement = client.agree(lines.iter().copied());
    if lines.len() > 1 {
        assert_eq!(agreement, Err(ExtensionError::DuplicateField));
    }
    let line = lines.join(&b',');
    let Ok(Some(agreement)) = client.agree([&*line]) else { return };
    let agreed = terms(agreement);
    assert!(agreed.2 <= own.2 && agreed.3 <= own.3, "{agreed:?} {own:?}");
    let granted = agreed.0 <= own.0 && agreed.1 <= own.1;
    assert!(granted || !limits_required, "{agreed:?} {own:?}");
    assert!(agreement.encoder_window_bits().get() <= agreed.2);
}

/// Settings, and the values that they permit.
fn deflate(bits: u8, flags: u8) -> (Deflate, Terms) {
    let (server, client) = (9 + bits % 7, 9 + (bits >> 4) % 7);
    let (server_takeover, client_takeover) = (flags & 1 == 0, flags & 2 == 0);
    let deflate = Deflate::options()
        .server_max_window_bits(server)
        .client_max_window_bits(client)
        .server_context_takeover(server_takeover)
        .client_context_takeover(client_takeover)
        .require_limits(flags & 4 != 0)
        .allow_bare_server_max_window_bits(flags & 8 != 0)
        .encoder_window_bits(9 + (flags >> 4) % 7)
        .build()
        .expect("the settings are good");
    (deflate, (server, server_takeover, client, client_takeover))
}

fn terms(agreement: Agreement) -> Terms {
    let (server, client) = (agreement.direction(Role::Server), agreement.direction(Role::Client));
    (
        server.window_bits.get(),
        server.context_takeover,
        client.window_bits.get(),
        client.context_takeover,
    )
}
