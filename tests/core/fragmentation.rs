//! Fragments: control frames between them, limits of their sum, cost per fragment, and parts.

use core::num::NonZeroUsize;
use core::time::Duration;
use std::time::Instant as Clock;

use sansocket::config::Delivery;
use sansocket::connection::{Negotiated, OwnedEvent};
use sansocket::error::{LimitError, PeerError};
use sansocket::message::{Data, OwnedData, SendOptions};
use sansocket::{Connection, Event, Inbox, Input, Instant, Role};

use crate::common::frame::{BINARY, CONT, PING, PONG, TEXT, bytes, sent};
use crate::common::{BOTH, End, Frame, preset};

fn message(opcode: u8, payload: &[u8]) -> OwnedEvent {
    OwnedEvent::Message(data(opcode, payload))
}

fn data(opcode: u8, payload: &[u8]) -> OwnedData {
    match opcode {
        TEXT => OwnedData::text(String::from_utf8(payload.to_vec()).unwrap()),
        _ => OwnedData::binary(payload.to_vec()),
    }
}

fn part(opcode: u8, payload: &[u8], start: bool, end: bool) -> OwnedEvent {
    OwnedEvent::Part { data: data(opcode, payload), start, end }
}

/// The payload in `n` fragments of nearly equal length.
fn fragments(opcode: u8, payload: &[u8], n: usize) -> Vec<Frame> {
    (0..n)
        .map(|i| {
            let part = &payload[payload.len() * i / n..payload.len() * (i + 1) / n];
            Frame::new(if i == 0 { opcode } else { CONT }, part).fin(i + 1 == n)
        })
        .collect()
}

#[test]
fn f7_f8_f9_v42_ping_and_pong_between_any_two_fragments() {
    for role in BOTH {
        for opcode in [TEXT, BINARY] {
            for n in 1..=5 {
                for place in 0..=n {
                    for control in
                        [Frame::ping("p"), Frame::pong("p"), Frame::ping(""), Frame::pong([7; 125])]
                    {
                        let mut frames = fragments(opcode, b"abcdefgh", n);
                        frames.insert(place, control.clone());
                        let input: Vec<u8> = frames
                            .iter()
                            .flat_map(|frame| frame.clone().to(role).bytes())
                            .collect();
                        for chunk_len in [1, 2, 3, 7, input.len()] {
                            let mut end = End::preset(role);
                            end.feed_in_chunks(&input, chunk_len).unwrap();
                            let payload = control.payload.clone().into();
                            let ping = control.opcode == 0x9;
                            let control_event = if ping {
                                OwnedEvent::Ping(payload)
                            } else {
                                OwnedEvent::Pong(payload)
                            };
                            let mut expected = vec![message(opcode, b"abcdefgh")];
                            expected.insert(usize::from(place == n), control_event);
                            assert_eq!(end.events, expected);
                            // F11: a pong is never answered.
                            let answers =
                                if ping { vec![Frame::pong(&control.payload)] } else { vec![] };
                            assert_eq!(sent(role, &end.out), answers);
                        }
                    }
                }
            }
        }
    }
}

/// F7, Q6: many control frames between two fragments, each pong in order.
#[test]
fn f7_f10_q6_ten_pings_between_two_fragments_get_ten_pongs_in_order() {
    for role in BOTH {
        let mut input = Frame::text("a").not_fin().to(role).bytes();
        for i in 0..10 {
            input.extend(Frame::ping([i; 3]).to(role).bytes());
        }
        input.extend(Frame::cont("b").to(role).bytes());
        let mut end = End::preset(role);
        end.feed(&input).unwrap();
        let pongs: Vec<_> = (0..10).map(|i| Frame::pong([i; 3])).collect();
        assert_eq!(sent(role, &end.out), pongs);
        assert_eq!(end.events.len(), 11);
        assert_eq!(end.events[10], message(TEXT, b"ab"));
    }
}

#[test]
fn f8_a_message_inside_a_message_and_a_stray_continuation_are_refused() {
    for role in BOTH {
        for (first, second) in [(TEXT, TEXT), (TEXT, BINARY), (BINARY, TEXT), (BINARY, BINARY)] {
            let mut end = End::preset(role);
            end.feed(&Frame::new(first, "a").not_fin().to(role).bytes()).unwrap();
            let error = end.feed(&Frame::new(second, "a").to(role).bytes());
            assert_eq!(error, Err(PeerError::ExpectedContinuation.into()));
        }
        for fin in [true, false] {
            // At the start, after a complete message, after a fragmented one, after a ping.
            for before in [
                vec![],
                vec![Frame::text("a")],
                vec![Frame::text("a").not_fin(), Frame::cont("b")],
                vec![Frame::ping("")],
            ] {
                let mut end = End::preset(role);
                for frame in before {
                    end.feed(&frame.to(role).bytes()).unwrap();
                }
                let error = end.feed(&Frame::cont("c").fin(fin).to(role).bytes());
                assert_eq!(error, Err(PeerError::UnexpectedContinuation.into()));
            }
        }
    }
}

#[test]
fn f9_empty_fragments_at_every_position() {
    for role in BOTH {
        for opcode in [TEXT, BINARY] {
            let frames = [
                Frame::new(opcode, "").not_fin(),
                Frame::cont("").not_fin(),
                Frame::cont("ab").not_fin(),
                Frame::cont("").not_fin(),
                Frame::cont("c").not_fin(),
                Frame::cont(""),
                Frame::new(opcode, "").not_fin(),
                Frame::cont(""),
                Frame::new(opcode, ""),
                Frame::new(opcode, "").not_fin(),
                Frame::cont("d"),
            ];
            let input: Vec<u8> = frames.iter().flat_map(|f| f.clone().to(role).bytes()).collect();
            for chunk_len in 1..=input.len() {
                let mut end = End::preset(role);
                end.feed_in_chunks(&input, chunk_len).unwrap();
                let expected = ["abc", "", "", "d"].map(|m| message(opcode, m.as_bytes()));
                assert_eq!(end.events, expected);
            }
        }
    }
}

/// V38: the limit applies to the sum of all fragments, in each form, exact to the byte.
#[test]
fn f14_v38_the_limit_applies_to_the_sum_of_the_fragments() {
    for role in BOTH {
        for delivery in [Delivery::Whole, Delivery::Parts] {
            let config = preset(role).max_message_len(10).delivery(delivery).build().unwrap();
            for opcode in [TEXT, BINARY] {
                for (sizes, passes) in [
                    (vec![10], true),
                    (vec![11], false),
                    (vec![5, 5], true),
                    (vec![5, 6], false),
                    (vec![0, 10, 0], true),
                    (vec![1; 10], true),
                    (vec![1; 11], false),
                    (vec![10, 0, 0, 0], true),
                    (vec![10, 1], false),
                ] {
                    let mut end = End::new(role, &config);
                    let mut result = Ok(());
                    for (i, size) in sizes.iter().enumerate() {
                        let op = if i == 0 { opcode } else { CONT };
                        let frame =
                            Frame::new(op, vec![b'x'; *size]).fin(i + 1 == sizes.len()).to(role);
                        result = result.and_then(|()| end.feed(&frame.bytes()));
                    }
                    let error = Err(LimitError::MessageTooLong.into());
                    assert_eq!(result, if passes { Ok(()) } else { error }, "{sizes:?}");
                    if passes {
                        // The sum restarts with each message.
                        end.feed(&Frame::new(opcode, [b'x'; 10]).to(role).bytes()).unwrap();
                    } else {
                        assert_eq!(sent(role, &end.out), [Frame::close(1009, "")]);
                    }
                }
            }
        }
    }
}

/// V38: a limit of 16 MiB refuses 25 MiB of fragments, and the memory stays near the limit.
#[test]
fn v38_fragments_never_buffer_more_than_the_limit() {
    const LIMIT: usize = 1 << 20;
    for role in BOTH {
        for opcode in [TEXT, BINARY] {
            for size in [100, 1000, 4096, 65_536, LIMIT / 2 + 1, LIMIT - 1] {
                let config = preset(role).max_message_len(LIMIT as u64).build().unwrap();
                let mut end = End::new(role, &config);
                let mut result = Ok(());
                let (mut fed, mut most) = (0, 0);
                while result.is_ok() {
                    let op = if fed == 0 { opcode } else { CONT };
                    let frame = Frame::new(op, vec![b'x'; size]).not_fin().to(role).bytes();
                    result = end.feed_in_chunks(&frame, 1500);
                    most = most.max(end.inbox.capacity());
                    fed += size;
                    assert!(fed <= LIMIT + size, "{fed}");
                }
                assert_eq!(result, Err(LimitError::MessageTooLong.into()));
                assert!(most <= LIMIT + LIMIT / 10, "{size}: {most} bytes for a limit of {LIMIT}");
            }
        }
    }
}

/// Feeds `n` copies of `frame` to `receive`, in inputs of at most 60 KB; returns the time and the
/// number of events.
fn flood(conn: &mut Connection, inbox: &mut Inbox, frame: &[u8], n: usize) -> (Duration, usize) {
    let per_input = (60_000 / frame.len()).min(n);
    let input = frame.repeat(per_input);
    let mut out = bytes::BytesMut::new();
    let mut buffer = input.clone();
    let (mut events, mut left) = (0, n);
    #[expect(clippy::disallowed_methods, reason = "the test measures itself")]
    let start = Clock::now();
    while left > 0 {
        let now = per_input.min(left);
        let fill = now * frame.len();
        buffer[..fill].copy_from_slice(&input[..fill]);
        let mut cursor = Input::new(Instant::from_micros(0), &mut buffer[..fill]);
        while conn.receive(&mut cursor, inbox, &mut out).unwrap().is_some() {
            events += 1;
        }
        out.clear();
        left -= now;
    }
    (start.elapsed(), events)
}

/// Fewer in a debug build, so that the run stays short.
const MANY: usize = if cfg!(debug_assertions) { 400_000 } else { 10_000_000 };

/// The highest ratio of the time of a late frame to that of an early one. It is generous, since
/// other programs run at the same time; a quadratic receiver exceeds it by a factor of a hundred.
const FLAT: u32 = 8;

/// Floods with `MANY` frames, and compares the fastest of the first runs with the fastest of the
/// last ones, so that interruptions don't count. Returns the number of events.
#[track_caller]
fn flat_flood(conn: &mut Connection, inbox: &mut Inbox, frame: &[u8]) -> usize {
    let runs: Vec<_> = (0..20).map(|_| flood(conn, inbox, frame, MANY / 20)).collect();
    let quickest = |runs: &[(Duration, usize)]| runs.iter().map(|(time, _)| *time).min().unwrap();
    assert_flat(quickest(&runs[..5]), quickest(&runs[15..]));
    runs.iter().map(|(_, events)| events).sum()
}

fn is_flat(early: Duration, late: Duration) -> bool {
    late <= early * FLAT + Duration::from_millis(20)
}

#[track_caller]
fn assert_flat(early: Duration, late: Duration) {
    assert!(is_flat(early, late), "{early:?} early, {late:?} late");
}

#[test]
fn v6_v33_millions_of_empty_continuations_use_no_memory_and_linear_time() {
    for role in BOTH {
        for delivery in [Delivery::Whole, Delivery::Parts] {
            let config = preset(role).delivery(delivery).build().unwrap();
            let mut conn =
                Connection::new(role, &config, &Negotiated::new(), Instant::from_micros(0));
            let mut inbox = Inbox::new();
            let first = Frame::text("a").not_fin().to(role).bytes();
            flood(&mut conn, &mut inbox, &first, 1);
            let empty = Frame::cont("").not_fin().to(role).bytes();
            let events = flat_flood(&mut conn, &mut inbox, &empty);
            assert!(inbox.capacity() <= 64, "{} bytes", inbox.capacity());
            let per_frame = usize::from(delivery == Delivery::Parts);
            assert_eq!(events, MANY * per_frame, "each fragment is a part");
            let last = Frame::cont("b").to(role).bytes();
            assert_eq!(flood(&mut conn, &mut inbox, &last, 1).1, 1);
        }
    }
}

#[test]
fn v6_v33_millions_of_one_byte_frames_use_memory_of_their_payload_and_linear_time() {
    for role in BOTH {
        for opcode in [TEXT, BINARY] {
            let config = preset(role).build().unwrap();
            let mut conn =
                Connection::new(role, &config, &Negotiated::new(), Instant::from_micros(0));
            let mut inbox = Inbox::new();
            let first = Frame::new(opcode, "a").not_fin().to(role).bytes();
            flood(&mut conn, &mut inbox, &first, 1);
            let one = Frame::cont("b").not_fin().to(role).bytes();
            flat_flood(&mut conn, &mut inbox, &one);
            assert!(inbox.capacity() <= 2 * MANY + 64, "{} bytes", inbox.capacity());
        }
    }
}

/// V33: small complete messages, and pings, in one input: the time per frame doesn't grow with
/// their number. They are small, so that both inputs fit into the caches. A loop above its
/// high-water mark seeks again after each byte that it writes.
#[test]
fn v33_fragments_are_read_once_over_any_number_of_calls() {
    for role in BOTH {
        let mut frames = vec![Frame::binary("").not_fin()];
        frames.extend(vec![Frame::cont("").not_fin(); 10_000]);
        frames.push(Frame::cont("the end"));
        let frames: Vec<Frame> = frames.into_iter().map(|frame| frame.to(role)).collect();
        let mut end = End::preset(role);
        let mut wire = bytes(&frames);
        let mut input = Input::new(end.now, &mut wire);
        for _ in 0..3 {
            assert_eq!(end.conn.seek(&mut input, &mut end.inbox, &mut end.out), Ok(true));
            // Only the payload of the event is left to be read.
            assert_eq!(input.len(), "the end".len());
        }
        let event = end.conn.receive(&mut input, &mut end.inbox, &mut end.out);
        assert_eq!(event, Ok(Some(Event::Binary(b"the end"))));
    }
}

#[test]
fn v33_many_frames_in_one_input_take_linear_time() {
    let (few, many) = if cfg!(debug_assertions) { (5_000, 100_000) } else { (10_000, 1_000_000) };
    for role in BOTH {
        for frame in [Frame::text("x"), Frame::binary(""), Frame::ping("x"), Frame::binary([1; 20])]
        {
            let frame = frame.to(role).bytes();
            let run = |n: usize| {
                let config = preset(role).max_unsent(usize::MAX).build().unwrap();
                let mut conn =
                    Connection::new(role, &config, &Negotiated::new(), Instant::from_micros(0));
                let (mut inbox, mut out) = (Inbox::new(), bytes::BytesMut::new());
                let mut input = frame.repeat(n);
                let mut cursor = Input::new(Instant::from_micros(0), &mut input);
                #[expect(clippy::disallowed_methods, reason = "the test measures itself")]
                let start = Clock::now();
                let mut events = 0;
                while conn.receive(&mut cursor, &mut inbox, &mut out).unwrap().is_some() {
                    events += 1;
                }
                assert_eq!(events, n);
                start.elapsed()
            };
            let quickest = |n: usize| (0..3).map(|_| run(n)).min().unwrap();
            // A pause of a busy machine is not growth.
            let flat = (0..8).any(|_| is_flat(quickest(few) * (many / few) as u32, quickest(many)));
            assert!(flat, "the time of each frame grows with their number");
        }
    }
}

#[test]
fn parts_are_delivered_on_arrival_with_start_and_end() {
    for role in BOTH {
        for opcode in [TEXT, BINARY] {
            let config = preset(role).delivery(Delivery::Parts).build().unwrap();
            let mut end = End::new(role, &config);
            // A complete message in one input: one part.
            end.feed(&Frame::new(opcode, "abc").to(role).bytes()).unwrap();
            assert_eq!(end.take_events(), [part(opcode, b"abc", true, true)]);
            // An empty message: one empty part.
            end.feed(&Frame::new(opcode, "").to(role).bytes()).unwrap();
            assert_eq!(end.take_events(), [part(opcode, b"", true, true)]);
            // A frame that arrives in three reads, the first with the header alone: no part for the
            // header.
            let frame = Frame::new(opcode, "abcdef").to(role).bytes();
            let header = frame.len() - 6;
            end.feed_cut(&frame, &[1, header, header + 2, header + 5]).unwrap();
            assert_eq!(
                end.take_events(),
                [
                    part(opcode, b"ab", true, false),
                    part(opcode, b"cde", false, false),
                    part(opcode, b"f", false, true)
                ]
            );
            // Fragments, one empty, the last one empty: a part each.
            let frames: Vec<u8> = [
                Frame::new(opcode, "ab").not_fin(),
                Frame::cont("").not_fin(),
                Frame::ping("p"),
                Frame::cont("c").not_fin(),
                Frame::cont(""),
            ]
            .into_iter()
            .flat_map(|frame| frame.to(role).bytes())
            .collect();
            end.feed(&frames).unwrap();
            assert_eq!(
                end.take_events(),
                [
                    part(opcode, b"ab", true, false),
                    part(opcode, b"", false, false),
                    OwnedEvent::Ping("p".into()),
                    part(opcode, b"c", false, false),
                    part(opcode, b"", false, true)
                ]
            );
            assert_eq!(end.inbox.capacity(), 0, "parts are not buffered");
        }
    }
}

#[test]
fn parts_of_text_end_at_character_boundaries() {
    let text = "a\u{e4}\u{20ac}\u{1f600}";
    for role in BOTH {
        let config = preset(role).delivery(Delivery::Parts).build().unwrap();
        let frame = Frame::text(text).to(role).bytes();
        for cut in 0..=frame.len() {
            for second in cut..=frame.len() {
                let mut end = End::new(role, &config);
                end.feed_cut(&frame, &[cut, second]).unwrap();
                let mut joined = String::new();
                let parts = end.events.len();
                for (i, event) in end.events.iter().enumerate() {
                    let OwnedEvent::Part { data: OwnedData::Text(data), start, end } = event else {
                        panic!("{event:?}");
                    };
                    assert_eq!((*start, *end), (i == 0, i + 1 == parts));
                    joined.push_str(data);
                }
                assert_eq!(joined, text);
                assert!(parts <= 5, "{parts}");
            }
        }
    }
}

/// S24: received parts can be forwarded in parts, with the same fragmentation.
#[test]
fn s24_forwarded_parts_keep_the_fragmentation() {
    let frames = [
        Frame::text("ab").not_fin(),
        Frame::cont("").not_fin(),
        Frame::cont("c\u{e4}"),
        Frame::binary([1, 2]).not_fin(),
        Frame::cont([3]),
        Frame::binary(""),
    ];
    let config = preset(Role::Server).delivery(Delivery::Parts).build().unwrap();
    let mut end = End::new(Role::Server, &config);
    let input: Vec<u8> = frames.iter().flat_map(|f| f.clone().by(Role::Client).bytes()).collect();
    end.feed_with(&input, |conn, event, out| {
        let Event::Part { data, end, .. } = event else { panic!("{event:?}") };
        conn.send_part(data, end, SendOptions::new(), out).unwrap();
    })
    .unwrap();
    assert_eq!(&end.out[..], bytes(&frames));
}

/// All output is sent in order: so is a pong for a ping that arrives during a message.
#[test]
fn control_frames_are_sent_between_parts_but_not_between_fragments_of_one_call() {
    let payload = [7; 1000];
    for role in BOTH {
        let ping = Frame::ping("p").to(role).bytes();
        // Five fragments by one call.
        let mut end = End::preset(role);
        let options = SendOptions::new().max_frame_len(NonZeroUsize::new(200).unwrap());
        end.conn.send(Data::Binary(&payload), options, &mut end.out).unwrap();
        end.feed(&ping).unwrap();
        end.conn.send_ping(b"q", &mut end.out).unwrap();
        let opcodes =
            |out: &[u8]| sent(role, out).iter().map(|frame| frame.opcode).collect::<Vec<_>>();
        assert_eq!(opcodes(&end.out), [BINARY, CONT, CONT, CONT, CONT, PONG, PING]);
        // The next part after the one before is written.
        let (mut end, mut written) = (End::preset(role), Vec::new());
        for (i, part) in payload.chunks(200).enumerate() {
            let options = SendOptions::new();
            end.conn.send_part(Data::Binary(part), i == 4, options, &mut end.out).unwrap();
            if i == 1 {
                end.feed(&ping).unwrap();
            }
            if i == 2 {
                end.conn.send_ping(b"q", &mut end.out).unwrap();
            }
            written.extend(end.out.split());
        }
        assert_eq!(opcodes(&written), [BINARY, CONT, PONG, CONT, PING, CONT, CONT]);
        let frames = sent(role, &written);
        let data = frames.iter().filter(|frame| frame.opcode < 8);
        assert_eq!(data.flat_map(|frame| frame.payload.clone()).collect::<Vec<_>>(), payload);
    }
}
