//! Two ends, and any sequence of operations at both: sends of every form, reads and writes of any
//! length, time, timeouts, closes, mistakes. Every accepted message arrives once, in order; no end
//! reports a violation by the other; no output exceeds the mark.

use std::collections::VecDeque;

use bytes::Buf;
use proptest::prelude::*;
use sansocket::config::Delivery;
use sansocket::connection::OwnedEvent;
use sansocket::error::{ProtocolError, SendError, TimeoutError};
use sansocket::message::{Data, OwnedData, SendOptions};
use sansocket::{CloseCode, Prepared, Role};

use crate::common::{End, preset, secs};

const MAX_UNSENT: usize = 600;

#[derive(Clone, Debug)]
enum Op {
    Text(String),
    Binary(Vec<u8>),
    Fragments(Vec<u8>, usize),
    Part {
        text: bool,
        bytes: Vec<u8>,
        end: bool,
    },
    Prepared(Vec<u8>),
    Ping(u8),
    /// Pings until `out` is over its mark, so that the other end has pending pongs, too.
    Pings(u8),
    Pong(u8),
    Close(u16),
    /// A control payload that is too long, an unsendable code, a reason that is too long.
    Mistakes,
    Stats,
    /// The number of bytes of `out` that are written.
    Write(usize),
    /// The connection is notified that output was written.
    Written,
    /// The number of sent bytes that are read.
    Read(usize),
    /// The number of sent bytes that are read, directly where possible.
    ReadDirectly(usize),
    Shrink,
    /// The clock of both ends advances by this number of milliseconds.
    Wait(u64),
    Timeout,
}

fn op() -> impl Strategy<Value = Op> {
    let letters = || prop::collection::vec(b'a'..=b'z', 0..200);
    prop_oneof![
        3 => ".{0,40}".prop_map(Op::Text),
        3 => prop::collection::vec(any::<u8>(), 0..300).prop_map(Op::Binary),
        1 => (70_000..80_000_usize).prop_map(|n| Op::Binary(vec![7; n])),
        2 => (letters(), 1..60_usize).prop_map(|(bytes, max)| Op::Fragments(bytes, max)),
        4 => (any::<bool>(), letters(), any::<bool>())
            .prop_map(|(text, bytes, end)| Op::Part { text, bytes, end }),
        1 => letters().prop_map(Op::Prepared),
        2 => any::<u8>().prop_map(Op::Ping),
        1 => any::<u8>().prop_map(Op::Pings),
        1 => any::<u8>().prop_map(Op::Pong),
        1 => prop::sample::select(vec![1000_u16, 1001, 1005, 3000, 4999]).prop_map(Op::Close),
        1 => Just(Op::Mistakes),
        1 => Just(Op::Stats),
        8 => prop_oneof![1..20_usize, 1..2000_usize, Just(100_000)].prop_map(Op::Write),
        8 => prop_oneof![1..20_usize, 1..2000_usize, Just(100_000)].prop_map(Op::Read),
        3 => prop_oneof![1..20_usize, 1..2000_usize, Just(100_000)].prop_map(Op::ReadDirectly),
        2 => Just(Op::Shrink),
        2 => (0..4000_u64).prop_map(Op::Wait),
        3 => Just(Op::Timeout),
        2 => Just(Op::Written),
    ]
}

/// One end, its output in transit, and the events that the other end must receive.
struct Side {
    end: End,
    wire: VecDeque<u8>,
    /// Messages accepted for sending.
    sent: Vec<OwnedData>,
    /// The unfinished message that is sent in parts.
    parts: Option<(bool, Vec<u8>)>,
    pings_sent: usize,
    stats: bool,
}

impl Side {
    fn new(role: Role, delivery: Delivery, timeout: bool) -> Self {
        let config = preset(role)
            .max_unsent(MAX_UNSENT)
            .delivery(delivery)
            .keep_alive(Some(secs(2)), timeout.then_some(secs(3)))
            .build()
            .unwrap();
        Self {
            end: End::new(role, &config),
            wire: VecDeque::new(),
            sent: Vec::new(),
            parts: None,
            pings_sent: 0,
            stats: false,
        }
    }

    fn write(&mut self, n: usize) {
        let n = n.min(self.end.out.len());
        self.wire.extend(&self.end.out[..n]);
        self.end.out.advance(n);
    }

    /// Complete messages that have arrived, with either delivery.
    fn received(&self) -> Vec<OwnedData> {
        let (mut complete, mut current): (Vec<OwnedData>, Option<(bool, Vec<u8>)>) = (vec![], None);
        for event in &self.end.events {
            match event {
                OwnedEvent::Message(message) => complete.push(message.clone()),
                OwnedEvent::Part { data, start, end } => {
                    assert_eq!(*start, current.is_none());
                    let text = matches!(data, OwnedData::Text(_));
                    let (_, bytes) = current.get_or_insert_with(|| (text, Vec::new()));
                    bytes.extend_from_slice(data.as_data().as_bytes());
                    if *end {
                        let (text, bytes) = current.take().unwrap();
                        complete.push(message(text, bytes));
                    }
                }
                _ => {}
            }
        }
        complete
    }
}

fn message(text: bool, bytes: Vec<u8>) -> OwnedData {
    if text { OwnedData::text(String::from_utf8(bytes).unwrap()) } else { OwnedData::binary(bytes) }
}

fn data(text: bool, bytes: &[u8]) -> Data<'_> {
    if text { Data::Text(core::str::from_utf8(bytes).unwrap()) } else { Data::Binary(bytes) }
}

/// The only errors that a conforming peer may cause.
fn is_honest(error: ProtocolError) -> bool {
    matches!(
        error,
        ProtocolError::Timeout(
            TimeoutError::Close | TimeoutError::CloseUnsent | TimeoutError::KeepAlive
        )
    )
}

fn apply(sides: &mut [Side; 2], index: usize, op: &Op) {
    let one_frame = SendOptions::new();
    let (mut fed, mut direct) = (Vec::new(), 0);
    if let Op::Read(n) | Op::ReadDirectly(n) = op {
        let wire = &mut sides[1 - index].wire;
        let n = (*n).min(wire.len());
        fed = wire.drain(..n).collect();
        direct = if matches!(op, Op::ReadDirectly(_)) { n } else { 0 };
    }
    let side = &mut sides[index];
    let (conn, out, now) = (&mut side.end.conn, &mut side.end.out, side.end.now);
    let was_open = conn.is_open();
    let was_full = out.len() >= MAX_UNSENT;
    let in_parts = side.parts.is_some();
    // The expected error of a refused send.
    let check = |result: Result<(), SendError>, is_complete: bool| match result {
        Ok(()) => {
            assert!(was_open && !was_full && !(is_complete && in_parts));
            true
        }
        Err(SendError::Closed) => {
            assert!(!was_open);
            false
        }
        // A pending pong may have taken the room.
        Err(SendError::Full) => false,
        Err(SendError::MessageInProgress) => {
            assert!(in_parts);
            false
        }
        Err(error) => panic!("{error}"),
    };
    match op {
        Op::Text(text) => {
            if check(conn.send_text(text, out), true) {
                side.sent.push(OwnedData::text(text.clone()));
            }
        }
        Op::Binary(bytes) => {
            if check(conn.send_binary(bytes, out), true) {
                side.sent.push(OwnedData::binary(bytes.clone()));
            }
        }
        Op::Fragments(bytes, max) => {
            let options = one_frame.max_frame_len((*max).try_into().unwrap());
            if check(conn.send(data(true, bytes), options, out), true) {
                side.sent.push(message(true, bytes.clone()));
            }
        }
        Op::Prepared(bytes) => {
            if check(conn.send_prepared(&Prepared::new(data(false, bytes)), out), true) {
                side.sent.push(message(false, bytes.clone()));
            }
        }
        Op::Part { text, bytes, end } => {
            if check(conn.send_part(data(*text, bytes), *end, one_frame, out), false) {
                let (kind, sum) = side.parts.get_or_insert_with(|| (*text, Vec::new()));
                assert_eq!(kind, text);
                sum.extend_from_slice(bytes);
                if *end {
                    let (text, bytes) = side.parts.take().unwrap();
                    side.sent.push(message(text, bytes));
                }
            }
        }
        Op::Ping(byte) => {
            side.pings_sent += usize::from(check(conn.send_ping(&[*byte; 3], out), false));
        }
        Op::Pings(byte) => {
            while check(conn.send_ping(&[*byte; 100], out), false) {
                side.pings_sent += 1;
                if out.len() >= MAX_UNSENT {
                    break;
                }
            }
        }
        Op::Pong(byte) => {
            check(conn.send_pong(&[*byte; 2], out), false);
        }
        Op::Close(code) => match conn.close(CloseCode::new(*code), "", now, out) {
            Ok(()) => assert!(was_open),
            Err(error) => assert_eq!((error, was_open), (SendError::Closed, false)),
        },
        Op::Mistakes => {
            for result in [
                conn.send_ping(&[0; 126], out),
                conn.close(CloseCode::new(1006), "", now, out),
                conn.close(CloseCode::NORMAL, &"r".repeat(124), now, out),
            ] {
                assert!(result.is_err());
            }
            assert_eq!(conn.is_open(), was_open);
        }
        Op::Stats => {
            conn.enable_stats();
            side.stats = true;
        }
        Op::Write(n) => side.write(*n),
        Op::Written => side.end.written(),
        Op::Read(_) | Op::ReadDirectly(_) => {
            let mut rest = &fed[..];
            while direct > 0
                && !rest.is_empty()
                && let Some(room) = side.end.conn.direct_room(&mut side.end.inbox)
            {
                let n = room.len().min(rest.len());
                room[..n].copy_from_slice(&rest[..n]);
                side.end.conn.received_direct(n, now, &mut side.end.inbox);
                side.end.feed(&[]).unwrap();
                rest = &rest[n..];
            }
            if let Err(error) = side.end.feed(rest) {
                assert!(is_honest(error), "{error:?}");
            }
        }
        Op::Shrink => side.end.inbox.shrink(),
        Op::Wait(ms) => {
            let later = now.checked_add(core::time::Duration::from_millis(*ms)).unwrap();
            for side in sides.iter_mut() {
                side.end.now = later;
            }
        }
        Op::Timeout => {
            if let Err(error) = side.end.timeout() {
                assert!(is_honest(error), "{error:?}");
                side.end.error = Some(error);
            }
            // A second call returns no further action, or time would never advance.
            if let Some(next) = side.end.conn.poll_timeout() {
                assert!(next > side.end.now, "{next:?} at {:?}", side.end.now);
            }
        }
    }
}

/// Delivers all bytes in transit.
fn settle(sides: &mut [Side; 2]) {
    for _ in 0..50 {
        for index in 0..2 {
            apply(sides, index, &Op::Write(usize::MAX));
            apply(sides, 1 - index, &Op::Read(usize::MAX));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: if std::env::var_os("PROPTEST_CASES").is_some() {
            ProptestConfig::default().cases
        } else {
            300
        },
        ..ProptestConfig::default()
    })]

    #[test]
    fn any_sequence_of_operations_at_both_ends(
        ops in prop::collection::vec((0..2_usize, op()), 0..120),
        parts in (any::<bool>(), any::<bool>()),
        timeouts in (any::<bool>(), any::<bool>()),
    ) {
        crate::common::entropy::reseed(17);
        let delivery = |parts| if parts { Delivery::Parts } else { Delivery::Whole };
        let mut sides = [
            Side::new(Role::Client, delivery(parts.0), timeouts.0),
            Side::new(Role::Server, delivery(parts.1), timeouts.1),
        ];
        for (index, op) in &ops {
            let before = sides[*index].end.out.len();
            apply(&mut sides, *index, op);
            // One message, one Close frame and one ping may exceed the mark; pongs may not.
            let grown = sides[*index].end.out.len().saturating_sub(before);
            if matches!(op, Op::Read(_) | Op::ReadDirectly(_)) && grown > 0 {
                prop_assert!(sides[*index].end.out.len() < before.max(MAX_UNSENT) + 131 + 131);
            }
            for index in 0..2 {
                let (sent, received) = (&sides[1 - index].sent, sides[index].received());
                prop_assert!(sent.starts_with(&received));
            }
        }
        settle(&mut sides);
        let failed = sides.iter().any(|side| side.end.conn.error().is_some());
        for index in 0..2 {
            let (sender, receiver) = (&sides[1 - index], &sides[index]);
            // After a Close frame of the peer, or a failure, no more input is accepted.
            if !failed {
                prop_assert_eq!(&sender.sent, &receiver.received());
                let pings = |side: &Side| {
                    side.end.events.iter().filter(|e| matches!(e, OwnedEvent::Ping(_))).count()
                };
                prop_assert!(pings(receiver) >= sender.pings_sent);
            }
            if receiver.stats
                && let Some(stats) = receiver.end.conn.stats()
            {
                prop_assert!(stats.messages_received <= receiver.received().len() as u64);
                prop_assert!(stats.messages_sent <= receiver.sent.len() as u64);
            }
        }
        // Both ends close: the end is clean at both, unless one has failed before.
        for index in 0..2 {
            apply(&mut sides, index, &Op::Close(1000));
        }
        settle(&mut sides);
        for side in &mut sides {
            if !failed {
                prop_assert!(side.end.conn.is_closed());
                prop_assert!(side.end.conn.close_status().unwrap().clean);
                prop_assert_eq!(side.end.conn.receive_eof(&mut side.end.out), Ok(()));
            }
            prop_assert!(side.end.out.is_empty());
            side.end.inbox.shrink();
        }
    }
}
