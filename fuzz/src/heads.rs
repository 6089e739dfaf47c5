//! An opening handshake that receives any bytes. It must not panic or exceed a limit, and the
//! result, the response and the remaining bytes must not depend on the lengths of the reads. Shared
//! by the fuzz targets and the replay of their seeds.
//!
//! The first byte of the data chooses the settings, the second the lengths of the reads. The rest
//! is the peer's stream.

use bytes::BytesMut;
use sansocket::error::EntropyError;
use sansocket::handshake::{
    Accepted, ClientHandshake, Fields, HttpVersion, OriginPolicy, OwnedRequestHead, Refusal,
    RequestHead, ServerHandshake,
};
use sansocket::{AcceptOptions, Config, ConnectRequest, Entropy, Input, Instant};

const NOW: Instant = Instant::from_micros(0);

/// Checks a server that receives `data`.
#[allow(dead_code, reason = "each target uses one of the two")]
pub(crate) fn check_server(data: &[u8]) {
    check(data, |choice, stream, cut| {
        let (max_len, max_fields) = limits(choice);
        let config = Config::server().max_head_len(max_len).max_head_fields(max_fields);
        let config = config.build().expect("the settings are good");
        let options = AcceptOptions::new()
            .origins(if choice & 4 == 0 { OriginPolicy::SameHost } else { OriginPolicy::Any })
            .allow_missing_origin(choice & 8 == 0)
            .subprotocols(["chat", "superchat"])
            .expect("good names");
        let mut handshake = ServerHandshake::new(&config, NOW);
        feed(stream, cut, |input| {
            let before = input.len();
            let received = handshake.receive(input);
            assert!(before - input.len() <= max_len + 2, "more was taken than a head may be long");
            let head = match received {
                Ok(None) => return None,
                Err(refusal) => {
                    let mut out = BytesMut::new();
                    refusal.write(&mut out);
                    assert!(out.starts_with(b"HTTP/1.1 "));
                    return Some(format!("refused {out:?}"));
                }
                Ok(Some(head)) => head,
            };
            let fields: Vec<_> = head.fields().iter().collect();
            assert!(fields.len() <= max_fields, "more fields than allowed");
            let accepted = head.upgrade().and_then(|upgrade| upgrade.accept(&options));
            let mut out = BytesMut::new();
            match &accepted {
                Ok(accepted) => {
                    assert!(head.is_upgrade(), "accepted what asks for no upgrade");
                    accepted.write(&mut out);
                    assert!(out.starts_with(b"HTTP/1.1 101 "));
                }
                Err(refusal) => refusal.write(&mut out),
            }
            check_kept(&head, &options, &accepted);
            check_extended_connect(&head, &options);
            Some(format!("{} {} {fields:?} {out:?}", head.method(), head.target()))
        })
    });
}

/// Checks that a copy of a head gives the same result.
#[allow(dead_code, reason = "each target uses one of the two")]
fn check_kept(
    head: &OwnedRequestHead,
    options: &AcceptOptions,
    accepted: &Result<Accepted, Refusal>,
) {
    let kept = head.as_head().into_owned().into_upgrade();
    let kept = kept.and_then(|upgrade| upgrade.as_request().accept(options));
    match (accepted, &kept) {
        (Ok(a), Ok(b)) => {
            assert!(a.negotiated() == b.negotiated() && a.fields().eq(b.fields()));
        }
        (Err(a), Err(b)) => assert_eq!(a, b),
        _ => panic!("a copy is judged otherwise"),
    }
}

/// Checks the same fields over HTTP/2: each result can be sent there.
#[allow(dead_code, reason = "each target uses one of the two")]
fn check_extended_connect(head: &OwnedRequestHead, options: &AcceptOptions) {
    let fields: Vec<_> = head
        .fields()
        .iter()
        .filter(|(name, _)| {
            !["connection", "upgrade"].iter().any(|drop| name.eq_ignore_ascii_case(drop))
        })
        .collect();
    let authority = head.fields().get_str("Host").unwrap_or_default();
    let fields = Fields::new(&fields);
    let connect =
        RequestHead::extended_connect("websocket", "https", authority, head.target(), fields);
    for head in [connect, connect.with_protocol(None), head.as_head()] {
        let head = head.with_version(HttpVersion::Http2);
        let names: Vec<String> = match head.upgrade().and_then(|upgrade| upgrade.accept(options)) {
            Ok(accepted) => {
                assert!(head.is_upgrade() && accepted.status() == 200);
                accepted.fields().map(|(name, _)| name.to_owned()).collect()
            }
            Err(refusal) => {
                assert!(matches!(refusal.status(), 400..=599) && refusal.status() != 426);
                refusal.fields().map(|(name, _)| name.to_owned()).collect()
            }
        };
        for name in names {
            assert_eq!(name, name.to_ascii_lowercase());
            assert!(name != "upgrade" && name != "connection");
        }
    }
}

/// Checks a client that receives `data`.
#[allow(dead_code, reason = "each target uses one of the two")]
pub(crate) fn check_client(data: &[u8]) {
    check(data, |choice, stream, cut| {
        let (max_len, max_fields) = limits(choice);
        let config = Config::client(Entropy::from_fn(not_random));
        let config = config.max_head_len(max_len).max_head_fields(max_fields);
        let config = config.build().expect("the settings are good");
        let request = ConnectRequest::new("ws://localhost/chat").expect("a good URL");
        let request = request.subprotocols(["chat", "superchat"]).expect("good names");
        let mut out = BytesMut::new();
        let mut handshake =
            ClientHandshake::new(&request, &config, NOW, &mut out).expect("entropy is there");
        feed(stream, cut, |input| match handshake.receive(input) {
            Ok(None) => None,
            Ok(Some((connection, response))) => {
                assert_eq!(response.status(), 101);
                assert!(connection.is_open());
                Some(format!("open {:?}", response.fields().iter().collect::<Vec<_>>()))
            }
            // The received length of a refusal's body depends on the lengths of the reads.
            Err(error) => Some(format!("failed {error}")),
        })
    });
}

/// Runs the handshake with one read, with single bytes, and with reads of random lengths. All
/// results must be equal.
fn check(data: &[u8], run: impl Fn(u8, &[u8], &mut dyn FnMut() -> usize) -> (String, usize)) {
    let [choice, seed, stream @ ..] = data else { return };
    let whole = run(*choice, stream, &mut || usize::MAX);
    assert_eq!(whole, run(*choice, stream, &mut || 1), "cut into single bytes");
    let mut state = u32::from(*seed) | 1;
    let random = run(*choice, stream, &mut || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as usize % 40 + 1
    });
    assert_eq!(whole, random, "cut at random");
}

/// Feeds the stream in several reads until there is a result. Returns it with the number of bytes
/// taken.
fn feed(
    stream: &[u8],
    cut: &mut dyn FnMut() -> usize,
    mut receive: impl FnMut(&mut Input<'_>) -> Option<String>,
) -> (String, usize) {
    let mut at = 0;
    while at < stream.len() {
        let len = cut().min(stream.len() - at);
        let mut piece = stream[at..at + len].to_vec();
        let mut input = Input::new(NOW, &mut piece);
        let outcome = receive(&mut input);
        at += len - input.len();
        match outcome {
            Some(outcome) => return (outcome, at),
            None => assert!(input.is_empty(), "it waits, and leaves input"),
        }
    }
    ("waits".to_owned(), at)
}

fn limits(choice: u8) -> (usize, usize) {
    match choice & 3 {
        0 => (16 * 1024, 100),
        1 => (200, 100),
        2 => (16 * 1024, 5),
        _ => (1000, 10),
    }
}

/// Generates a constant nonce, so that a seed can contain its response.
#[allow(dead_code, reason = "each target uses one of the two")]
fn not_random(bytes: &mut [u8]) -> Result<(), EntropyError> {
    bytes.fill(0x5a);
    Ok(())
}
