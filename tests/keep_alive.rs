//! Keep-alive and the close deadline under a virtual clock: rows K1 to K6 of `aspnet.md` as the
//! design states them, V25, and round-trip times.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

mod common;

use core::time::Duration;

use common::frame::sent;
use common::{BOTH, End, Frame, Pair, at_ms, entropy, preset, secs};
use sansocket::{
    CloseCode, Config, Data, Instant, OwnedEvent, ProtocolError, Role, SendOptions, TimeoutError,
};

const KEEP_ALIVE: ProtocolError = ProtocolError::Timeout(TimeoutError::KeepAlive);
const CLOSE: ProtocolError = ProtocolError::Timeout(TimeoutError::Close);

/// With an interval of 10 s and a timeout of 3 s, the round trip measured.
fn pinging(role: Role) -> End {
    let config = preset(role).keep_alive(Some(secs(10)), Some(secs(3))).build().unwrap();
    let mut end = End::new(role, &config);
    end.conn.enable_stats();
    end
}

/// The frames in `out`, which is written and emptied; the connection is told, as a driver may.
fn write(end: &mut End) -> Vec<Frame> {
    let role = end.conn.role();
    let frames = sent(role, &end.take_out());
    end.timeout().unwrap();
    frames
}

fn ping(counter: u64) -> Frame {
    Frame::ping(counter.to_be_bytes())
}

fn pong(counter: u64, to: Role) -> Vec<u8> {
    Frame::pong(counter.to_be_bytes()).to(to).bytes()
}

/// S10, S11: 2 minutes for a server, 30 seconds for a client, no timeout.
#[test]
fn k1_the_presets() {
    for (role, ms) in [(Role::Server, 120_000), (Role::Client, 30_000)] {
        let mut end = End::preset(role);
        for n in 1..=3 {
            assert_eq!(end.conn.poll_timeout(), Some(at_ms(n * ms)));
            end.now = at_ms(n * ms - 1);
            end.timeout().unwrap();
            assert!(end.out.is_empty(), "early is no error and nothing is due");
            end.now = at_ms(n * ms);
            end.timeout().unwrap();
            assert_eq!(write(&mut end), [Frame::pong("")]);
        }
    }
}

/// K1: without a timeout an unsolicited empty pong every interval, whatever is received, and never
/// a failure, however long the peer is silent.
#[test]
fn k1_unsolicited_pongs_and_no_failure() {
    for role in BOTH {
        let config = preset(role).keep_alive(Some(secs(10)), None).build().unwrap();
        let mut end = End::new(role, &config);
        for n in 1..=1000 {
            end.now = at_ms(n * 10_000 - 5000);
            end.feed(&Frame::text("x").to(role).bytes()).unwrap();
            end.timeout().unwrap();
            assert!(end.out.is_empty());
            end.now = at_ms(n * 10_000);
            end.timeout().unwrap();
            assert_eq!(write(&mut end), [Frame::pong("")]);
        }
        // Called late, it is sent once, and the next one an interval later.
        end.now = at_ms(20_000_000);
        end.timeout().unwrap();
        end.timeout().unwrap();
        assert_eq!(write(&mut end), [Frame::pong("")]);
        assert_eq!(end.conn.poll_timeout(), Some(at_ms(20_010_000)));
    }
}

/// K1: with `out` over the mark the pong is left out, without an error and without spinning.
#[test]
fn k1_an_unsolicited_pong_without_room_or_key_is_left_out() {
    for role in BOTH {
        let config = preset(role).keep_alive(Some(secs(10)), None).max_unsent(10).build().unwrap();
        let mut end = End::new(role, &config);
        end.conn.send_binary(&[0; 50], &mut end.out).unwrap();
        let before = end.out.clone();
        end.now = at_ms(10_000);
        end.timeout().unwrap();
        assert_eq!(end.out, before);
        assert_eq!(end.conn.poll_timeout(), Some(at_ms(20_000)));
    }
    let mut end = End::preset(Role::Client);
    entropy::reseed(1);
    entropy::fail_after(0);
    end.now = at_ms(30_000);
    end.timeout().unwrap();
    assert!(end.out.is_empty());
    assert_eq!(end.conn.poll_timeout(), Some(at_ms(60_000)));
    entropy::reseed(1);
}

#[test]
fn k2_off_means_no_deadline() {
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
fn k2_pings_carry_a_counter_and_their_pongs_end_the_wait() {
    for role in BOTH {
        let mut end = pinging(role);
        let mut now = 0;
        for counter in 1..=300 {
            assert_eq!(end.conn.poll_timeout(), Some(at_ms(now + 10_000)));
            now += 10_000;
            end.now = at_ms(now);
            end.timeout().unwrap();
            assert_eq!(write(&mut end), [ping(counter)]);
            assert_eq!(end.conn.poll_timeout(), Some(at_ms(now + 3000)));
            now += 1234;
            end.now = at_ms(now);
            end.feed(&pong(counter, role)).unwrap();
            let rtt = end.conn.stats().unwrap().last_round_trip;
            assert_eq!(rtt, Some(Duration::from_millis(1234)));
        }
    }
}

/// K3: any received byte moves the next ping away.
#[test]
fn k3_received_bytes_move_the_next_ping_away() {
    for role in BOTH {
        let mut end = pinging(role);
        // A whole message, one half of a frame, one byte of a header.
        for (i, bytes) in [
            Frame::text("x").to(role).bytes(),
            vec![0x82],
            Frame::binary("xyz").to(role).bytes()[1..].to_vec(),
        ]
        .iter()
        .enumerate()
        {
            end.now = at_ms(9_000 * (i as u64 + 1));
            end.feed(bytes).unwrap();
            assert_eq!(end.conn.poll_timeout(), Some(at_ms(9_000 * (i as u64 + 1) + 10_000)));
            end.timeout().unwrap();
            assert!(end.out.is_empty());
        }
        // Nothing received is nothing heard.
        end.now = at_ms(28_000);
        end.feed(&[]).unwrap();
        assert_eq!(end.conn.poll_timeout(), Some(at_ms(37_000)));
        // Sending moves nothing.
        end.conn.send_text("x", &mut end.out).unwrap();
        assert_eq!(end.conn.poll_timeout(), Some(at_ms(37_000)));
        // Direct reading is receiving.
        let frame = Frame::binary([1; 500]).to(role).bytes();
        end.feed(&frame[..100]).unwrap();
        let room = end.conn.direct_room(&mut end.inbox).unwrap();
        room[0] = 0;
        end.conn.received_direct(1, at_ms(30_000), &mut end.inbox);
        assert_eq!(end.conn.poll_timeout(), Some(at_ms(40_000)));
    }
}

/// K3: while a pong is awaited only the one with the latest counter ends the wait; other data, an
/// older pong, an unsolicited one do not.
#[test]
fn k3_only_the_latest_counter_ends_the_wait() {
    for role in BOTH {
        let mut end = pinging(role);
        end.now = at_ms(10_000);
        end.timeout().unwrap();
        write(&mut end);
        end.now = at_ms(10_500);
        end.feed(&pong(1, role)).unwrap();
        end.now = at_ms(20_500);
        end.timeout().unwrap();
        assert_eq!(write(&mut end), [ping(2)]);
        let deadline = Some(at_ms(23_500));
        end.now = at_ms(21_000);
        for other in [
            pong(1, role),
            pong(3, role),
            Frame::pong("").to(role).bytes(),
            Frame::pong([0; 7]).to(role).bytes(),
            Frame::pong([&2_u64.to_be_bytes()[..], &[0]].concat()).to(role).bytes(),
            Frame::text("busy").to(role).bytes(),
            Frame::ping("busy").to(role).bytes(),
        ] {
            end.feed(&other).unwrap();
            assert_eq!(end.conn.poll_timeout(), deadline);
        }
        let before = end.conn.stats().unwrap().last_round_trip;
        assert_eq!(before, Some(Duration::from_millis(500)), "others don't count as a round trip");
        end.now = at_ms(23_499);
        end.timeout().unwrap();
        end.now = at_ms(23_500);
        end.out.clear();
        assert_eq!(end.timeout(), Err(KEEP_ALIVE));
        assert_eq!(sent(role, &end.out), [Frame::close(1011, "")]);
    }
}

/// K4: the failure is typed, poisons, and is reported.
#[test]
fn k4_a_missing_pong_fails_the_connection() {
    for role in BOTH {
        let mut end = pinging(role);
        end.now = at_ms(10_000);
        end.timeout().unwrap();
        write(&mut end);
        end.now = at_ms(13_000);
        assert_eq!(end.timeout(), Err(KEEP_ALIVE));
        let out = end.take_out();
        assert_eq!(sent(role, &out), [Frame::close(1011, "")]);
        assert!(end.conn.is_closed() && !end.conn.is_open());
        assert_eq!(end.conn.error(), Some(KEEP_ALIVE));
        assert_eq!(end.conn.poll_timeout(), None);
        assert_eq!(end.timeout(), Err(KEEP_ALIVE));
        assert_eq!(end.feed(&pong(1, role)), Err(KEEP_ALIVE));
        assert_eq!(end.conn.receive_eof(), Err(KEEP_ALIVE));
        assert!(end.out.is_empty(), "one Close frame");
        let status = end.conn.close_status().unwrap();
        assert_eq!(
            (status.code, status.by, status.clean),
            (CloseCode::INTERNAL_ERROR, role, false)
        );
    }
}

/// K5: the pong is among unread bytes. Fed before `handle_timeout`, as the design's rule says, it
/// is seen, at the deadline and long after it.
#[test]
fn k5_bytes_at_hand_are_fed_first_and_a_paused_reader_is_not_a_dead_peer() {
    for role in BOTH {
        for late in [13_000, 13_001, 20_000, 1_000_000] {
            let mut end = pinging(role);
            end.now = at_ms(10_000);
            end.timeout().unwrap();
            write(&mut end);
            end.now = at_ms(late);
            let unread = [Frame::binary([7; 5000]).to(role).bytes(), pong(1, role)].concat();
            end.feed(&unread).unwrap();
            assert_eq!(end.timeout(), Ok(()));
            assert!(end.conn.is_open());
        }
    }
}

/// The wait starts when the ping has left `out`: as long as what lies before it gets shorter, the
/// peer is slow, not dead.
#[test]
fn k5_the_wait_starts_when_the_ping_has_left_the_output() {
    for role in BOTH {
        let mut end = pinging(role);
        end.conn.send_binary(&[1; 10_000], &mut end.out).unwrap();
        end.now = at_ms(10_000);
        end.timeout().unwrap();
        let with_ping = end.out.len();
        // More comes behind it, by every way of sending.
        end.conn.send_binary(&[2; 1000], &mut end.out).unwrap();
        end.conn.send_text("text", &mut end.out).unwrap();
        end.conn.send(Data::Text("text"), SendOptions::new(), &mut end.out).unwrap();
        end.conn.send_part(Data::Text("a"), false, SendOptions::new(), &mut end.out).unwrap();
        end.conn.send_part(Data::Text("b"), true, SendOptions::new(), &mut end.out).unwrap();
        end.conn.send_prepared(&sansocket::Prepared::text("text"), &mut end.out).unwrap();
        end.conn.send_pong(b"pong", &mut end.out).unwrap();
        end.conn.send_ping(b"ping", &mut end.out).unwrap();
        end.feed(&Frame::ping("theirs").to(role).bytes()).unwrap();
        let behind = end.out.len() - with_ping;
        // The peer takes a byte every two seconds: for long nothing fails.
        let mut now = 10_000;
        while end.out.len() > behind {
            let taken = (with_ping / 20).min(end.out.len() - behind);
            let _ = end.out.split_to(taken);
            now += 2000;
            end.now = at_ms(now);
            assert_eq!(end.timeout(), Ok(()), "{now}");
        }
        // From here the pong has its 3 seconds, whatever lies behind the ping.
        assert_eq!(end.conn.poll_timeout(), Some(at_ms(now + 3000)));
        let _ = end.out.split_to(behind / 2);
        end.now = at_ms(now + 2999);
        assert_eq!(end.timeout(), Ok(()));
        end.feed(&pong(1, role)).unwrap();
        end.now = at_ms(now + 3000);
        assert_eq!(end.timeout(), Ok(()));
        assert_eq!(end.conn.poll_timeout(), Some(at_ms(now + 2999 + 10_000)));
    }
}

/// A peer that takes nothing at all for the timeout is dead.
#[test]
fn k5_a_peer_that_takes_nothing_is_dead() {
    for role in BOTH {
        let mut end = pinging(role);
        end.conn.send_binary(&[1; 10_000], &mut end.out).unwrap();
        end.now = at_ms(10_000);
        end.timeout().unwrap();
        end.now = at_ms(12_999);
        assert_eq!(end.timeout(), Ok(()));
        // Output behind the ping is no progress.
        end.conn.send_binary(&[2; 1000], &mut end.out).unwrap();
        end.now = at_ms(13_000);
        assert_eq!(end.timeout(), Err(KEEP_ALIVE));
    }
}

/// A driver that tells nothing of its writes: the wait starts at the latest at the first deadline.
#[test]
fn k5_a_write_that_nobody_told_of_is_seen_at_the_deadline() {
    for role in BOTH {
        let mut end = pinging(role);
        end.now = at_ms(10_000);
        end.timeout().unwrap();
        end.take_out();
        end.now = at_ms(13_000);
        assert_eq!(end.timeout(), Ok(()));
        assert_eq!(end.conn.poll_timeout(), Some(at_ms(16_000)));
        end.now = at_ms(16_000);
        assert_eq!(end.timeout(), Err(KEEP_ALIVE));
    }
}

/// A ping for which there is no key: no error, no spinning, tried again an interval later.
#[test]
fn k2_a_ping_without_entropy_is_tried_again_an_interval_later() {
    let mut end = pinging(Role::Client);
    entropy::reseed(1);
    entropy::fail_after(0);
    end.now = at_ms(10_000);
    end.timeout().unwrap();
    assert!(end.out.is_empty());
    assert_eq!(end.conn.poll_timeout(), Some(at_ms(20_000)), "a past deadline would spin");
    entropy::reseed(1);
    end.now = at_ms(20_000);
    end.timeout().unwrap();
    assert_eq!(write(&mut end).len(), 1);
}

/// Two ends that ping each other at once, for an hour: nobody fails, nothing grows.
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

/// K6, S27: the client pings every X, the server drops after silence.
#[test]
fn k6_s27_a_vanished_peer_is_noticed_and_a_quiet_one_is_not() {
    let server = Config::server().keep_alive(Some(secs(20)), Some(secs(20))).build().unwrap();
    let client = preset(Role::Client).keep_alive(Some(secs(10)), None).build().unwrap();
    let mut pair = Pair::new(&client, &server);
    pair.advance(secs(600));
    assert!(pair.server.conn.is_open());
    assert!(pair.server.events.iter().all(|event| matches!(event, OwnedEvent::Pong(_))));
    // The client vanishes: nothing of what it writes arrives any more.
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

#[test]
fn durations_that_never_end_and_clocks_at_the_edges() {
    for role in BOTH {
        for (interval, timeout) in
            [(Some(Duration::MAX), None), (Some(Duration::MAX), Some(Duration::MAX))]
        {
            let config = preset(role)
                .keep_alive(interval, timeout)
                .close_timeout(Duration::MAX)
                .build()
                .unwrap();
            let mut end = End::new(role, &config);
            assert_eq!(end.conn.poll_timeout(), None);
            end.now = Instant::from_micros(u64::MAX);
            end.timeout().unwrap();
            end.feed(&Frame::text("x").to(role).bytes()).unwrap();
            assert_eq!(end.conn.poll_timeout(), None);
            end.conn.close(CloseCode::NORMAL, "", end.now, &mut end.out).unwrap();
            assert_eq!(end.conn.poll_timeout(), None);
            end.timeout().unwrap();
            assert!(!end.conn.is_closed());
        }
        // The last instants there are: the deadline can't be told, so there is none.
        let mut end = pinging(role);
        end.now = Instant::from_micros(u64::MAX - 5);
        end.feed(&Frame::text("x").to(role).bytes()).unwrap();
        assert_eq!(end.conn.poll_timeout(), None);
        end.timeout().unwrap();
        // A clock that goes backwards is no panic.
        end.now = at_ms(0);
        end.feed(&Frame::text("x").to(role).bytes()).unwrap();
        end.timeout().unwrap();
        assert!(end.conn.poll_timeout().is_some());
        // A ping just before the end of time.
        let config = preset(role).keep_alive(Some(secs(10)), Some(Duration::MAX)).build().unwrap();
        let mut end = End::new(role, &config);
        end.now = at_ms(10_000);
        end.timeout().unwrap();
        assert_eq!(end.conn.poll_timeout(), None, "waits for ever");
        end.feed(&pong(1, role)).unwrap();
        assert_eq!(end.conn.poll_timeout(), Some(at_ms(20_000)));
    }
    let t = Instant::from_micros(u64::MAX);
    assert_eq!(t.checked_add(Duration::from_micros(1)), None);
    assert_eq!(t.checked_add(Duration::MAX), None);
    assert_eq!(t.checked_add(Duration::from_nanos(999)), Some(t));
    assert_eq!(at_ms(0).saturating_duration_since(t), Duration::ZERO);
}

/// V25: the close deadline is told, kept to the microsecond, and ends without a second frame.
#[test]
fn v25_c5_the_close_deadline() {
    for role in BOTH {
        let mut end = End::preset(role);
        end.conn.close(CloseCode::NORMAL, "", at_ms(1000), &mut end.out).unwrap();
        end.take_out();
        assert_eq!(end.conn.poll_timeout(), Some(at_ms(6000)), "5 s by default");
        // What still arrives doesn't move it.
        end.now = at_ms(5999);
        end.feed(&Frame::text("x").to(role).bytes()).unwrap();
        end.feed(&Frame::ping("x").to(role).bytes()).unwrap();
        assert_eq!(end.timeout(), Ok(()));
        assert_eq!(end.conn.poll_timeout(), Some(at_ms(6000)));
        end.take_out();
        end.now = at_ms(6000);
        assert_eq!(end.timeout(), Err(CLOSE));
        assert!(end.out.is_empty() && end.conn.is_closed());
        let status = end.conn.close_status().unwrap();
        assert_eq!((status.code, status.by, status.clean), (CloseCode::ABNORMAL, role, false));
        assert_eq!(end.feed(&Frame::close(1000, "").to(role).bytes()), Err(CLOSE));
        assert_eq!(end.conn.poll_timeout(), None);
    }
}

/// After our Close frame there is no keep-alive any more, and none after the end.
#[test]
fn v25_keep_alive_ends_with_the_close_frame() {
    for role in BOTH {
        let config = preset(role)
            .keep_alive(Some(secs(1)), Some(secs(1)))
            .close_timeout(secs(100))
            .build()
            .unwrap();
        let mut end = End::new(role, &config);
        end.now = at_ms(1000);
        end.timeout().unwrap();
        end.conn.close(CloseCode::NORMAL, "", end.now, &mut end.out).unwrap();
        let frames = sent(role, &end.take_out());
        assert_eq!(frames, [ping(1), Frame::close(1000, "")]);
        end.now = at_ms(100_999);
        assert_eq!(end.timeout(), Ok(()));
        assert!(end.out.is_empty());
        end.feed(&Frame::close(1000, "").to(role).bytes()).unwrap();
        assert_eq!(end.conn.poll_timeout(), None);
        end.now = at_ms(1_000_000);
        assert_eq!(end.timeout(), Ok(()));
        assert!(end.out.is_empty());
    }
}

#[test]
fn stats_count_messages_and_bytes_of_every_form() {
    for role in BOTH {
        for parts in [false, true] {
            let delivery =
                if parts { sansocket::Delivery::Parts } else { sansocket::Delivery::Whole };
            let config = preset(role).delivery(delivery).build().unwrap();
            let frames: Vec<u8> = [
                Frame::text("abc"),
                Frame::text("\u{20ac}\u{1f600}").not_fin(),
                Frame::ping("not counted"),
                Frame::cont("\u{e4}"),
                Frame::binary([1; 1000]),
                Frame::binary(""),
                Frame::pong("not counted"),
            ]
            .into_iter()
            .flat_map(|frame| frame.to(role).bytes())
            .collect();
            for piece in [1, 2, 3, 5, 100, frames.len()] {
                let mut end = End::new(role, &config);
                assert_eq!(end.conn.stats(), None);
                end.conn.enable_stats();
                end.feed_by(&frames, piece).unwrap();
                let stats = end.conn.stats().unwrap();
                assert_eq!((stats.messages_received, stats.bytes_received), (4, 1012), "{piece}");
                end.conn.enable_stats();
                assert_eq!(end.conn.stats(), Some(stats), "switched on twice");
                end.out.clear();
                end.conn.send_text("abc", &mut end.out).unwrap();
                let o = SendOptions::new();
                end.conn.send_part(Data::Binary(b"ab"), false, o, &mut end.out).unwrap();
                end.conn.send_part(Data::Binary(b"c"), true, o, &mut end.out).unwrap();
                let two = o.max_frame_len(2.try_into().unwrap());
                end.conn.send(Data::Text("abc"), two, &mut end.out).unwrap();
                end.conn.send_prepared(&sansocket::Prepared::text("abc"), &mut end.out).unwrap();
                end.conn.send_ping(b"not counted", &mut end.out).unwrap();
                let stats = end.conn.stats().unwrap();
                assert_eq!((stats.messages_sent, stats.bytes_sent), (4, 12));
                assert_eq!(stats.last_round_trip, None);
            }
        }
    }
}
