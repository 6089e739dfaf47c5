//! permessage-deflate in the opening handshake (RFC 7692 sections 5 and 7.1).
#![cfg(feature = "deflate")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod common;

use common::head::{Lines, serve_with};
use sansocket::deflate::{Agreement, Deflate, DeflateOptions};
use sansocket::handshake::ExtensionError;
use sansocket::{AcceptOptions, Role};

const FIELD: &str = "Sec-WebSocket-Extensions";

/// What a server answers to field lines; its agreement keeps to the answer.
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

/// The same read out of an answer, in a way of its own.
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

fn client_limit(bits: u8) -> DeflateOptions {
    Deflate::options().client_max_window_bits(bits)
}

/// Puts the offer or answer `; {parameters}` together.
fn named(parameters: &str) -> String {
    format!("permessage-deflate{parameters}")
}

// ---------------------------------------------------------------- the server

#[test]
fn q8_q9_x6_x7_x9_x10_the_defaults_answers() {
    for (offered, answered) in [
        ("", ""),
        ("; server_no_context_takeover", "; server_no_context_takeover"),
        ("; client_no_context_takeover", "; client_no_context_takeover"),
        // Q8, N5: nothing more than was asked for.
        ("; client_max_window_bits", ""),
        // Q9: named wherever the offer gave it a value, so that it binds.
        ("; client_max_window_bits=8", "; client_max_window_bits=8"),
        ("; client_max_window_bits=9", "; client_max_window_bits=9"),
        ("; client_max_window_bits=\"9\"", "; client_max_window_bits=9"),
        ("; client_max_window_bits=\"\\9\"", "; client_max_window_bits=9"),
        ("; client_max_window_bits=\"1\\4\"", "; client_max_window_bits=14"),
        ("; client_max_window_bits=15", "; client_max_window_bits=15"),
        // X9, N9: named whenever it was offered.
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

/// Every way in which the parameters of an offer can be wrong: that offer is declined, the next
/// one is looked at.
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
    "; server_max_window_bits=264", // 8, if it were cut to a byte
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
    // X3, N3: duplicates, also where both say the same.
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
    // X3, N4: unknown; names are compared as they are.
    "; foo",
    "; foo=1",
    "; Server_No_Context_Takeover",
    "; server_max_window_bits=10; server_max_window_bit=10",
];

#[test]
fn x2_x3_x5_x8_n3_n4_n6_n8_q7_bad_offers_are_declined_and_the_next_is_looked_at() {
    for bad in BAD_OFFERS {
        let bad = named(bad);
        let default = Deflate::default();
        assert_eq!(answer(default, &[&bad]), None, "{bad}");
        // N1: the next one, in the same line or in another.
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
        // X2: the client's order, over all lines.
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

/// Lines that break the grammar, alone or among others.
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
        // Wherever it lies; an empty line alone is no breach beside others.
        let lines = [b"permessage-deflate", bad.as_bytes()];
        let alone = bad.trim_matches([' ', ',']).is_empty();
        assert_eq!(default.answer(lines).is_ok(), alone, "{bad}");
        assert_eq!(default.agree([bad.as_bytes()]), Err(ExtensionError::Grammar), "{bad}");
        // As a handshake, whether the server would compress or not.
        for options in [AcceptOptions::new(), AcceptOptions::new().deflate(default)] {
            let served = serve_with(&Lines::request().with(FIELD, bad).bytes(), &options);
            assert_eq!(served.status(), 400, "{bad}");
        }
    }
}

/// ASP.NET's answers to these offers with ServerMaxWindowBits 14 and without context takeover of
/// the server, but for what RFC 7692 doesn't leave to the server, and the order.
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
    // With the switch also the one that RFC 7692 wants declined.
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
    // In an answer it stays wrong.
    let bare = named("; server_max_window_bits");
    let wrong = ExtensionError::InvalidValue("server_max_window_bits");
    assert_eq!(deflate.agree([bare.as_bytes()]), Err(wrong));
}

#[test]
fn x7_x10_limits_of_the_client_as_a_server_wants_them() {
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
    // X10: it must not be answered unless it was offered.
    assert_eq!(answer(wish, &["permessage-deflate"]), Some(named("")));
    assert_eq!(answer(condition, &["permessage-deflate"]), None);
    let both = ["permessage-deflate", "permessage-deflate; client_max_window_bits"];
    assert_eq!(answer(wish, &both), Some(named("")));
    assert_eq!(answer(condition, &both), Some(named("; client_max_window_bits=10")));
    // X7: this one may be answered unasked.
    let deflate = Deflate::options().client_context_takeover(false).require_limits(true);
    let deflate = deflate.build().unwrap();
    let answered = answer(deflate, &["permessage-deflate"]);
    assert_eq!(answered, Some(named("; client_no_context_takeover")));
}
