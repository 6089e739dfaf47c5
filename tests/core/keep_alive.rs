//! Keep-alive under a virtual clock: rows K1 to K6, as in ASP.NET Core, where received bytes are a
//! sign of life; and round-trip times.

use core::time::Duration;

use sansocket::connection::OwnedEvent;
use sansocket::error::{ProtocolError, TimeoutError};
use sansocket::message::{Data, SendOptions};
use sansocket::{CloseCode, Config, Instant, Role};

use crate::common::frame::sent;
use crate::common::{BOTH, End, Frame, Pair, at_ms, entropy, preset, secs};

const KEEP_ALIVE: ProtocolError = ProtocolError::Timeout(TimeoutError::KeepAlive);

/// With an interval of 10 s and a timeout of 3 s, and round-trip times enabled.
fn pinging(role: Role) -> End {
    let config = preset(role).keep_alive(Some(secs(10)), Some(secs(3))).build().unwrap();
    let mut end = End::new(role, &config);
    end.conn.enable_stats();
    end
}

/// After 10 s, with a ping in the output after 10,000 bytes.
fn with_unwritten_ping(role: Role) -> End {
    let mut end = pinging(role);
    end.conn.send_binary(&[1; 10_000], &mut end.out).unwrap();
    timeout_at(&mut end, 10_000).unwrap();
    end
}

/// After 10 s, with a ping that was written at once.
fn with_written_ping(role: Role) -> End {
    let mut end = pinging(role);
    timeout_at(&mut end, 10_000).unwrap();
    write(&mut end);
    end
}

/// Handles the timeouts that are due at `ms`.
fn timeout_at(end: &mut End, ms: u64) -> Result<(), ProtocolError> {
    end.now = at_ms(ms);
    end.timeout()
}

/// Receives bytes at `ms`.
fn feed_at(end: &mut End, ms: u64, bytes: &[u8]) {
    end.now = at_ms(ms);
    end.feed(bytes).unwrap();
}

/// Writes all output, notifies the connection, and returns the frames.
fn write(end: &mut End) -> Vec<Frame> {
    let role = end.conn.role();
    let frames = sent(role, &end.take_out());
    end.written();
    frames
}

fn ping(counter: u64) -> Frame {
    Frame::ping(counter.to_be_bytes())
}

fn pong(counter: u64, to: Role) -> Vec<u8> {
    Frame::pong(counter.to_be_bytes()).to(to).bytes()
}

/// S10, S11: 30 seconds in both presets, no timeout.
#[test]
fn k1_the_presets() {
    for role in BOTH {
        let ms = 30_000;
        let mut end = End::preset(role);
        for n in 1..=3 {
            assert_eq!(end.conn.poll_timeout(), Some(at_ms(n * ms)));
            timeout_at(&mut end, n * ms - 1).unwrap();
            assert!(end.out.is_empty(), "an early call is no error and has no output");
            timeout_at(&mut end, n * ms).unwrap();
            assert_eq!(write(&mut end), [Frame::pong("")]);
        }
    }
}

/// K1: without a timeout an unsolicited empty pong is sent every interval, whatever is received,
/// and the connection never fails, however long the peer is silent.
#[test]
fn k1_unsolicited_pongs_never_fail_the_connection() {
    for role in BOTH {
        let config = preset(role).keep_alive(Some(secs(10)), None).build().unwrap();
        let mut end = End::new(role, &config);
        for n in 1..=1000 {
            feed_at(&mut end, n * 10_000 - 5000, &Frame::text("x").to(role).bytes());
            end.timeout().unwrap();
            assert!(end.out.is_empty());
            timeout_at(&mut end, n * 10_000).unwrap();
            assert_eq!(write(&mut end), [Frame::pong("")]);
        }
        // After a late call, one pong is sent, and the next one an interval later.
        timeout_at(&mut end, 20_000_000).unwrap();
        end.timeout().unwrap();
        assert_eq!(write(&mut end), [Frame::pong("")]);
        assert_eq!(end.conn.poll_timeout(), Some(at_ms(20_010_000)));
    }
}

/// K1: with `out` above the mark the pong is skipped, without an error and without spinning.
#[test]
fn k1_an_unsolicited_pong_without_room_or_mask_key_is_skipped() {
    for role in BOTH {
        let config = preset(role).keep_alive(Some(secs(10)), None).max_unsent(10).build().unwrap();
        let mut end = End::new(role, &config);
        end.conn.send_binary(&[0; 50], &mut end.out).unwrap();
        let before = end.out.clone();
        timeout_at(&mut end, 10_000).unwrap();
        assert_eq!(end.out, before);
        assert_eq!(end.conn.poll_timeout(), Some(at_ms(20_000)));
    }
    let mut end = End::preset(Role::Client);
    entropy::reseed(1);
    entropy::fail_after(0);
    timeout_at(&mut end, 30_000).unwrap();
    assert!(end.out.is_empty());
    assert_eq!(end.conn.poll_timeout(), Some(at_ms(60_000)));
    entropy::reseed(1);
}

#[test]
fn k2_keep_alive_off_sets_no_deadline() {
    for role in BOTH {
        let config = preset(role).keep_alive(None, None).build().unwrap();
        let mut end = End::new(role, &config);
        assert_eq!(end.conn.poll_timeout(), None);
        end.now = Instant::from_micros(u64::MAX);
        end.timeout().unwrap();
        assert!(end.out.is_empty());
    }
}

/// K2: a ping with an 8-byte big-endian counter after the interval without input.
#[test]
fn k2_pings_have_a_counter_and_their_pongs_clear_the_deadline() {
    for role in BOTH {
        let mut end = pinging(role);
        let mut now = 0;
        for counter in 1..=300 {
            assert_eq!(end.conn.poll_timeout(), Some(at_ms(now + 10_000)));
            now += 10_000;
            timeout_at(&mut end, now).unwrap();
            assert_eq!(write(&mut end), [ping(counter)]);
            assert_eq!(end.conn.poll_timeout(), Some(at_ms(now + 3000)));
            now += 1234;
            feed_at(&mut end, now, &pong(counter, role));
            let rtt = end.conn.stats().unwrap().last_round_trip;
            assert_eq!(rtt, Some(Duration::from_millis(1234)));
        }
    }
}

/// K3: any received byte postpones the next ping.
#[test]
fn k3_received_bytes_postpone_the_next_ping() {
    for role in BOTH {
        let mut end = pinging(role);
        // A complete message, one half of a frame, one byte of a header.
        for (i, bytes) in [
            Frame::text("x").to(role).bytes(),
            vec![0x82],
            Frame::binary("xyz").to(role).bytes()[1..].to_vec(),
        ]
        .iter()
        .enumerate()
        {
            feed_at(&mut end, 9_000 * (i as u64 + 1), bytes);
            assert_eq!(end.conn.poll_timeout(), Some(at_ms(9_000 * (i as u64 + 1) + 10_000)));
            end.timeout().unwrap();
            assert!(end.out.is_empty());
        }
        // A read of zero bytes is no sign of life.
        feed_at(&mut end, 28_000, &[]);
        assert_eq!(end.conn.poll_timeout(), Some(at_ms(37_000)));
        // Sending doesn't postpone it.
        end.conn.send_text("x", &mut end.out).unwrap();
        assert_eq!(end.conn.poll_timeout(), Some(at_ms(37_000)));
        // A direct read does.
        let frame = Frame::binary([1; 500]).to(role).bytes();
        end.feed(&frame[..100]).unwrap();
        let room = end.conn.direct_room(&mut end.inbox).unwrap();
        room[0] = 0;
        end.conn.received_direct(1, at_ms(30_000), &mut end.inbox);
        assert_eq!(end.conn.poll_timeout(), Some(at_ms(40_000)));
    }
}

/// K3: only the pong with the latest counter clears the deadline of a ping; other data, an older
/// pong or an unsolicited one do not. They are signs of life, so they extend the deadline.
#[test]
fn k3_only_the_latest_counter_clears_the_deadline() {
    for role in BOTH {
        let mut end = with_written_ping(role);
        feed_at(&mut end, 10_500, &pong(1, role));
        timeout_at(&mut end, 20_500).unwrap();
        assert_eq!(write(&mut end), [ping(2)]);
        assert_eq!(end.conn.poll_timeout(), Some(at_ms(23_500)));
        let others = [
            pong(1, role),
            pong(3, role),
            Frame::pong("").to(role).bytes(),
            Frame::pong([0; 7]).to(role).bytes(),
            Frame::pong([&2_u64.to_be_bytes()[..], &[0]].concat()).to(role).bytes(),
            Frame::text("busy").to(role).bytes(),
            Frame::ping("busy").to(role).bytes(),
        ];
        let mut ms = 20_500;
        for other in others {
            ms += 2999;
            feed_at(&mut end, ms, &other);
            assert_eq!(end.timeout(), Ok(()));
            // The deadline is still that of the ping: otherwise the next one would be 10 s later.
            assert_eq!(end.conn.poll_timeout(), Some(at_ms(ms + 3000)));
        }
        let before = end.conn.stats().unwrap().last_round_trip;
        assert_eq!(before, Some(Duration::from_millis(500)), "other pongs are no round trip");
        timeout_at(&mut end, ms + 2999).unwrap();
        end.now = at_ms(ms + 3000);
        end.out.clear();
        assert_eq!(end.timeout(), Err(KEEP_ALIVE));
        assert_eq!(sent(role, &end.out), [Frame::close(1011, "")]);
    }
}

/// K4: the failure is typed and permanent, and is reported to the peer.
#[test]
fn k4_a_missing_pong_fails_the_connection() {
    for role in BOTH {
        let mut end = with_written_ping(role);
        let last = Instant::from_micros(12_999_999);
        assert_eq!(end.conn.poll_timeout(), last.checked_add(Duration::from_micros(1)));
        end.now = last;
        assert_eq!(end.timeout(), Ok(()));
        assert_eq!(timeout_at(&mut end, 13_000), Err(KEEP_ALIVE));
        let out = end.take_out();
        assert_eq!(sent(role, &out), [Frame::close(1011, "")]);
        assert!(end.conn.is_closed() && !end.conn.is_open());
        assert_eq!(end.conn.error(), Some(KEEP_ALIVE));
        assert_eq!(end.conn.poll_timeout(), None);
        assert_eq!(end.timeout(), Err(KEEP_ALIVE));
        assert_eq!(end.feed(&pong(1, role)), Err(KEEP_ALIVE));
        assert_eq!(end.conn.receive_eof(&mut end.out), Err(KEEP_ALIVE));
        assert!(end.out.is_empty(), "one Close frame");
        let status = end.conn.close_status().unwrap();
        assert_eq!(
            (status.code, status.by, status.clean),
            (CloseCode::INTERNAL_ERROR, role, false)
        );
    }
}

/// K5: the pong is among unread bytes. If it is fed before `handle_timeout`, as the design
/// requires, it counts, at the deadline and long after it.
#[test]
fn k5_input_fed_before_a_late_timeout_keeps_the_connection_open() {
    for role in BOTH {
        for late in [13_000, 13_001, 20_000, 1_000_000] {
            let mut end = with_written_ping(role);
            end.now = at_ms(late);
            let unread = [Frame::binary([7; 5000]).to(role).bytes(), pong(1, role)].concat();
            end.feed(&unread).unwrap();
            assert_eq!(end.timeout(), Ok(()));
            assert!(end.conn.is_open());
        }
    }
}

/// The timeout starts when the ping is written: as long as the output before it gets shorter, the
/// peer is slow, not dead.
#[test]
fn k5_the_timeout_starts_when_the_ping_is_written() {
    for role in BOTH {
        let mut end = with_unwritten_ping(role);
        let with_ping = end.out.len();
        // More output after it, by every form of sending.
        end.conn.send_binary(&[2; 1000], &mut end.out).unwrap();
        end.conn.send_text("text", &mut end.out).unwrap();
        end.conn.send(Data::Text("text"), SendOptions::new(), &mut end.out).unwrap();
        end.conn.send_part(Data::Text("a"), false, SendOptions::new(), &mut end.out).unwrap();
        end.conn.send_part(Data::Text("b"), true, SendOptions::new(), &mut end.out).unwrap();
        end.conn.send_prepared(&sansocket::Prepared::text("text"), &mut end.out).unwrap();
        end.conn.send_pong(b"pong", &mut end.out).unwrap();
        end.conn.send_ping(b"ping", &mut end.out).unwrap();
        end.feed(&Frame::ping("theirs").to(role).bytes()).unwrap();
        let after_ping = end.out.len() - with_ping;
        // The peer reads one byte every two seconds: the connection stays open for a long time.
        let mut now = 10_000;
        while end.out.len() > after_ping {
            let taken = (with_ping / 20).min(end.out.len() - after_ping);
            let _ = end.out.split_to(taken);
            now += 2000;
            assert_eq!(timeout_at(&mut end, now), Ok(()), "{now}");
        }
        // From here the pong has its 3 seconds, whatever output follows the ping.
        assert_eq!(end.conn.poll_timeout(), Some(at_ms(now + 3000)));
        let _ = end.out.split_to(after_ping / 2);
        assert_eq!(timeout_at(&mut end, now + 2999), Ok(()));
        end.feed(&pong(1, role)).unwrap();
        assert_eq!(timeout_at(&mut end, now + 3000), Ok(()));
        assert_eq!(end.conn.poll_timeout(), Some(at_ms(now + 2999 + 10_000)));
    }
}

/// A peer that reads no output at all for the timeout is dead.
#[test]
fn k5_a_peer_that_reads_no_output_is_dead() {
    for role in BOTH {
        let mut end = with_unwritten_ping(role);
        assert_eq!(timeout_at(&mut end, 12_999), Ok(()));
        // Output after the ping is no progress.
        end.conn.send_binary(&[2; 1000], &mut end.out).unwrap();
        assert_eq!(timeout_at(&mut end, 13_000), Err(KEEP_ALIVE));
    }
}

/// A peer inside a long frame can't send a pong: 600 KB at 300 KB/s with an interval and a timeout
/// of 500 ms, then the pong, which clears the deadline.
#[test]
fn k3_k5_a_peer_inside_a_long_frame_is_alive() {
    for role in BOTH {
        let half = Duration::from_millis(500);
        let config = preset(role).keep_alive(Some(half), Some(half)).build().unwrap();
        let mut end = End::new(role, &config);
        end.conn.enable_stats();
        timeout_at(&mut end, 500).unwrap();
        assert_eq!(write(&mut end), [ping(1)]);
        let frame = Frame::binary(vec![7; 600_000]).to(role).bytes();
        let mut ms = 500;
        for (i, bytes) in frame.chunks(3000).enumerate() {
            ms += 10;
            end.now = at_ms(ms);
            // Every other read is direct, where possible.
            match end.conn.direct_room(&mut end.inbox) {
                Some(room) if i % 2 == 0 && room.len() >= bytes.len() => {
                    room[..bytes.len()].copy_from_slice(bytes);
                    end.conn.received_direct(bytes.len(), at_ms(ms), &mut end.inbox);
                    end.feed(&[]).unwrap();
                }
                _ => end.feed(bytes).unwrap(),
            }
            assert_eq!(end.conn.poll_timeout(), Some(at_ms(ms + 500)));
            assert_eq!(end.timeout(), Ok(()));
        }
        assert!(ms >= 2500 && end.out.is_empty(), "no second ping while one is pending");
        end.feed(&pong(1, role)).unwrap();
        assert_eq!(end.events.len(), 2);
        let stats = end.conn.stats().unwrap();
        assert_eq!(stats.last_round_trip, Some(Duration::from_millis(ms - 500)));
        timeout_at(&mut end, ms + 500).unwrap();
        assert_eq!(write(&mut end), [ping(2)], "the pong cleared the deadline");
    }
}

/// No more signs of life: the connection fails at the timeout after the last byte, whatever the
/// bytes were.
#[test]
fn k4_k5_silence_for_the_timeout_after_the_last_byte_fails_the_connection() {
    for role in BOTH {
        let mut end = with_written_ping(role);
        let frame = Frame::binary([7; 300]).to(role).bytes();
        let mut ms = 10_000;
        for byte in &frame[..300] {
            ms += 2999;
            assert_eq!(timeout_at(&mut end, ms), Ok(()));
            end.feed(&[*byte]).unwrap();
        }
        feed_at(&mut end, ms + 2999, &[]);
        assert_eq!(end.timeout(), Ok(()));
        assert_eq!(timeout_at(&mut end, ms + 3000), Err(KEEP_ALIVE));
    }
}

/// A peer that reads no output but sends is alive: its bytes extend the deadline of an unwritten
/// ping.
#[test]
fn k5_received_bytes_extend_the_deadline_of_an_unwritten_ping() {
    for role in BOTH {
        let mut end = with_unwritten_ping(role);
        for n in 0..100 {
            feed_at(&mut end, 12_000 + n * 2000, &Frame::text("x").to(role).bytes());
            assert_eq!(end.conn.poll_timeout(), Some(at_ms(15_000 + n * 2000)));
            assert_eq!(end.timeout(), Ok(()));
        }
        assert_eq!(timeout_at(&mut end, 213_000), Err(KEEP_ALIVE));
    }
}

/// A round trip starts when the ping is written, not when a Close frame after it is.
#[test]
fn a_close_frame_after_a_ping_does_not_count_as_the_ping() {
    for role in BOTH {
        let mut end = with_unwritten_ping(role);
        let with_ping = end.out.len();
        end.conn.close(CloseCode::NORMAL, "", end.now, &mut end.out).unwrap();
        end.now = at_ms(11_000);
        let _ = end.out.split_to(with_ping);
        end.written();
        end.now = at_ms(12_000);
        end.out.clear();
        end.written();
        feed_at(&mut end, 13_000, &pong(1, role));
        let rtt = end.conn.stats().unwrap().last_round_trip;
        assert_eq!(rtt, Some(Duration::from_millis(2000)));
    }
}

/// A driver that reports no writes: the timeout starts at the first deadline at the latest.
#[test]
fn k5_an_unreported_write_is_noticed_at_the_deadline() {
    for role in BOTH {
        let mut end = pinging(role);
        timeout_at(&mut end, 10_000).unwrap();
        end.take_out();
        assert_eq!(timeout_at(&mut end, 13_000), Ok(()));
        assert_eq!(end.conn.poll_timeout(), Some(at_ms(16_000)));
        assert_eq!(timeout_at(&mut end, 16_000), Err(KEEP_ALIVE));
    }
}

/// A ping without a mask key: no error, no spinning, and a retry after an interval.
#[test]
fn k2_a_ping_without_entropy_is_retried_after_an_interval() {
    let mut end = pinging(Role::Client);
    entropy::reseed(1);
    entropy::fail_after(0);
    timeout_at(&mut end, 10_000).unwrap();
    assert!(end.out.is_empty());
    assert_eq!(end.conn.poll_timeout(), Some(at_ms(20_000)), "a past deadline would spin");
    entropy::reseed(1);
    timeout_at(&mut end, 20_000).unwrap();
    assert_eq!(write(&mut end).len(), 1);
}

/// Two ends that ping each other at the same time, for an hour: no end fails, no buffer grows.
#[test]
fn k6_two_ends_keep_each_other_alive() {
    let server = Config::server().keep_alive(Some(secs(10)), Some(secs(3))).build().unwrap();
    let client = preset(Role::Client).keep_alive(Some(secs(10)), Some(secs(3))).build().unwrap();
    let mut pair = Pair::new(&client, &server);
    pair.client.conn.enable_stats();
    pair.server.conn.enable_stats();
    pair.advance(secs(3600));
    for end in [&pair.client, &pair.server] {
        assert!(end.conn.is_open(), "{:?}", end.error);
        assert!(end.out.is_empty());
        assert!(end.conn.stats().unwrap().last_round_trip.is_some());
        assert!((300..800).contains(&end.events.len()), "{}", end.events.len());
    }
}

/// K6, S27: the client pings at an interval, the server fails after silence.
#[test]
fn k6_s27_a_vanished_peer_is_detected_and_an_idle_peer_stays_connected() {
    let server = Config::server().keep_alive(Some(secs(20)), Some(secs(20))).build().unwrap();
    let client = preset(Role::Client).keep_alive(Some(secs(10)), None).build().unwrap();
    let mut pair = Pair::new(&client, &server);
    pair.advance(secs(600));
    assert!(pair.server.conn.is_open());
    assert!(pair.server.events.iter().all(|event| matches!(event, OwnedEvent::Pong(_))));
    // The client vanishes: its output no longer arrives.
    let mut end = pair.server;
    let mut failed = None;
    while failed.is_none() {
        end.now = end.conn.poll_timeout().unwrap();
        failed = end.timeout().err();
        end.take_out();
    }
    assert_eq!(failed, Some(KEEP_ALIVE));
    assert!(end.now <= at_ms(600_000 + 60_000), "{:?}", end.now);
}
