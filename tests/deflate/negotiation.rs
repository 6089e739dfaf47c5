//! permessage-deflate in the opening handshake (RFC 7692 sections 5 and 7.1).

use bytes::BytesMut;
use proptest::prelude::*;
use sansocket::connection::Negotiated;
use sansocket::deflate::{Agreement, Deflate, DeflateOptions, Direction, Level, WindowBits};
use sansocket::error::ConfigError;
use sansocket::handshake::{ClientHandshake, ExtensionError, HandshakeError};
use sansocket::{AcceptOptions, ConnectRequest, Role};

use crate::common::at_ms;
use crate::common::head::{
    Lines, client_config, client_for, read_head, receive_chunks, serve_with,
};

const FIELD: &str = "Sec-WebSocket-Extensions";

/// The response of a server to field lines; its agreement is that of the response.
#[track_caller]
fn answer(deflate: Deflate, lines: &[&str]) -> Option<String> {
    let lines = lines.iter().map(|line| line.as_bytes());
    let answer = deflate.answer(lines).unwrap()?;
    let value = answer.value().to_owned();
    assert_eq!(terms(answer.agreement()), terms_of(&value), "{value}");
    Some(value)
}

/// Window bits and context takeover of the server's direction, then of the client's.
type Terms = (u8, bool, u8, bool);

fn terms(agreement: Agreement) -> Terms {
    let (server, client) = (agreement.direction(Role::Server), agreement.direction(Role::Client));
    (
        server.window_bits.get(),
        server.context_takeover,
        client.window_bits.get(),
        client.context_takeover,
    )
}

/// The same terms, parsed from a response independently.
fn terms_of(value: &str) -> Terms {
    let bits = |name: &str| {
        let value = value.split("; ").find_map(|p| p.strip_prefix(name)?.strip_prefix('='));
        value.map_or(15, |bits| bits.parse().unwrap())
    };
    let takeover = |name: &str| !value.split("; ").any(|p| p == name);
    (
        bits("server_max_window_bits"),
        takeover("server_no_context_takeover"),
        bits("client_max_window_bits"),
        takeover("client_no_context_takeover"),
    )
}

fn bits(bits: u8) -> WindowBits {
    WindowBits::new(bits).unwrap()
}

fn client_limit(bits: u8) -> DeflateOptions {
    Deflate::options().client_max_window_bits(bits)
}

/// Combines the offer or response `; {parameters}`.
fn named(parameters: &str) -> String {
    format!("permessage-deflate{parameters}")
}

// ---------------------------------------------------------------- the server

#[test]
fn q8_q9_x6_x7_x9_x10_responses_of_the_default_settings() {
    for (offered, answered) in [
        ("", ""),
        ("; server_no_context_takeover", "; server_no_context_takeover"),
        ("; client_no_context_takeover", "; client_no_context_takeover"),
        // Q8, N5: no parameter that was not requested.
        ("; client_max_window_bits", ""),
        // Q9: named if the offer had a value for it, so that it binds.
        ("; client_max_window_bits=8", "; client_max_window_bits=8"),
        ("; client_max_window_bits=9", "; client_max_window_bits=9"),
        ("; client_max_window_bits=\"9\"", "; client_max_window_bits=9"),
        ("; client_max_window_bits=\"\\9\"", "; client_max_window_bits=9"),
        ("; client_max_window_bits=\"1\\4\"", "; client_max_window_bits=14"),
        ("; client_max_window_bits=15", "; client_max_window_bits=15"),
        // X9, N9: named if it was offered.
        ("; server_max_window_bits=8", "; server_max_window_bits=8"),
        ("; server_max_window_bits=10", "; server_max_window_bits=10"),
        ("; server_max_window_bits=\"10\"", "; server_max_window_bits=10"),
        ("; server_max_window_bits=15", "; server_max_window_bits=15"),
        (
            "; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=11; \
             client_max_window_bits=12",
            "; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=11; \
             client_max_window_bits=12",
        ),
        (
            "; client_max_window_bits=12; server_max_window_bits=11; client_no_context_takeover; \
             server_no_context_takeover",
            "; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=11; \
             client_max_window_bits=12",
        ),
        // Blanks around separators.
        ("\t ;\t server_max_window_bits \t=\t 10 \t", "; server_max_window_bits=10"),
        (
            " ; client_max_window_bits = \"9\" ; server_no_context_takeover ",
            "; server_no_context_takeover; client_max_window_bits=9",
        ),
        (
            ";client_no_context_takeover;server_no_context_takeover",
            "; server_no_context_takeover; client_no_context_takeover",
        ),
    ] {
        let answer = answer(Deflate::default(), &[&named(offered)]);
        assert_eq!(answer, Some(named(answered)), "{offered}");
    }
}

/// Every fault in the parameters of an offer: that offer is declined, and the next one is examined.
const BAD_OFFERS: [&str; 47] = [
    // X8, N8: decimal, 8 to 15, no leading zero, no sign.
    "; server_max_window_bits=7",
    "; server_max_window_bits=16",
    "; server_max_window_bits=0",
    "; server_max_window_bits=1",
    "; server_max_window_bits=-1",
    "; server_max_window_bits=08",
    "; server_max_window_bits=010",
    "; server_max_window_bits=+9",
    "; server_max_window_bits=9x",
    "; server_max_window_bits=x9",
    "; server_max_window_bits=1x",
    "; server_max_window_bits=0x9",
    "; server_max_window_bits=1e1",
    "; server_max_window_bits=9.0",
    "; server_max_window_bits=150",
    "; server_max_window_bits=264", // 8, if truncated to a byte
    "; server_max_window_bits=65545",
    "; server_max_window_bits=4294967305",
    "; server_max_window_bits=999999999999",
    "; server_max_window_bits=99999999999999999999999999999999999999999",
    "; server_max_window_bits=true",
    "; server_max_window_bits=\"7\"",
    "; server_max_window_bits=\"08\"",
    "; server_max_window_bits=\"\\1\\6\"",
    "; client_max_window_bits=7",
    "; client_max_window_bits=16",
    "; client_max_window_bits=08",
    "; client_max_window_bits=+9",
    "; client_max_window_bits=9x",
    "; client_max_window_bits=999999999999",
    // X9, N6, Q7: without a value.
    "; server_max_window_bits",
    "; server_max_window_bits; client_max_window_bits",
    // X3, N3: duplicates, also with equal values.
    "; server_max_window_bits=10; server_max_window_bits=10",
    "; server_max_window_bits=10; server_max_window_bits=11",
    "; client_max_window_bits=10; client_max_window_bits=10",
    "; client_max_window_bits; client_max_window_bits",
    "; client_max_window_bits; client_max_window_bits=10",
    "; client_max_window_bits=10; client_max_window_bits",
    "; server_no_context_takeover; server_no_context_takeover",
    "; client_no_context_takeover; server_no_context_takeover; client_no_context_takeover",
    // X5: no value.
    "; server_no_context_takeover=1",
    "; server_no_context_takeover=\"true\"",
    "; client_no_context_takeover=1",
    // X3, N4: unknown; names are case-sensitive.
    "; foo",
    "; foo=1",
    "; Server_No_Context_Takeover",
    "; server_max_window_bits=10; server_max_window_bit=10",
];

#[test]
fn x2_x3_x5_x8_n3_n4_n6_n8_q7_invalid_offers_are_declined_and_the_next_is_examined() {
    for bad in BAD_OFFERS {
        let bad = named(bad);
        let default = Deflate::default();
        assert_eq!(answer(default, &[&bad]), None, "{bad}");
        // N1: the next offer, in the same line or in another.
        let good = "permessage-deflate; server_max_window_bits=9";
        for lines in [
            &[&*format!("{bad}, {good}")][..],
            &[&*format!("{bad},permessage-deflate;foo, ,{good} ,{bad}")],
            &[&bad, good],
            &[&bad, &bad, good, &bad],
        ] {
            assert_eq!(answer(default, lines).as_deref(), Some(good), "{lines:?}");
        }
    }
}

#[test]
fn x2_n1_n2_lists_and_lines() {
    for (lines, answered) in [
        (&[][..], None),
        (&["permessage-deflate; foo, permessage-deflate"][..], Some("")),
        (&["x-webkit-deflate-frame, permessage-deflate"], Some("")),
        (&["x-webkit-deflate-frame"], None),
        (&["permessage-deflateX"], None),
        (&["permessage-deflat"], None),
        (&["Permessage-Deflate"], None),
        (&["deflate; permessage-deflate"], None),
        (&["foo; server_max_window_bits=9, permessage-deflate"], Some("")),
        (&["permessage-deflate, foo; server_max_window_bits=9"], Some("")),
        (&["foo; bar=\"permessage-deflate\""], None),
        (&[",,permessage-deflate,"], Some("")),
        (&["\t,\t permessage-deflate \t,\t"], Some("")),
        (&[",", "permessage-deflate"], Some("")),
        (&["permessage-deflate; server_max_window_bits=7", "permessage-deflate"], Some("")),
        (&["foo", "permessage-deflate"], Some("")),
        // X2: the order of the client, over all lines.
        (
            &["permessage-deflate; server_max_window_bits=10, permessage-deflate"],
            Some("; server_max_window_bits=10"),
        ),
        (&["permessage-deflate, permessage-deflate; server_max_window_bits=10"], Some("")),
        (
            &["permessage-deflate; client_no_context_takeover", "permessage-deflate"],
            Some("; client_no_context_takeover"),
        ),
    ] {
        assert_eq!(answer(Deflate::default(), lines), answered.map(named), "{lines:?}");
    }
}

/// Lines that violate the grammar, alone or among others.
const BAD_GRAMMAR: [&str; 19] = [
    "",
    " ",
    ",",
    "permessage-deflate;",
    "permessage-deflate; ;client_max_window_bits",
    "permessage-deflate; client_max_window_bits=",
    "permessage-deflate; client_max_window_bits=\"",
    "permessage-deflate; client_max_window_bits=\"13",
    "permessage-deflate; client_max_window_bits=14\"",
    "permessage-deflate; client_max_window_bits=\"\"",
    "permessage-deflate; client_max_window_bits=\" 9\"",
    "permessage-deflate; client_max_window_bits=\"9\\\"",
    "permessage-deflate; client_max_window_bits=9 9",
    "permessage-deflate; client_max_window_bits=9=9",
    "permessage-deflate; =9",
    "permessage-deflate client_max_window_bits",
    "permessage-deflate; \u{e4}",
    "; client_max_window_bits",
    "permessage-deflate, ;",
];

#[test]
fn x1_q7_a_breach_of_the_grammar_fails_the_handshake() {
    for bad in BAD_GRAMMAR {
        let default = Deflate::default();
        let answer = default.answer([bad.as_bytes()]);
        assert_eq!(answer, Err(ExtensionError::Grammar), "{bad}");
        // At every place; an empty line among others is no violation.
        let lines = [b"permessage-deflate", bad.as_bytes()];
        let alone = bad.trim_matches([' ', ',']).is_empty();
        assert_eq!(default.answer(lines).is_ok(), alone, "{bad}");
        // A response without any member selects no extension.
        let agreed = if alone { Ok(None) } else { Err(ExtensionError::Grammar) };
        assert_eq!(default.agree([bad.as_bytes()]), agreed, "{bad}");
        // In a handshake, independent of the server's settings of compression.
        for options in [AcceptOptions::new(), AcceptOptions::new().deflate(default)] {
            let served = serve_with(&Lines::request().with(FIELD, bad).bytes(), &options);
            assert_eq!(served.status(), 400, "{bad}");
        }
    }
}

/// ASP.NET's responses to these offers with ServerMaxWindowBits 14 and without context takeover of
/// the server, except for choices that RFC 7692 does not leave to the server, and except for the
/// order.
#[test]
fn n5_n9_x6_the_servers_own_limits() {
    let options = || Deflate::options().server_max_window_bits(14).server_context_takeover(false);
    let deflate = options().build().unwrap();
    let own = "; server_no_context_takeover";
    for (offered, answered) in [
        ("", Some("; server_max_window_bits=14")),
        ("; server_no_context_takeover", Some("; server_max_window_bits=14")),
        (
            "; client_no_context_takeover",
            Some("; client_no_context_takeover; server_max_window_bits=14"),
        ),
        ("; client_max_window_bits", Some("; server_max_window_bits=14")),
        (
            "; client_max_window_bits=10",
            Some("; server_max_window_bits=14; client_max_window_bits=10"),
        ),
        ("; server_max_window_bits=10", Some("; server_max_window_bits=10")),
        ("; server_max_window_bits=14", Some("; server_max_window_bits=14")),
        ("; server_max_window_bits=15", Some("; server_max_window_bits=14")),
        ("; server_max_window_bits", None),
        (
            "; server_max_window_bits=10; client_max_window_bits=12; client_no_context_takeover; \
             server_no_context_takeover",
            Some(
                "; client_no_context_takeover; server_max_window_bits=10; \
                 client_max_window_bits=12",
            ),
        ),
    ] {
        let answered = answered.map(|answered| named(&format!("{own}{answered}")));
        assert_eq!(answer(deflate, &[&named(offered)]), answered, "{offered}");
    }
    // With the setting also the offer that RFC 7692 requires to be declined.
    let deflate = options().allow_bare_server_max_window_bits(true).build().unwrap();
    let answered = answer(deflate, &[&named("; server_max_window_bits")]);
    assert_eq!(answered, Some(named("; server_no_context_takeover; server_max_window_bits=14")));
}

#[test]
fn n6_q7_the_switch_for_offers_without_a_value() {
    let deflate = Deflate::options().allow_bare_server_max_window_bits(true).build().unwrap();
    for (offered, answered) in [
        ("; server_max_window_bits", Some("; server_max_window_bits=15")),
        ("; server_max_window_bits; client_max_window_bits", Some("; server_max_window_bits=15")),
        ("; server_max_window_bits=9", Some("; server_max_window_bits=9")),
        ("; server_max_window_bits; server_max_window_bits", None),
        ("; server_max_window_bits; server_max_window_bits=9", None),
        ("; server_max_window_bits=7", None),
    ] {
        assert_eq!(answer(deflate, &[&named(offered)]), answered.map(named), "{offered}");
    }
    // In a response it remains an error.
    let bare = named("; server_max_window_bits");
    let wrong = ExtensionError::InvalidValue("server_max_window_bits");
    assert_eq!(deflate.agree([bare.as_bytes()]), Err(wrong));
}

#[test]
fn x7_x10_limits_of_the_client_set_by_the_server() {
    let wish = client_limit(10).build().unwrap();
    let condition = client_limit(10).require_limits(true).build().unwrap();
    for (offered, answered) in [
        ("; client_max_window_bits", "; client_max_window_bits=10"),
        ("; client_max_window_bits=8", "; client_max_window_bits=8"),
        ("; client_max_window_bits=9", "; client_max_window_bits=9"),
        ("; client_max_window_bits=10", "; client_max_window_bits=10"),
        ("; client_max_window_bits=12", "; client_max_window_bits=10"),
        ("; client_max_window_bits=15", "; client_max_window_bits=10"),
    ] {
        for deflate in [wish, condition] {
            assert_eq!(answer(deflate, &[&named(offered)]), Some(named(answered)), "{offered}");
        }
    }
    // X10: it must not be in the response unless it was offered.
    assert_eq!(answer(wish, &["permessage-deflate"]), Some(named("")));
    assert_eq!(answer(condition, &["permessage-deflate"]), None);
    let both = ["permessage-deflate", "permessage-deflate; client_max_window_bits"];
    assert_eq!(answer(wish, &both), Some(named("")));
    assert_eq!(answer(condition, &both), Some(named("; client_max_window_bits=10")));
    // X7: this parameter is allowed in a response without an offer.
    let deflate = Deflate::options().client_context_takeover(false).require_limits(true);
    let deflate = deflate.build().unwrap();
    let answered = answer(deflate, &["permessage-deflate"]);
    assert_eq!(answered, Some(named("; client_no_context_takeover")));
}

// ---------------------------------------------------------------- the client

#[test]
fn q8_n11_offers_of_a_client() {
    let options = Deflate::options;
    for (options, offered) in [
        (options(), "; client_max_window_bits"),
        (options().client_max_window_bits(10), "; client_max_window_bits=10"),
        (
            options().client_context_takeover(false),
            "; client_no_context_takeover; client_max_window_bits",
        ),
        // With preferences: those first, then the same without.
        (
            options().server_max_window_bits(9),
            "; server_max_window_bits=9; client_max_window_bits, \
             permessage-deflate; client_max_window_bits",
        ),
        (
            options().server_context_takeover(false).client_max_window_bits(12),
            "; server_no_context_takeover; client_max_window_bits=12, \
             permessage-deflate; client_max_window_bits=12",
        ),
        // As requirements.
        (options().require_limits(true), "; client_max_window_bits"),
        (
            options().server_max_window_bits(9).require_limits(true),
            "; server_max_window_bits=9; client_max_window_bits",
        ),
        (
            options()
                .server_max_window_bits(9)
                .client_max_window_bits(14)
                .server_context_takeover(false)
                .client_context_takeover(false)
                .require_limits(true),
            "; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=9; \
             client_max_window_bits=14",
        ),
        // These settings are not sent to the peer.
        (options().require(true).encoder_window_bits(9).threshold(0), "; client_max_window_bits"),
    ] {
        assert_eq!(options.build().unwrap().offer(), named(offered));
    }
}

/// The agreement of a client.
fn agreed(options: DeflateOptions, parameters: &str) -> Result<Terms, ExtensionError> {
    let deflate = options.build().unwrap();
    let agreement = deflate.agree([named(parameters).as_bytes()])?.unwrap();
    assert!(agreement.encoder_window_bits() <= agreement.direction(Role::Client).window_bits);
    Ok(terms(agreement))
}

#[test]
fn x6_x7_x9_x11_q9_responses_that_a_client_accepts() {
    let options = Deflate::options;
    let all = "; server_no_context_takeover; client_no_context_takeover; \
               server_max_window_bits=11; client_max_window_bits=12";
    for (options, answered, agreement) in [
        (options(), "", (15, true, 15, true)),
        // The server's own parameters, without an offer.
        (options(), "; server_no_context_takeover", (15, false, 15, true)),
        (options(), "; server_max_window_bits=8", (8, true, 15, true)),
        (options(), "; server_max_window_bits=15", (15, true, 15, true)),
        // X7: the client's parameters, without an offer: the client complies.
        (options(), "; client_no_context_takeover", (15, true, 15, false)),
        (options(), "; client_max_window_bits=10", (15, true, 10, true)),
        (options(), "; client_max_window_bits=\"10\"", (15, true, 10, true)),
        (options(), " ; client_max_window_bits\t= 10 ,", (15, true, 10, true)),
        // Q9
        (options(), "; client_max_window_bits=8", (15, true, 8, true)),
        (options(), all, (11, false, 12, false)),
        // X11: the client keeps its own offered limits in any case.
        (options().client_max_window_bits(10), "", (15, true, 10, true)),
        (options().client_max_window_bits(10), "; client_max_window_bits=12", (15, true, 10, true)),
        (options().client_max_window_bits(10), "; client_max_window_bits=9", (15, true, 9, true)),
        (options().client_context_takeover(false), "", (15, true, 15, false)),
        // X9: an equal or smaller window.
        (options().server_max_window_bits(12), "; server_max_window_bits=12", (12, true, 15, true)),
        (options().server_max_window_bits(12), "; server_max_window_bits=8", (8, true, 15, true)),
        // The second offer: without the preferences.
        (options().server_max_window_bits(12), "", (15, true, 15, true)),
        (options().server_max_window_bits(12), "; server_max_window_bits=13", (13, true, 15, true)),
        (options().server_context_takeover(false), "", (15, true, 15, true)),
    ] {
        assert_eq!(agreed(options, answered), Ok(agreement), "{answered}");
    }
}

#[test]
fn x4_x8_x9_x10_n10_v10_responses_that_fail_a_client() {
    use ExtensionError::{DuplicateParameter, InvalidValue, NotGranted, UnknownParameter};
    let options = Deflate::options;
    let limited = || options().server_max_window_bits(12).require_limits(true);
    let (server_bits, client_bits) = ("server_max_window_bits", "client_max_window_bits");
    let server_takeover = "server_no_context_takeover";
    for (options, answered, error) in [
        (options(), "; foo", UnknownParameter),
        (options(), "; foo=1; client_max_window_bits=10", UnknownParameter),
        (options(), "; Client_max_window_bits=10", UnknownParameter),
        (options(), "; server_no_context_takeover=1", InvalidValue(server_takeover)),
        (
            options(),
            "; client_no_context_takeover=\"x\"",
            InvalidValue("client_no_context_takeover"),
        ),
        (
            options(),
            "; server_no_context_takeover; server_no_context_takeover",
            DuplicateParameter(server_takeover),
        ),
        (
            options(),
            "; client_max_window_bits=9; client_max_window_bits=9",
            DuplicateParameter(client_bits),
        ),
        // X10: without a value.
        (options(), "; client_max_window_bits", InvalidValue(client_bits)),
        (options(), "; server_max_window_bits", InvalidValue(server_bits)),
        // V10: out of range.
        (options(), "; server_max_window_bits=16", InvalidValue(server_bits)),
        (options(), "; server_max_window_bits=999999999999", InvalidValue(server_bits)),
        (options(), "; client_max_window_bits=7", InvalidValue(client_bits)),
        (options(), "; client_max_window_bits=08", InvalidValue(client_bits)),
        // X9, N10: missing, or larger than the offer.
        (limited(), "", NotGranted(server_bits)),
        (limited(), "; server_max_window_bits=13", NotGranted(server_bits)),
        (
            options().server_context_takeover(false).require_limits(true),
            "; server_max_window_bits=9",
            NotGranted(server_takeover),
        ),
    ] {
        assert_eq!(agreed(options, answered), Err(error), "{answered}");
    }
    // Every fault of an offer is a fault of a response.
    for bad in BAD_OFFERS {
        assert!(agreed(options(), bad).is_err(), "{bad}");
    }
}

#[test]
fn x4_other_several_or_no_extensions() {
    let default = Deflate::default();
    for (lines, outcome) in [
        (&["x-webkit-deflate-frame"][..], Err(ExtensionError::Unoffered)),
        (&["permessage-deflateX"], Err(ExtensionError::Unoffered)),
        (&["Permessage-Deflate"], Err(ExtensionError::Unoffered)),
        (&["permessage-deflate, foo"], Err(ExtensionError::Unoffered)),
        (&["foo, permessage-deflate"], Err(ExtensionError::Unoffered)),
        (&["foo; permessage-deflate"], Err(ExtensionError::Unoffered)),
        (&["permessage-deflate, permessage-deflate"], Err(ExtensionError::Duplicate)),
        (&["permessage-deflate", "permessage-deflate"], Err(ExtensionError::DuplicateField)),
        (&["permessage-deflate", ""], Err(ExtensionError::DuplicateField)),
        (&[], Ok(None)),
    ] {
        let lines = lines.iter().map(|line| line.as_bytes());
        assert_eq!(default.agree(lines), outcome);
    }
    let required = Deflate::options().require(true).build().unwrap();
    assert_eq!(required.agree([]), Err(ExtensionError::Declined));
    assert!(required.agree([&b"permessage-deflate"[..]]).unwrap().is_some());
}

// ---------------------------------------------------------------- in the handshakes

#[test]
fn the_servers_response_has_the_field_and_the_agreement() {
    let options = AcceptOptions::new().deflate(Deflate::default());
    for (offers, answered) in [
        (&["permessage-deflate; client_max_window_bits"][..], Some("permessage-deflate")),
        (
            &["foo", "permessage-deflate; server_max_window_bits=9"],
            Some("permessage-deflate; server_max_window_bits=9"),
        ),
        (&["permessage-deflate; foo"], None),
        (&["foo"], None),
        (&[], None),
    ] {
        let lines = offers.iter().fold(Lines::request(), |lines, offer| lines.with(FIELD, offer));
        let head = read_head(&[&lines.bytes()], &common_server()).0.unwrap().unwrap();
        let accepted = head.upgrade().unwrap().accept(&options).unwrap();
        let field = accepted.fields().find(|(name, _)| *name == FIELD).map(|(_, value)| value);
        assert_eq!(field, answered.map(str::as_bytes), "{offers:?}");
        let mut out = BytesMut::new();
        accepted.write(&mut out);
        let out = String::from_utf8(out.to_vec()).unwrap();
        // Never an empty field.
        assert_eq!(out.matches(FIELD).count(), usize::from(answered.is_some()));
        if let Some(answered) = answered {
            assert!(out.contains(&format!("\r\n{FIELD}: {answered}\r\n")), "{out}");
        }
        let agreement = accepted.negotiated().deflate();
        assert_eq!(agreement.map(terms), answered.map(terms_of));
        // Off by default.
        let accepted = head.upgrade().unwrap().accept(&AcceptOptions::new()).unwrap();
        assert_eq!(accepted.negotiated().deflate(), None);
        assert!(accepted.fields().all(|(name, _)| name != FIELD));
    }
}

fn common_server() -> sansocket::Config {
    sansocket::Config::server().build().unwrap()
}

/// A client that has sent an offer, and receives this response.
fn answered(
    deflate: Option<Deflate>,
    values: &[&str],
) -> Result<Option<Agreement>, HandshakeError> {
    let mut request = ConnectRequest::new("ws://example.com/").unwrap();
    if let Some(deflate) = deflate {
        request = request.deflate(deflate);
    }
    let (handshake, accept) = client_for(&request, &client_config());
    let lines =
        values.iter().fold(Lines::response(&accept), |lines, value| lines.with(FIELD, value));
    let response = receive_chunks(handshake, &[&lines.bytes()]).0?;
    Ok(response.expect("a complete response").deflate())
}

#[test]
fn the_client_sends_an_offer_and_checks_the_response() {
    let default = Deflate::default();
    let mut out = BytesMut::new();
    let request = ConnectRequest::new("ws://example.com/").unwrap().deflate(default);
    ClientHandshake::new(&request, &client_config(), at_ms(0), &mut out).unwrap();
    let out = String::from_utf8(out.to_vec()).unwrap();
    let field = format!("\r\n{FIELD}: permessage-deflate; client_max_window_bits\r\n");
    assert_eq!(out.matches(&field).count(), 1, "{out}");

    let agreement = answered(Some(default), &["permessage-deflate"]).unwrap().unwrap();
    assert_eq!(terms(agreement), (15, true, 15, true));
    assert_eq!(answered(Some(default), &[]).unwrap(), None);
    assert_eq!(answered(None, &[]).unwrap(), None);
    // An empty list selects no extension.
    for empty in ["", " ", ",", ", \t,"] {
        assert_eq!(answered(Some(default), &[empty]).unwrap(), None, "{empty:?}");
        assert_eq!(answered(None, &[empty]).unwrap(), None, "{empty:?}");
        assert_eq!(default.agree([empty.as_bytes()]), Ok(None), "{empty:?}");
    }
    let required = Deflate::options().require(true).build().unwrap();
    for (deflate, values, error) in [
        (Some(default), &["foo"][..], ExtensionError::Unoffered),
        (Some(default), &["permessage-deflate; foo"], ExtensionError::UnknownParameter),
        (Some(default), &["permessage-deflate;"], ExtensionError::Grammar),
        (Some(required), &[""], ExtensionError::Declined),
        (Some(required), &[], ExtensionError::Declined),
        (None, &["permessage-deflate"], ExtensionError::Unoffered),
    ] {
        let result = answered(deflate, values);
        let Err(HandshakeError::Extensions(found, _)) = result else { panic!("{result:?}") };
        assert_eq!(found, error, "{values:?}");
    }
    let twice = answered(Some(default), &["permessage-deflate", "permessage-deflate"]);
    assert!(matches!(twice, Err(HandshakeError::DuplicateField(FIELD, _))), "{twice:?}");
}

/// Offers with invalid values do not affect the connection.
#[test]
fn q7_a_declined_offer_opens_a_connection_without_compression() {
    let options = AcceptOptions::new().deflate(Deflate::default());
    for bad in BAD_OFFERS {
        let served = serve_with(&Lines::request().with(FIELD, &named(bad)).bytes(), &options);
        assert_eq!(served.status(), 101, "{bad}");
        assert!(!served.text().contains(FIELD), "{bad}");
    }
}

// ---------------------------------------------------------------- settings and agreements

#[test]
fn p10_errors_of_impossible_settings_name_the_remedy() {
    for bad in [0, 1, 7, 8, 16, 17, 255] {
        let options = Deflate::options;
        for (options, name) in [
            (options().server_max_window_bits(bad), "server_max_window_bits"),
            (options().client_max_window_bits(bad), "client_max_window_bits"),
            (options().encoder_window_bits(bad), "encoder_window_bits"),
        ] {
            let error = options.build().unwrap_err();
            assert_eq!(error, ConfigError::WindowBits(name, bad));
            assert_eq!(error.to_string(), format!("{name} is {bad}: set 9 to 15"));
        }
    }
    for good in 9..=15 {
        let options = Deflate::options().server_max_window_bits(good);
        let options = options.client_max_window_bits(good).encoder_window_bits(good);
        assert!(options.build().is_ok());
    }
    assert_eq!(Deflate::options().build(), Ok(Deflate::default()));
    // In a constant too.
    const SMALL: Option<Deflate> = match Deflate::options().server_max_window_bits(10).build() {
        Ok(deflate) => Some(deflate),
        Err(_) => None,
    };
    assert!(SMALL.is_some());
}

#[test]
fn an_agreement_has_the_parameters_of_the_connection() {
    let direction = |window_bits, context_takeover| Direction {
        window_bits: bits(window_bits),
        context_takeover,
    };
    let default = Deflate::default();
    for (server, client, role, encoder_window_bits, threshold) in [
        (direction(15, true), direction(15, true), Role::Server, 12, 32),
        (direction(15, true), direction(15, true), Role::Client, 12, 32),
        (direction(9, false), direction(15, true), Role::Server, 9, 128),
        (direction(9, false), direction(15, true), Role::Client, 12, 32),
        (direction(15, true), direction(8, false), Role::Server, 12, 32),
        (direction(15, true), direction(8, false), Role::Client, 8, 128),
    ] {
        let agreement = Agreement::new(role, server, client, default);
        assert_eq!(agreement.direction(Role::Server), server);
        assert_eq!(agreement.direction(Role::Client), client);
        assert_eq!(agreement.encoder_window_bits().get(), encoder_window_bits);
        assert_eq!(agreement.threshold(), threshold);
        assert_eq!(agreement.level(), Level::Balanced);
        assert_eq!(Negotiated::new().with_deflate(agreement).deflate(), Some(agreement));
    }
    let own = Deflate::options().encoder_window_bits(15).level(Level::Best).threshold(1000);
    let own = own.build().unwrap();
    let agreement = Agreement::new(Role::Client, direction(15, true), direction(14, false), own);
    assert_eq!(agreement.encoder_window_bits().get(), 14);
    assert_eq!((agreement.level(), agreement.threshold()), (Level::Best, 1000));
    assert_eq!(Negotiated::new().deflate(), None);
    // Every connection holds one.
    let most = if cfg!(feature = "miniz_oxide") { 10 } else { 8 };
    assert!(size_of::<Option<Agreement>>() <= most);
    assert!(size_of::<Deflate>() <= 16);
}

/// X12: an agreement made elsewhere can have windows that the selected engine does not support.
#[cfg(feature = "miniz_oxide")]
#[test]
fn x12_an_engine_without_the_agreed_window_is_not_used() {
    use sansocket::deflate::Engine;
    let deflate = Deflate::options().engine(Engine::MinizOxide).build().unwrap();
    for own in 8..=15 {
        let own = Direction { window_bits: bits(own), context_takeover: true };
        let other = Direction { window_bits: bits(9), context_takeover: true };
        let engine =
            if own.window_bits == WindowBits::MAX { Engine::MinizOxide } else { Engine::Native };
        assert_eq!(Agreement::new(Role::Server, own, other, deflate).engine(), engine);
        assert_eq!(Agreement::new(Role::Client, other, own, deflate).engine(), engine);
    }
}

// ---------------------------------------------------------------- properties

/// Any settings, and their limits.
fn any_deflate() -> impl Strategy<Value = (Deflate, Terms)> {
    (9_u8..=15, 9_u8..=15, 9_u8..=15, any::<[bool; 4]>()).prop_map(
        |(server, client, encoder, flags)| {
            let deflate = Deflate::options()
                .server_max_window_bits(server)
                .client_max_window_bits(client)
                .encoder_window_bits(encoder)
                .server_context_takeover(flags[0])
                .client_context_takeover(flags[1])
                .require_limits(flags[2])
                .allow_bare_server_max_window_bits(flags[3])
                .build()
                .unwrap();
            (deflate, (server, flags[0], client, flags[1]))
        },
    )
}

/// A correct or nearly correct name, with any value or none.
fn any_parameter() -> impl Strategy<Value = String> {
    let name = prop::sample::select(vec![
        "server_max_window_bits",
        "client_max_window_bits",
        "server_no_context_takeover",
        "client_no_context_takeover",
        "foo",
    ]);
    let value = prop_oneof![
        3 => Just(String::new()),
        3 => (0_u8..20).prop_map(|bits| format!("={bits}")),
        1 => (0_u8..20).prop_map(|bits| format!("=\"{bits}\"")),
        1 => "=[0-9a+\\-]{1,4}",
        1 => "=\"(\\\\?[0-9a]){1,3}\"",
        1 => "[ =\",;a0\\\\]{0,6}",
    ];
    (name, value).prop_map(|(name, value)| format!(";{name}{value}"))
}

fn any_line() -> impl Strategy<Value = Vec<u8>> {
    let extension = prop::collection::vec(any_parameter(), 0..5)
        .prop_map(|parameters| format!("permessage-deflate{}", parameters.concat()));
    prop_oneof![
        4 => prop::collection::vec(extension, 1..4).prop_map(|list| list.join(",").into_bytes()),
        1 => prop::collection::vec(any::<u8>(), 0..40),
    ]
}

proptest! {
    /// V10: the handshake has a result for any bytes as a value, without a panic.
    #[test]
    fn v10_any_bytes_as_a_value_do_not_panic(
        value in prop::collection::vec(any::<u8>(), 0..12),
        server in any::<bool>(),
        quoted in any::<bool>(),
    ) {
        let name = if server { "server_max_window_bits" } else { "client_max_window_bits" };
        let quote = if quoted { "\"" } else { "" };
        let line =
            [named(&format!("; {name}={quote}")).as_bytes(), &value, quote.as_bytes()].concat();
        let right = (8..=15).find(|bits: &u8| bits.to_string().as_bytes() == value);
        let answer = Deflate::default().answer([&line[..]]);
        let agreed = Deflate::default().agree([&line[..]]);
        if let Some(bits) = right {
            let answer = answer.unwrap().unwrap();
            prop_assert_eq!(answer.value(), named(&format!("; {name}={bits}")));
            prop_assert_eq!(
                terms(agreed.unwrap().unwrap()),
                if server { (bits, true, 15, true) } else { (15, true, bits, true) }
            );
        } else if !value.iter().any(|byte| b"\\ \t,;\"".contains(byte)) {
            prop_assert!(!matches!(answer, Ok(Some(_))), "{:?}", answer);
            prop_assert!(agreed.is_err());
        }
    }

    /// Every server of this crate answers every offer of its clients, and both ends have the same
    /// agreement.
    #[test]
    fn a_client_and_a_server_have_the_same_agreement(
        (client, _) in any_deflate(),
        (server, _) in any_deflate(),
    ) {
        let offer = client.offer();
        let answer = server.answer([offer.as_bytes()]).unwrap().unwrap();
        let agreement = client.agree([answer.value().as_bytes()]).unwrap().unwrap();
        prop_assert_eq!(terms(agreement), terms(answer.agreement()));
    }

    /// For any offer: the agreement respects the server's own settings, and is that of the
    /// response.
    #[test]
    fn an_agreement_never_exceeds_the_servers_settings(
        (deflate, own) in any_deflate(),
        lines in prop::collection::vec(any_line(), 0..3),
    ) {
        let Ok(Some(answer)) = deflate.answer(lines.iter().map(|line| &line[..])) else {
            return Ok(());
        };
        let terms = terms(answer.agreement());
        prop_assert_eq!(terms, terms_of(answer.value()));
        prop_assert!(terms.0 <= own.0 && terms.1 <= own.1 && terms.3 <= own.3, "{terms:?} {own:?}");
        // X10: the server must not limit a client that has not offered it.
        let asked = answer.value().contains("client_max_window_bits");
        prop_assert!(terms.2 <= own.2 || !asked, "{terms:?} {own:?}");
        prop_assert!(answer.agreement().encoder_window_bits().get() <= terms.0);
        // The field can be written.
        prop_assert!(AcceptOptions::new().field("X", answer.value()).is_ok());
        // A client whose offer is no wider than the server's limits accepts the response.
        let client = Deflate::default();
        prop_assert!(client.agree([answer.value().as_bytes()]).unwrap().is_some());
    }

    /// For any response: the client respects its own offer.
    #[test]
    fn an_agreement_never_exceeds_the_clients_offer(
        (deflate, own) in any_deflate(),
        line in any_line(),
    ) {
        let Ok(Some(agreement)) = deflate.agree([&line[..]]) else { return Ok(()) };
        let terms = terms(agreement);
        prop_assert!(terms.2 <= own.2 && terms.3 <= own.3, "{terms:?} {own:?}");
        let fallback = deflate.offer().contains(", ");
        prop_assert!(fallback || (terms.0 <= own.0 && terms.1 <= own.1), "{terms:?} {own:?}");
        prop_assert!(agreement.encoder_window_bits().get() <= terms.2);
    }

    /// A handshake over HTTP/1.1 has the same result as the functions.
    #[test]
    fn the_handshakes_agree_with_the_functions(
        (deflate, _) in any_deflate(),
        offer in any_line(),
        line in any_line(),
    ) {
        // The value of a field has no blanks at its ends, and visible characters only.
        if let Ok(offer) = core::str::from_utf8(&offer)
            && offer.bytes().all(|byte| byte.is_ascii_graphic())
        {
            let lines = Lines::request().with(FIELD, offer);
            let options = AcceptOptions::new().deflate(deflate);
            let served = serve_with(&lines.bytes(), &options);
            match deflate.answer([offer.as_bytes()]) {
                Ok(Some(answer)) => {
                    let field = format!("\r\n{FIELD}: {}\r\n", answer.value());
                    prop_assert!(served.text().contains(&field));
                }
                Ok(None) => prop_assert_eq!((served.status(), served.text().contains(FIELD)), (101, false)),
                Err(_) => prop_assert_eq!(served.status(), 400),
            }
        }
        if let Ok(line) = core::str::from_utf8(&line)
            && line.bytes().all(|byte| byte.is_ascii_graphic())
        {
            match (answered(Some(deflate), &[line]), deflate.agree([line.as_bytes()])) {
                (Ok(found), Ok(expected)) => prop_assert_eq!(found, expected),
                (Err(HandshakeError::Extensions(found, _)), Err(expected)) => {
                    prop_assert_eq!(found, expected);
                }
                (found, expected) => prop_assert!(false, "{found:?}, {expected:?}"),
            }
        }
    }
}
