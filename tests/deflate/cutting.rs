//! The results of a compressed message do not depend on the splits of its bytes into reads, in
//! particular if it fails: the same events, the same error, the same Close frame.

use proptest::prelude::*;
use sansocket::Role;
use sansocket::config::Delivery;
use sansocket::connection::OwnedEvent;
use sansocket::deflate::{Encoder, Engine, Level, WindowBits};
use sansocket::error::{LimitError, PeerError, ProtocolError};

use crate::common::deflate::{Foreign, RSV1, Terms, noise};
use crate::common::frame::{BINARY, CONT, TEXT};
use crate::common::{BOTH, Frame, entropy, preset, split_bytes};

const ENGINES: &[Engine] = &[
    Engine::Native,
    #[cfg(feature = "miniz_oxide")]
    Engine::MinizOxide,
];

// ---------------------------------------------------------------- inputs

/// A compressed message, mostly with a fault in it.
#[derive(Clone, Debug)]
struct Sent {
    text: bool,
    payload: Vec<u8>,
    /// The places that split the payload into fragments; pings are sent between them.
    cuts: Vec<prop::sample::Index>,
    pings: bool,
}

/// The content of a message before compression: a text, a text with an invalid byte, or any bytes.
fn content() -> impl Strategy<Value = Vec<u8>> {
    let text = prop_oneof![
        3 => ".{0,60}",
        2 => "[a-z ]{0,200}",
        1 => (0..60_000_usize).prop_map(|n| "a\u{20ac}".repeat(n / 4)),
        1 => (16_300..16_500_usize).prop_map(|n| "x".repeat(n)),
    ];
    let bad = prop_oneof![
        6 => Just(&b""[..]),
        1 => Just(&b"\xff"[..]),
        1 => Just(&b"\xe2\x82"[..]),
        1 => Just(&b"\xf0\x9f\x98 and more"[..]),
        1 => Just(&b"\xed\xa0\x80"[..]),
    ];
    prop_oneof![
        4 => (text, bad, any::<prop::sample::Index>()).prop_map(|(text, bad, at)| {
            let mut bytes = text.into_bytes();
            let at = at.index(bytes.len() + 1);
            drop(bytes.splice(at..at, bad.iter().copied()));
            bytes
        }),
        1 => (0..3000_usize, any::<u64>()).prop_map(|(n, seed)| noise(n, seed)),
    ]
}

#[derive(Clone, Debug)]
enum Fault {
    None,
    /// An inverted bit, counted from the end or from the beginning.
    Flip(prop::sample::Index),
    Truncated(prop::sample::Index),
    /// Bytes after the message.
    More(Vec<u8>),
    /// These bytes alone.
    Only(Vec<u8>),
}

fn fault() -> impl Strategy<Value = Fault> {
    let bytes = || prop::collection::vec(any::<u8>(), 1..40);
    prop_oneof![
        2 => Just(Fault::None),
        4 => any::<prop::sample::Index>().prop_map(Fault::Flip),
        2 => any::<prop::sample::Index>().prop_map(Fault::Truncated),
        2 => bytes().prop_map(Fault::More),
        2 => bytes().prop_map(Fault::Only),
    ]
}

fn sent() -> impl Strategy<Value = Sent> {
    (
        any::<bool>(),
        content(),
        any::<bool>(),
        fault(),
        prop::collection::vec(any::<prop::sample::Index>(), 0..3),
        any::<bool>(),
    )
        .prop_map(|(text, content, foreign, fault, cuts, pings)| {
            let mut payload = if foreign {
                Foreign::new().payload(&content)
            } else {
                let mut payload = bytes::BytesMut::new();
                Encoder::new(WindowBits::MAX, Level::Fast, false).part(
                    &content,
                    true,
                    &mut payload,
                );
                payload.to_vec()
            };
            match fault {
                Fault::None => {}
                Fault::Flip(at) => {
                    if !payload.is_empty() {
                        let bit = at.index(8 * payload.len());
                        payload[bit / 8] ^= 1 << (bit % 8);
                    }
                }
                Fault::Truncated(at) => payload.truncate(at.index(payload.len() + 1)),
                Fault::More(bytes) => payload.extend(bytes),
                Fault::Only(bytes) => payload = bytes,
            }
            Sent { text, payload, cuts, pings }
        })
}

/// The bytes for a receiver of `role`.
fn wire(role: Role, messages: &[Sent]) -> Vec<u8> {
    let mut wire = Vec::new();
    for Sent { text, payload, cuts, pings } in messages {
        let fragments = split_bytes(payload, cuts);
        for (i, fragment) in fragments.iter().enumerate() {
            let (opcode, rsv) = match (i, text) {
                (0, true) => (TEXT, RSV1),
                (0, false) => (BINARY, RSV1),
                _ => (CONT, 0),
            };
            let last = i + 1 == fragments.len();
            wire.extend(Frame::new(opcode, fragment).rsv(rsv).fin(last).to(role).bytes());
            if *pings && !last {
                wire.extend(Frame::ping("?").to(role).bytes());
            }
        }
    }
    wire
}

// ---------------------------------------------------------------- runs

/// An event; consecutive parts of a message are one.
#[derive(Clone, Debug, PartialEq)]
enum Seen {
    Message(Vec<u8>),
    Part { data: Vec<u8>, start: bool, end: bool },
    Other(OwnedEvent),
}

#[derive(Clone, Debug, PartialEq)]
struct Outcome {
    events: Vec<Seen>,
    error: Option<ProtocolError>,
    /// With the Close frame.
    out: Vec<u8>,
}

fn run(terms: Terms, role: Role, limit: u64, delivery: Delivery, chunks: &[&[u8]]) -> Outcome {
    let config = preset(role).max_message_len(limit).delivery(delivery).build().unwrap();
    entropy::reseed(11);
    let mut end = terms.end(role, &config);
    let error = chunks.iter().find_map(|chunk| end.feed(chunk).err());
    let mut events = Vec::new();
    for event in end.take_events() {
        match event {
            OwnedEvent::Message(data) => {
                events.push(Seen::Message(data.as_data().as_bytes().to_vec()));
            }
            OwnedEvent::Part { data, start, end } => {
                let data = data.as_data().as_bytes();
                if !start
                    && let Some(Seen::Part { data: before, end: before_end @ false, .. }) =
                        events.last_mut()
                {
                    before.extend_from_slice(data);
                    *before_end = end;
                } else {
                    events.push(Seen::Part { data: data.to_vec(), start, end });
                }
            }
            other => events.push(Seen::Other(other)),
        }
    }
    // An empty part before an error has no meaning.
    if error.is_some()
        && matches!(events.last(), Some(Seen::Part { data, end: false, .. }) if data.is_empty())
    {
        events.pop();
    }
    Outcome { events, error, out: end.out.to_vec() }
}

/// Asserts that all splits have the same result, in both deliveries, and returns that of parts.
fn same_however_cut(
    terms: Terms,
    role: Role,
    limit: u64,
    wire: &[u8],
    cuts: &[prop::sample::Index],
) -> Result<Outcome, TestCaseError> {
    let cut = split_bytes(wire, cuts);
    let bytewise: Vec<&[u8]> = wire.chunks(1).collect();
    let by_seven: Vec<&[u8]> = wire.chunks(7).collect();
    let [complete, parts] = [Delivery::Whole, Delivery::Parts].map(|delivery| {
        let expected = run(terms, role, limit, delivery, &[wire]);
        for chunks in [&cut, &bytewise, &by_seven] {
            let outcome = run(terms, role, limit, delivery, chunks);
            prop_assert_eq!(&outcome, &expected, "{:?} in {} chunks", delivery, chunks.len());
        }
        Ok(expected)
    });
    let (complete, parts) = (complete?, parts?);
    prop_assert_eq!(complete.error, parts.error, "in both deliveries");
    prop_assert_eq!(&complete.out, &parts.out);
    Ok(parts)
}

/// `PROPTEST_CASES` can increase the number.
fn cases(cases: u32) -> ProptestConfig {
    match std::env::var_os("PROPTEST_CASES") {
        Some(_) => ProptestConfig::default(),
        None => ProptestConfig::with_cases(cases),
    }
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn a_failing_compressed_message_has_the_same_result_however_it_is_split(
        role in prop_oneof![Just(Role::Client), Just(Role::Server)],
        messages in prop::collection::vec(sent(), 1..4),
        bits in prop::sample::select(vec![8_u8, 9, 15]),
        takeover in any::<bool>(),
        limit in prop::sample::select(vec![1_u64, 7, 50, 1000, 16_383, 16_384, 20_000, 1 << 20]),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let wire = wire(role, &messages);
        for &engine in ENGINES {
            let terms = Terms { engine, ..Terms::DEFAULT }.bits(bits).takeover(takeover);
            same_however_cut(terms, role, limit, &wire, &cuts)?;
        }
    }
}

// ---------------------------------------------------------------- examples

/// A stored block, in which each byte of the output is a byte of the input.
fn stored(bytes: &[u8]) -> Vec<u8> {
    let len = bytes.len() as u16;
    [&[0][..], &len.to_le_bytes(), &(!len).to_le_bytes(), bytes].concat()
}

/// The faults of a message in the order of its stream: the first one is reported. In parts, all
/// bytes before it are returned.
#[test]
fn the_first_fault_of_a_message_is_reported() {
    const CORRUPT: ProtocolError = ProtocolError::Peer(PeerError::CorruptDeflate);
    const UTF8: ProtocolError = ProtocolError::Peer(PeerError::InvalidUtf8);
    const LONG: ProtocolError = ProtocolError::Limit(LimitError::MessageTooLong);
    let block_type_3 = [0x07];
    let limit = 10;
    for (payload, before, error) in [
        // Corrupt after an invalid byte, and before it.
        ([&stored(b"abc\xffd")[..], &block_type_3].concat(), "abc", UTF8),
        ([&stored(b"abc")[..], &block_type_3, b"\xff"].concat(), "abc", CORRUPT),
        // Too long after an invalid byte, and before it.
        (stored(b"abc\xffdefghijklmn"), "abc", UTF8),
        (stored(b"abcdefghijk\xff"), "abcdefghij", LONG),
        // The limit splits a character, which is no fault.
        (stored("abcdefghi\u{20ac}".as_bytes()), "abcdefghi", LONG),
        // Corrupt and too long.
        ([&stored(b"abcdefghijk")[..], &block_type_3].concat(), "abcdefghij", LONG),
        ([&stored(b"abcdefghij")[..], &block_type_3].concat(), "abcdefghij", CORRUPT),
        // It ends inside a character, and inside a block.
        (stored(b"abc\xe2\x82")[..9].to_vec(), "abc", CORRUPT),
        ([&stored(b"abc\xe2\x82")[..], &[0]].concat(), "abc", UTF8),
    ] {
        for role in BOTH {
            for &engine in ENGINES {
                let terms = Terms { engine, ..Terms::DEFAULT };
                let wire = Frame::text(&payload).rsv(RSV1).to(role).bytes();
                let outcome = same_however_cut(terms, role, limit, &wire, &[]).unwrap();
                assert_eq!(outcome.error, Some(error), "{payload:x?} {engine:?}");
                let part = Seen::Part { data: before.into(), start: true, end: false };
                assert_eq!(outcome.events, [part], "{payload:x?} {engine:?}");
            }
        }
    }
}
