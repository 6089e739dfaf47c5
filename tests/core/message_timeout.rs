//! The message timeout under a virtual clock: from the first byte of a message to its last.

use core::time::Duration;

use sansocket::config::{ConfigBuilder, Delivery};
use sansocket::connection::OwnedEvent;
use sansocket::error::{ProtocolError, TimeoutError};
use sansocket::{CloseCode, Instant, Role};

use crate::common::frame::{BINARY, TEXT, sent};
use crate::common::{BOTH, End, Frame, at_ms, preset, secs};

const MESSAGE: ProtocolError = ProtocolError::Timeout(TimeoutError::Message);

/// With a message timeout of 10 s and no other deadline while the connection is open.
fn config(role: Role) -> ConfigBuilder {
    preset(role).message_timeout(Some(secs(10))).keep_alive(None, None)
}

fn end(role: Role, delivery: Delivery) -> End {
    End::new(role, &config(role).delivery(delivery).build().unwrap())
}

/// A connection for every role, delivery and kind of message.
fn every_kind() -> impl Iterator<Item = (Role, u8, End)> {
    BOTH.into_iter().flat_map(|role| {
        [Delivery::Whole, Delivery::Parts].into_iter().flat_map(move |delivery| {
            [TEXT, BINARY].map(|opcode| (role, opcode, end(role, delivery)))
        })
    })
}

fn fails_at(end: &mut End, ms: u64) {
    let role = end.conn.role();
    assert_eq!(end.conn.poll_timeout(), Some(at_ms(ms)));
    end.now = Instant::from_micros(ms * 1000 - 1);
    assert_eq!(end.timeout(), Ok(()));
    assert!(end.out.is_empty());
    end.now = at_ms(ms);
    assert_eq!(end.timeout(), Err(MESSAGE));
    assert_eq!(sent(role, &end.out), [Frame::close(1008, "")]);
    let status = end.conn.close_status().unwrap();
    assert_eq!((status.code, status.by, status.clean), (CloseCode::POLICY_VIOLATION, role, false));
    assert_eq!(end.conn.poll_timeout(), None);
    assert_eq!(end.feed(&[]), Err(MESSAGE));
    end.inbox.shrink();
    assert_eq!(end.inbox.capacity(), 0, "the received part is freed");
}

#[test]
fn the_message_timeout_is_off_by_default() {
    for role in BOTH {
        let mut end = End::new(role, &preset(role).keep_alive(None, None).build().unwrap());
        end.feed(&Frame::text("a").not_fin().to(role).bytes()).unwrap();
        end.feed(&[0x80]).unwrap();
        assert_eq!(end.conn.poll_timeout(), None);
        end.now = Instant::from_micros(u64::MAX);
        assert_eq!(end.timeout(), Ok(()));
    }
}

#[test]
fn the_message_timeout_runs_from_the_first_byte_over_all_fragments() {
    for (role, opcode, mut end) in every_kind() {
        end.now = at_ms(5000);
        let first = Frame::new(opcode, "abc").not_fin().to(role).bytes();
        // One byte of the header suffices.
        end.feed(&first[..1]).unwrap();
        for (n, bytes) in [
            first[1..].to_vec(),
            Frame::cont("").not_fin().to(role).bytes(),
            Frame::cont("def").not_fin().to(role).bytes(),
            Frame::cont("ghi").to(role).bytes()[..4].to_vec(),
        ]
        .iter()
        .enumerate()
        {
            end.now = at_ms(7000 + 2000 * n as u64);
            end.feed(bytes).unwrap();
            assert_eq!(end.timeout(), Ok(()));
        }
        fails_at(&mut end, 15_000);
    }
}

#[test]
fn a_message_that_is_complete_in_time_has_no_deadline() {
    for (role, opcode, mut end) in every_kind() {
        let frames = [
            Frame::new(opcode, "abc").not_fin().to(role).bytes(),
            Frame::cont("def").to(role).bytes(),
        ]
        .concat();
        let (last, before) = frames.split_last().unwrap();
        end.feed(before).unwrap();
        // Bytes read exactly at the deadline count.
        end.now = at_ms(10_000);
        end.feed(&[*last]).unwrap();
        assert_eq!(end.conn.poll_timeout(), None);
        assert_eq!(end.timeout(), Ok(()));
        end.now = at_ms(1_000_000);
        assert_eq!(end.timeout(), Ok(()));
        // A message that is complete in one read never has a deadline, on any path of `receive`.
        for len in [0, 10, 1000, 100_000] {
            end.feed(&Frame::new(opcode, vec![b'x'; len]).to(role).bytes()).unwrap();
            assert_eq!(end.conn.poll_timeout(), None);
        }
    }
}

#[test]
fn control_frames_between_fragments_do_not_reset_the_message_timeout() {
    for (role, opcode, mut end) in every_kind() {
        end.feed(&Frame::new(opcode, "abc").not_fin().to(role).bytes()).unwrap();
        let ping = Frame::ping("ping").to(role).bytes();
        for (n, bytes) in [&ping[..], &ping[..3], &ping[3..], &Frame::pong("").to(role).bytes()]
            .iter()
            .enumerate()
        {
            end.now = at_ms(2000 * (n as u64 + 1));
            end.feed(bytes).unwrap();
            assert_eq!(end.conn.poll_timeout(), Some(at_ms(10_000)));
        }
        end.out.clear();
        fails_at(&mut end, 10_000);
    }
}

/// A slow control frame occupies the inbox as a message does.
#[test]
fn a_slow_control_frame_has_the_message_timeout_too() {
    for role in BOTH {
        let ping = Frame::ping("ping").to(role).bytes();
        let mut end = end(role, Delivery::Whole);
        end.feed(&ping[..ping.len() - 1]).unwrap();
        assert_eq!(end.conn.poll_timeout(), Some(at_ms(10_000)));
        // A message that begins in the read that ends the one before has its own deadline.
        end.now = at_ms(9000);
        let rest = [&ping[ping.len() - 1..], &[0x81]].concat();
        end.feed(&rest).unwrap();
        end.out.clear();
        fails_at(&mut end, 19_000);
    }
}

#[test]
fn consecutive_messages_have_their_own_deadlines() {
    for (role, opcode, mut end) in every_kind() {
        let message = Frame::new(opcode, "abc").to(role).bytes();
        let (begin, rest) = message.split_at(4);
        end.feed(begin).unwrap();
        for n in 1..=10 {
            end.now = at_ms(9000 * n);
            assert_eq!(end.timeout(), Ok(()));
            // The end of one message, a complete one, and the beginning of the next in one read.
            end.feed(&[rest, &message, begin].concat()).unwrap();
            assert_eq!(end.conn.poll_timeout(), Some(at_ms(9000 * n + 10_000)));
        }
        fails_at(&mut end, 100_000);
    }
}

#[test]
fn a_paused_message_gets_its_pause_as_additional_time() {
    for (role, opcode, mut end) in every_kind() {
        // Without an unfinished message it has no effect.
        end.conn.message_rested(secs(100));
        end.feed(&Frame::new(opcode, "abc").not_fin().to(role).bytes()).unwrap();
        assert_eq!(end.conn.poll_timeout(), Some(at_ms(10_000)));
        end.conn.message_rested(secs(3));
        end.conn.message_rested(Duration::ZERO);
        assert_eq!(end.conn.poll_timeout(), Some(at_ms(13_000)));
        end.now = at_ms(12_000);
        end.feed(&Frame::cont("d").not_fin().to(role).bytes()).unwrap();
        end.conn.message_rested(secs(60));
        fails_at(&mut end, 73_000);
        end.conn.message_rested(secs(60));
        assert_eq!(end.conn.poll_timeout(), None);
    }
}

#[test]
fn a_pause_beyond_the_maximum_instant_clears_the_deadline() {
    for role in BOTH {
        for rest in [Duration::MAX, Duration::from_micros(u64::MAX)] {
            let mut end = end(role, Delivery::Whole);
            end.now = at_ms(1);
            end.feed(&Frame::text("a").not_fin().to(role).bytes()).unwrap();
            end.conn.message_rested(rest);
            assert_eq!(end.conn.poll_timeout(), None);
            end.now = at_ms(1_000_000);
            assert_eq!(end.timeout(), Ok(()));
            // The next message has its own deadline again.
            end.feed(&Frame::cont("").to(role).bytes()).unwrap();
            end.feed(&[0x81]).unwrap();
            fails_at(&mut end, 1_010_000);
        }
    }
}

#[test]
fn a_message_that_is_read_directly_keeps_its_deadline() {
    for role in BOTH {
        for completes_in_time in [false, true] {
            let mut end = end(role, Delivery::Whole);
            let frame = Frame::binary(vec![5; 5000]).to(role).bytes();
            let mut at = frame.len() - 4900;
            end.feed(&frame[..at]).unwrap();
            let mut ms = 0;
            while at < frame.len() - 1 || (completes_in_time && at < frame.len()) {
                ms += 300;
                let room = end.conn.direct_room(&mut end.inbox).unwrap();
                let n = room.len().min(200).min(frame.len() - at);
                let n = if completes_in_time { n } else { n.min(frame.len() - 1 - at) };
                room[..n].copy_from_slice(&frame[at..at + n]);
                end.conn.received_direct(n, at_ms(ms), &mut end.inbox);
                at += n;
                end.now = at_ms(ms);
                end.feed(&[]).unwrap();
                let deadline = (at < frame.len()).then_some(at_ms(10_000));
                assert_eq!(end.conn.poll_timeout(), deadline);
                assert_eq!(end.timeout(), Ok(()));
            }
            if !completes_in_time {
                fails_at(&mut end, 10_000);
            }
        }
    }
}

#[cfg(feature = "deflate")]
#[test]
fn a_compressed_message_has_the_message_timeout_from_its_first_to_its_last_byte() {
    use sansocket::connection::Negotiated;
    use sansocket::deflate::{Agreement, Deflate, Direction, WindowBits};

    for role in BOTH {
        for delivery in [Delivery::Whole, Delivery::Parts] {
            for context_takeover in [false, true] {
                let direction =
                    Direction { window_bits: WindowBits::new(15).unwrap(), context_takeover };
                let agreement =
                    |role| Agreement::new(role, direction, direction, Deflate::default());
                let agreed = |role| Negotiated::new().with_deflate(agreement(role));
                let mut peer = End::agreed(
                    role.peer(),
                    &preset(role.peer()).build().unwrap(),
                    &agreed(role.peer()),
                );
                let text = "all the same ".repeat(100);
                peer.conn.send_text(&text, &mut peer.out).unwrap();
                let first = peer.take_out();
                assert!(first.len() < text.len() / 2, "it is compressed");
                peer.conn.send_text(&text, &mut peer.out).unwrap();
                let second = peer.take_out();

                let config = config(role).delivery(delivery).build().unwrap();
                let mut end = End::agreed(role, &config, &agreed(role));
                // The end of one message and the beginning of the next in one read.
                end.feed(&first[..first.len() - 2]).unwrap();
                assert_eq!(end.conn.poll_timeout(), Some(at_ms(10_000)));
                end.now = at_ms(9000);
                end.feed(&[&first[first.len() - 2..], &second[..2]].concat()).unwrap();
                assert_eq!(end.conn.poll_timeout(), Some(at_ms(19_000)));
                end.feed_in_chunks(&second[2..second.len() - 1], 1).unwrap();
                fails_at(&mut end, 19_000);
            }
        }
    }
}

/// We send a compressed message, after which no compression state is kept, during a message of the
/// peer.
#[cfg(feature = "deflate")]
#[test]
fn sent_compressed_messages_do_not_reset_the_message_timeout() {
    use sansocket::connection::Negotiated;
    use sansocket::deflate::{Agreement, Deflate, Direction, WindowBits};
    use sansocket::message::{Data, SendOptions};

    for role in BOTH {
        let direction =
            Direction { window_bits: WindowBits::new(15).unwrap(), context_takeover: false };
        let agreement = Agreement::new(role, direction, direction, Deflate::default());
        let agreed = Negotiated::new().with_deflate(agreement);
        let mut end = End::agreed(role, &config(role).build().unwrap(), &agreed);
        end.feed(&Frame::text("a").not_fin().to(role).bytes()).unwrap();
        let options = SendOptions::new().max_frame_len(20.try_into().unwrap());
        end.now = at_ms(5000);
        for _ in 0..2 {
            let text = "all the same ".repeat(100);
            end.conn.send(Data::Text(&text), options, &mut end.out).unwrap();
        }
        end.out.clear();
        assert_eq!(end.conn.poll_timeout(), Some(at_ms(10_000)));
        end.feed(&Frame::cont("b").not_fin().to(role).bytes()).unwrap();
        fails_at(&mut end, 10_000);
    }
}

/// After our Close frame a message still has its deadline, without a second Close frame.
#[test]
fn the_message_timeout_applies_after_our_close_frame() {
    for (role, opcode, mut end) in every_kind() {
        end.feed(&Frame::new(opcode, "abc").not_fin().to(role).bytes()).unwrap();
        end.now = at_ms(8000);
        end.conn.close(CloseCode::new(3000), "", end.now, &mut end.out).unwrap();
        end.out.clear();
        end.written();
        assert_eq!(end.conn.poll_timeout(), Some(at_ms(10_000)), "the earlier of the two");
        end.now = at_ms(9999);
        end.feed(&Frame::cont("d").not_fin().to(role).bytes()).unwrap();
        end.now = at_ms(10_000);
        assert_eq!(end.timeout(), Err(MESSAGE));
        assert!(end.out.is_empty());
        let status = end.conn.close_status().unwrap();
        assert_eq!((status.code.value(), status.by, status.clean), (3000, role, false));
    }
}

/// `poll_timeout` returns the earlier of the two deadlines, and each has its own effect.
#[test]
fn the_message_timeout_together_with_keep_alive() {
    for role in BOTH {
        let config = config(role).keep_alive(Some(secs(4)), None).build().unwrap();
        let mut end = End::new(role, &config);
        end.now = at_ms(1000);
        end.feed(&Frame::text("a").not_fin().to(role).bytes()).unwrap();
        for ms in [4000, 8000] {
            assert_eq!(end.conn.poll_timeout(), Some(at_ms(ms)));
            end.now = at_ms(ms);
            end.timeout().unwrap();
            assert_eq!(sent(role, &end.take_out()), [Frame::pong("")]);
        }
        fails_at(&mut end, 11_000);
        assert!(end.events.iter().all(|event| !matches!(event, OwnedEvent::Message(_))));
    }
}
