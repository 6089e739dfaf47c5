//! Properties: the events are the same for any split of the input, any receiving call and either
//! delivery, and are those of the reference model; the output of one role is valid input of the
//! other.

use proptest::prelude::*;
use sansocket::config::Delivery;
use sansocket::connection::OwnedEvent;
use sansocket::error::ProtocolError;
use sansocket::message::{Data, MessageKind, OwnedCloseFrame, OwnedData, SendOptions};
use sansocket::{CloseCode, Prepared, Role};

use crate::common::frame::{CLOSE, LenForm, sent};
use crate::common::{BOTH, End, Frame, at_ms, entropy, model, preset, split_bytes};

/// `PROPTEST_CASES` sets a higher number.
fn cases(cases: u32) -> ProptestConfig {
    match std::env::var_os("PROPTEST_CASES") {
        Some(_) => ProptestConfig::default(),
        None => ProptestConfig::with_cases(cases),
    }
}

// ---------------------------------------------------------------- inputs

/// An element of the output of a peer.
#[derive(Clone, Debug)]
enum Item {
    /// A complete message in fragments, with control frames between them.
    Message {
        text: bool,
        fragments: Vec<Vec<u8>>,
        between: Vec<Frame>,
    },
    Control(Frame),
    /// A frame of any kind, mostly illegal at its position.
    Any {
        frame: Frame,
        other_mask: bool,
    },
    Garbage(Vec<u8>),
}

fn payload() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        8 => prop::collection::vec(any::<u8>(), 0..40),
        4 => ".{0,20}".prop_map(String::into_bytes),
        1 => (100..140_usize, any::<u8>()).prop_map(|(n, byte)| vec![byte; n]),
        1 => (65_520..65_560_usize).prop_map(|n| vec![b'x'; n]),
    ]
}

/// A text, split at any byte into fragments; sometimes invalid UTF-8.
fn text_fragments() -> impl Strategy<Value = Vec<Vec<u8>>> {
    (
        prop_oneof![
            9 => ".{0,30}".prop_map(String::into_bytes),
            1 => prop::collection::vec(any::<u8>(), 0..10),
        ],
        prop::collection::vec(any::<prop::sample::Index>(), 0..4),
    )
        .prop_map(|(text, cuts)| split_bytes(&text, &cuts).iter().map(|p| p.to_vec()).collect())
}

fn control() -> impl Strategy<Value = Frame> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..126).prop_map(Frame::ping),
        prop::collection::vec(any::<u8>(), 0..126).prop_map(Frame::pong),
    ]
}

fn close() -> impl Strategy<Value = Frame> {
    prop_oneof![
        4 => (1000..1016_u16, ".{0,10}").prop_map(|(code, reason)| Frame::close(code, reason)),
        1 => (any::<u16>(), ".{0,10}").prop_map(|(code, reason)| Frame::close(code, reason)),
        1 => prop::collection::vec(any::<u8>(), 0..5).prop_map(Frame::close_raw),
    ]
}

fn any_frame() -> impl Strategy<Value = Frame> {
    (
        0..16_u8,
        any::<bool>(),
        prop_oneof![6 => Just(0), 1 => 0..8_u8],
        payload(),
        prop_oneof![
            6 => Just(LenForm::Minimal),
            1 => Just(LenForm::Bits16),
            1 => Just(LenForm::Bits64)
        ],
        prop::option::weighted(0.1, any::<u64>()),
    )
        .prop_map(|(opcode, fin, rsv, payload, form, announced)| {
            let form = if payload.len() > 65_535 { LenForm::Minimal } else { form };
            let frame = Frame::new(opcode, payload).fin(fin).rsv(rsv).len_form(form);
            match announced {
                Some(len) => frame.announce(len).len_form(LenForm::Bits64),
                None => frame,
            }
        })
}

fn item() -> impl Strategy<Value = Item> {
    prop_oneof![
        6 => (
            prop_oneof![
                text_fragments().prop_map(|fragments| (true, fragments)),
                prop::collection::vec(payload(), 1..4).prop_map(|fragments| (false, fragments)),
            ],
            prop::collection::vec(control(), 0..3)
        )
            .prop_map(|((text, fragments), between)| Item::Message { text, fragments, between }),
        2 => control().prop_map(Item::Control),
        1 => (any_frame(), prop::bool::weighted(0.1))
            .prop_map(|(frame, other_mask)| Item::Any { frame, other_mask }),
        1 => close().prop_map(Item::Control),
        1 => prop::collection::vec(any::<u8>(), 0..20).prop_map(Item::Garbage),
    ]
}

/// Bytes for a receiver of `role`; sometimes the last ones are missing.
fn wire(role: Role, items: &[Item], keys: &mut u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut push = |bytes: &mut Vec<u8>, frame: &Frame, other_mask: bool| {
        *keys = keys.wrapping_mul(0x9e37_79b9).wrapping_add(0x1234_5677);
        let role = if other_mask { role.peer() } else { role };
        bytes.extend(match role {
            Role::Server => frame.clone().key(keys.to_be_bytes()).bytes(),
            Role::Client => frame.clone().unmasked().bytes(),
        });
    };
    for item in items {
        match item {
            Item::Message { text, fragments, between } => {
                let mut between = between.iter();
                for (i, fragment) in fragments.iter().enumerate() {
                    let opcode = match (i, text) {
                        (0, true) => 1,
                        (0, false) => 2,
                        _ => 0,
                    };
                    push(
                        &mut bytes,
                        &Frame::new(opcode, fragment).fin(i + 1 == fragments.len()),
                        false,
                    );
                    if i + 1 < fragments.len()
                        && let Some(control) = between.next()
                    {
                        push(&mut bytes, control, false);
                    }
                }
            }
            Item::Control(frame) => push(&mut bytes, frame, false),
            Item::Any { frame, other_mask } => push(&mut bytes, frame, *other_mask),
            Item::Garbage(garbage) => bytes.extend(garbage),
        }
    }
    bytes
}

fn role() -> impl Strategy<Value = Role> {
    prop_oneof![Just(Role::Client), Just(Role::Server)]
}

fn limit() -> impl Strategy<Value = u64> {
    prop_oneof![Just(1), Just(5), Just(30), Just(126), Just(65_536), Just(16 << 20)]
}

prop_compose! {
    /// The role of a receiver, its limit, the bytes, and the positions of the splits.
    fn input()(
        role in role(),
        limit in limit(),
        items in prop::collection::vec(item(), 1..6),
        mut keys in any::<u32>(),
        missing in prop_oneof![3 => Just(0), 1 => 0..30_usize],
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) -> (Role, u64, Vec<u8>, Vec<prop::sample::Index>) {
        let mut bytes = wire(role, &items, &mut keys);
        bytes.truncate(bytes.len().saturating_sub(missing));
        (role, limit, bytes, cuts)
    }
}

// ---------------------------------------------------------------- runs

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    Receive,
    /// Without seeking.
    WithoutSeek,
    Owned,
    /// Large frames are read directly where possible.
    Direct,
}

/// The outcome of an input.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Outcome {
    events: Vec<OwnedEvent>,
    out: Vec<u8>,
    error: Option<ProtocolError>,
}

fn run(role: Role, limit: u64, delivery: Delivery, call: Call, chunks: &[&[u8]]) -> Outcome {
    let config = preset(role).max_message_len(limit).delivery(delivery).build().unwrap();
    entropy::reseed(11);
    let mut end = End::new(role, &config);
    let mut error = None;
    for chunk in chunks {
        let mut chunk = *chunk;
        if call == Call::Direct {
            while !chunk.is_empty()
                && let Some(room) = end.conn.direct_room(&mut end.inbox)
            {
                let n = room.len().min(chunk.len());
                room[..n].copy_from_slice(&chunk[..n]);
                end.conn.received_direct(n, at_ms(0), &mut end.inbox);
                chunk = &chunk[n..];
                end.feed(&[]).expect("binary data is never wrong");
            }
        }
        let result = match call {
            Call::Receive | Call::Direct => end.feed(chunk),
            Call::WithoutSeek => end.feed_without_seek(chunk),
            Call::Owned => end.feed_owned(chunk),
        };
        if let Err(seen) = result {
            assert_eq!(*error.get_or_insert(seen), seen);
        }
    }
    Outcome { events: end.events, out: end.out.to_vec(), error }
}

/// Adjacent parts of one message become one; an empty one before an error is removed.
fn merged(mut outcome: Outcome) -> Outcome {
    let mut events: Vec<OwnedEvent> = Vec::new();
    for event in outcome.events {
        if let OwnedEvent::Part { data, start: false, end } = &event
            && let Some(OwnedEvent::Part { data: before, end: before_end @ false, .. }) =
                events.last_mut()
        {
            *before = joined(before, data);
            *before_end = *end;
        } else {
            events.push(event);
        }
    }
    if outcome.error.is_some()
        && let Some(OwnedEvent::Part { data, end: false, .. }) = events.last()
        && data.as_data().as_bytes().is_empty()
    {
        events.pop();
    }
    outcome.events = events;
    outcome
}

fn joined(a: &OwnedData, b: &OwnedData) -> OwnedData {
    match (a, b) {
        (OwnedData::Text(a), OwnedData::Text(b)) => {
            OwnedData::text([a.as_str(), b.as_str()].concat())
        }
        (OwnedData::Binary(a), OwnedData::Binary(b)) => {
            OwnedData::binary([&a[..], &b[..]].concat())
        }
        _ => panic!("a message of two kinds"),
    }
}

/// The messages that the parts form, at the positions of their ends, and the unfinished one.
fn assembled(events: &[OwnedEvent]) -> (Vec<OwnedEvent>, Option<OwnedData>) {
    let (mut complete, mut current) = (Vec::new(), None);
    for event in events {
        let OwnedEvent::Part { data, start, end } = event else {
            complete.push(event.clone());
            continue;
        };
        assert_eq!(*start, current.is_none(), "start");
        let message = current.take().map_or_else(|| data.clone(), |before| joined(&before, data));
        if *end {
            complete.push(OwnedEvent::Message(message));
        } else {
            current = Some(message);
        }
    }
    (complete, current)
}

fn replies(role: Role, out: &[u8]) -> Vec<(u8, Vec<u8>)> {
    sent(role, out).into_iter().map(|frame| (frame.opcode, frame.payload)).collect()
}

proptest! {
    #![proptest_config(cases(400))]

    #[test]
    fn any_split_of_the_input_gives_the_same_events_in_both_deliveries_and_by_every_call(
        (role, limit, bytes, cuts) in input()
    ) {
        let expected = model::receive(role, limit, &bytes);
        let error = expected.error.map(|(_, error)| error);
        let cut = split_bytes(&bytes, &cuts);
        let singly: Vec<&[u8]> = bytes.chunks(1).collect();
        let singly = if bytes.len() < 2000 { &singly[..] } else { &cut[..] };
        let unfinished =
            expected.unfinished.filter(|message| !message.as_data().as_bytes().is_empty());

        let mut first = None;
        for call in [Call::Receive, Call::WithoutSeek, Call::Owned, Call::Direct] {
            for chunks in [&[&bytes[..]][..], &cut[..], singly] {
                let outcome = run(role, limit, Delivery::Whole, call, chunks);
                prop_assert_eq!(&outcome.events, &expected.events, "{:?}", call);
                prop_assert_eq!(outcome.error, error);
                prop_assert_eq!(replies(role, &outcome.out), expected.replies.clone());
                let out = &*first.get_or_insert_with(|| outcome.out.clone());
                prop_assert_eq!(&outcome.out, out, "the same bytes, keys and all");

                let parts = merged(run(role, limit, Delivery::Parts, call, chunks));
                prop_assert_eq!(parts.error, error);
                prop_assert_eq!(&parts.out, out);
                let (messages, left) = assembled(&parts.events);
                prop_assert_eq!(&messages, &expected.events);
                let left = left.filter(|message| !message.as_data().as_bytes().is_empty());
                prop_assert_eq!(&left, &unfinished);
            }
        }
        let reference = merged(run(role, limit, Delivery::Parts, Call::Receive, &[&bytes]));
        for chunks in [&cut[..], singly] {
            let parts = merged(run(role, limit, Delivery::Parts, Call::Receive, chunks));
            prop_assert_eq!(&parts, &reference);
            let owned = merged(run(role, limit, Delivery::Parts, Call::Owned, chunks));
            prop_assert_eq!(&owned, &reference);
        }
    }

    /// Arbitrary bytes, mostly refused at the first.
    #[test]
    fn garbage_gives_the_outcome_of_the_model(
        role in role(),
        bytes in prop::collection::vec(any::<u8>(), 0..60),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..4),
    ) {
        let expected = model::receive(role, 1000, &bytes);
        for chunks in [vec![&bytes[..]], split_bytes(&bytes, &cuts)] {
            let outcome = run(role, 1000, Delivery::Whole, Call::Receive, &chunks);
            prop_assert_eq!(&outcome.events, &expected.events);
            prop_assert_eq!(outcome.error, expected.error.map(|(_, error)| error));
            prop_assert_eq!(replies(role, &outcome.out), expected.replies.clone());
        }
    }

    /// `End::feed` compares each call of `receive` with the result of `seek`; this test does so for
    /// every prefix of every remaining input, with a second connection that never seeks.
    #[test]
    fn seek_fulfils_its_contract_on_every_prefix(
        role in role(),
        items in prop::collection::vec(item(), 1..3),
        mut keys in any::<u32>(),
        parts in any::<bool>(),
    ) {
        let mut bytes = wire(role, &items, &mut keys);
        bytes.truncate(50);
        let delivery = if parts { Delivery::Parts } else { Delivery::Whole };
        let config = preset(role).max_message_len(40).delivery(delivery).build().unwrap();
        for fed in 0..=bytes.len() {
            for prefix in fed..=bytes.len() {
                let (mut end, mut twin) = (End::new(role, &config), End::new(role, &config));
                entropy::reseed(11);
                let results = (end.feed(&bytes[..fed]), end.feed(&bytes[fed..prefix]));
                entropy::reseed(11);
                let unsought =
                    (twin.feed_without_seek(&bytes[..fed]), twin.feed_without_seek(&bytes[fed..prefix]));
                prop_assert_eq!(results, unsought);
                prop_assert_eq!(end.events, twin.events);
                prop_assert_eq!(end.out, twin.out);
            }
        }
    }
}

// ---------------------------------------------------------------- outputs

/// A form of sending.
#[derive(Clone, Debug)]
enum Send {
    Text(String),
    Binary(Vec<u8>),
    /// In frames of at most this number of bytes.
    Fragments(bool, Vec<u8>, usize),
    /// In parts, some of them empty, with a ping after each.
    Parts(Vec<Vec<u8>>, Option<usize>),
    TextParts(Vec<String>),
    Prepared(bool, Vec<u8>),
    /// By a server: header and payload separately.
    Apart(bool, Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
}

fn letters() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        8 => prop::collection::vec(b'a'..=b'z', 0..300),
        1 => (65_530..65_540_usize).prop_map(|n| vec![b'l'; n]),
    ]
}

fn send() -> impl Strategy<Value = Send> {
    prop_oneof![
        ".{0,200}".prop_map(Send::Text),
        payload().prop_map(Send::Binary),
        (any::<bool>(), letters(), 1..400_usize).prop_map(|(t, b, n)| Send::Fragments(t, b, n)),
        (prop::collection::vec(payload(), 1..5), prop::option::of(1..50_usize))
            .prop_map(|(parts, max)| Send::Parts(parts, max)),
        prop::collection::vec(".{0,20}", 1..5).prop_map(Send::TextParts),
        (any::<bool>(), letters()).prop_map(|(t, b)| Send::Prepared(t, b)),
        (any::<bool>(), letters()).prop_map(|(t, b)| Send::Apart(t, b)),
        prop::collection::vec(any::<u8>(), 0..126).prop_map(Send::Ping),
        prop::collection::vec(any::<u8>(), 0..126).prop_map(Send::Pong),
    ]
}

fn message(text: bool, bytes: &[u8]) -> OwnedEvent {
    OwnedEvent::Message(if text {
        OwnedData::text(String::from_utf8(bytes.to_vec()).unwrap())
    } else {
        OwnedData::binary(bytes.to_vec())
    })
}

fn data(text: bool, bytes: &[u8]) -> Data<'_> {
    if text { Data::Text(core::str::from_utf8(bytes).unwrap()) } else { Data::Binary(bytes) }
}

/// Sends all of them; returns the events that the other end must receive.
fn send_all(end: &mut End, sends: &[Send]) -> Vec<OwnedEvent> {
    let mut expected = Vec::new();
    let (conn, out) = (&mut end.conn, &mut end.out);
    let one_frame = SendOptions::new();
    for send in sends {
        match send {
            Send::Text(text) => {
                conn.send_text(text, out).unwrap();
                expected.push(message(true, text.as_bytes()));
            }
            Send::Binary(bytes) => {
                conn.send_binary(bytes, out).unwrap();
                expected.push(message(false, bytes));
            }
            Send::Fragments(text, bytes, max) => {
                let options = one_frame.max_frame_len((*max).try_into().unwrap());
                conn.send(data(*text, bytes), options, out).unwrap();
                expected.push(message(*text, bytes));
            }
            Send::Parts(parts, max) => {
                let options =
                    max.map_or(one_frame, |max| one_frame.max_frame_len(max.try_into().unwrap()));
                for (i, part) in parts.iter().enumerate() {
                    let last = i + 1 == parts.len();
                    conn.send_part(Data::Binary(part), last, options, out).unwrap();
                    if !last {
                        conn.send_ping(b"between", out).unwrap();
                        expected.push(OwnedEvent::Ping("between".into()));
                    }
                }
                expected.push(message(false, &parts.concat()));
            }
            Send::TextParts(parts) => {
                for part in parts {
                    conn.send_part(Data::Text(part), false, one_frame, out).unwrap();
                }
                conn.send_part(Data::Text(""), true, one_frame, out).unwrap();
                expected.push(message(true, parts.concat().as_bytes()));
            }
            Send::Prepared(text, bytes) => {
                conn.send_prepared(&Prepared::new(data(*text, bytes)), out).unwrap();
                expected.push(message(*text, bytes));
            }
            Send::Apart(text, bytes) => {
                if conn.role() == Role::Server {
                    let kind = if *text { MessageKind::Text } else { MessageKind::Binary };
                    let head = conn.frame_head(kind, bytes.len()).unwrap();
                    // Written as [out, head, payload].
                    out.extend_from_slice(head.as_bytes());
                    out.extend_from_slice(bytes);
                    expected.push(message(*text, bytes));
                }
            }
            Send::Ping(bytes) => {
                conn.send_ping(bytes, out).unwrap();
                expected.push(OwnedEvent::Ping(bytes.clone().into()));
            }
            Send::Pong(bytes) => {
                conn.send_pong(bytes, out).unwrap();
                expected.push(OwnedEvent::Pong(bytes.clone().into()));
            }
        }
    }
    expected
}

proptest! {
    #![proptest_config(cases(200))]

    #[test]
    fn f1_f2_the_output_of_one_role_is_valid_input_of_the_other(
        role in role(),
        sends in prop::collection::vec(send(), 0..8),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
        (code, reason) in (prop::sample::select(vec![1000, 1001, 1005, 3000, 4999]), ".{0,20}"),
        stats in any::<bool>(),
    ) {
        entropy::reseed(3);
        let config = preset(role).max_unsent(usize::MAX).build().unwrap();
        let mut sender = End::new(role, &config);
        if stats {
            // The slow path of sending gives the same output.
            sender.conn.enable_stats();
        }
        let mut expected = send_all(&mut sender, &sends);
        let reason = if code == 1005 { String::new() } else { reason };
        sender.conn.close(CloseCode::new(code), &reason, at_ms(0), &mut sender.out).unwrap();
        expected.push(OwnedEvent::Close((code != 1005).then(|| OwnedCloseFrame {
            code: CloseCode::new(code),
            reason: reason.into(),
        })));
        let bytes = sender.take_out();

        let seen = model::receive(role.peer(), 16 << 20, &bytes);
        prop_assert_eq!(seen.error, None);
        prop_assert_eq!(&seen.events, &expected);
        for chunks in [vec![&bytes[..]], split_bytes(&bytes, &cuts)] {
            for delivery in [Delivery::Whole, Delivery::Parts] {
                let outcome = run(role.peer(), 16 << 20, delivery, Call::Receive, &chunks);
                prop_assert_eq!(outcome.error, None);
                let (events, left) = assembled(&outcome.events);
                prop_assert_eq!(&events, &expected);
                prop_assert_eq!(left, None);
                // And in the other direction: the replies are valid input, too.
                sender.events.clear();
                let mut back = End::new(role, &config);
                back.conn.close(CloseCode::NORMAL, "", at_ms(0), &mut back.out).unwrap();
                back.feed(&outcome.out).unwrap();
                prop_assert!(back.conn.is_closed());
            }
        }
    }

    /// The Close frames of errors are valid input of the peer, and have the close code of the
    /// error.
    #[test]
    fn c7_the_close_frame_of_an_error_is_valid_input((role, limit, bytes, cuts) in input()) {
        let outcome = run(role, limit, Delivery::Whole, Call::Receive, &split_bytes(&bytes, &cuts));
        let mut peer = End::preset(role.peer());
        peer.feed(&outcome.out).unwrap();
        if let Some(error) = outcome.error {
            let last = sent(role, &outcome.out).pop().unwrap();
            prop_assert_eq!(last.opcode, CLOSE);
            prop_assert_eq!(&last.payload[..], &error.close_code().value().to_be_bytes()[..]);
            prop_assert!(peer.conn.is_closed());
        }
    }
}

#[test]
fn large_messages_are_the_same_with_and_without_direct_reads() {
    for role in BOTH {
        let payload: Vec<u8> = (0..3_000_000_u32).map(|i| ((i * 7) >> 3) as u8).collect();
        let half = payload.len() / 2;
        let frames: Vec<u8> = [
            Frame::binary(&payload[..half]).not_fin(),
            Frame::ping("p"),
            Frame::cont(&payload[half..]),
            Frame::text("x"),
        ]
        .into_iter()
        .flat_map(|frame| frame.to(role).bytes())
        .collect();
        let mut outcomes = Vec::new();
        for call in [Call::Receive, Call::WithoutSeek, Call::Owned, Call::Direct] {
            for chunk_len in [1500, 16_384, 1 << 20] {
                let chunks: Vec<&[u8]> = frames.chunks(chunk_len).collect();
                outcomes.push(run(role, 16 << 20, Delivery::Whole, call, &chunks));
            }
        }
        assert_eq!(outcomes[0].events.len(), 3);
        assert!(matches!(
            &outcomes[0].events[1],
            OwnedEvent::Message(OwnedData::Binary(bytes)) if *bytes == payload
        ));
        assert!(outcomes.iter().all(|outcome| *outcome == outcomes[0]));
    }
}
