//! Allocations of compression, counted: none before its use, the size of the window while it is
//! kept, none without context takeover, and no more than the limit for a bomb.

use bytes::BytesMut;
use sansocket::config::Delivery;
use sansocket::connection::Negotiated;
use sansocket::deflate::{Deflate, Level, WindowBits};
use sansocket::error::{LimitError, ProtocolError};
use sansocket::message::{Data, SendOptions};
use sansocket::{Config, Connection, Entropy, Event, Inbox, Input, Prepared, Role};

use crate::alloc::count;
use crate::common::deflate::{Foreign, Terms, compressed, noise, payload, prose};
use crate::common::frame::{self, BINARY, TEXT};
use crate::common::{BOTH, End, Frame, at_ms, preset, secs};

const TOO_LONG: ProtocolError = ProtocolError::Limit(LimitError::MessageTooLong);

/// Keys are drawn from the thread's common block, as outside of tests: none are in the connection.
fn config(role: Role) -> Config {
    match role {
        Role::Server => Config::server().build().unwrap(),
        Role::Client => Config::client(Entropy::os()).build().unwrap(),
    }
}

/// Returns the memory of the end: that of the connection, without inbox and output.
fn settle(end: &mut End) {
    end.inbox.shrink();
    end.out = BytesMut::new();
    end.events = Vec::new();
}

fn text(n: usize, len: usize) -> String {
    let line = format!("{{\"n\":{n},\"user\":\"user {}\",\"value\":{}}} ", n * 7 % 13, n * n);
    line.repeat(len / line.len() + 1)[..len].to_string()
}

/// Allocates the memory that the thread keeps for all its connections, before the count.
fn warm_up() {
    for role in BOTH {
        let mut from = Terms::default().preset(role);
        let mut to = Terms::default().preset(role.peer());
        for len in [100, 100_000] {
            from.conn.send_text(&text(1, len), &mut from.out).unwrap();
            to.feed(&from.take_out()).unwrap();
        }
    }
}

#[test]
fn no_memory_before_the_first_compressed_message() {
    warm_up();
    for role in BOTH {
        let negotiated = Terms::default().negotiated(role);
        let config = preset(role).build().unwrap();
        let mut input = Frame::text("hello").to(role).bytes();
        let mut out = BytesMut::with_capacity(1 << 12);
        let mut inbox = Inbox::new();
        // The keys of a client are drawn before: its own generator has a block in the connection.
        let role_has_keys = role == Role::Client;
        let (conn, counted) = count(|| {
            let mut conn = Connection::new(role, &config, &negotiated, at_ms(0));
            let mut input = Input::new(at_ms(1), &mut input);
            while let Some(event) = conn.receive(&mut input, &mut inbox, &mut out).unwrap() {
                let Event::Text(text) = event else { panic!("{event:?}") };
                if !role_has_keys {
                    conn.send_text(text, &mut out).unwrap();
                }
            }
            conn
        });
        assert_eq!((counted.live, counted.calls), (0, 0), "{role:?}");
        drop(conn);
    }
}

/// The heap of a connection after it has sent and received `messages` of `len` bytes.
fn heap(terms: Terms, role: Role, messages: usize, len: usize) -> isize {
    let mut peer = terms.preset(role.peer());
    let config = config(role);
    let (end, _) = count(|| {
        let mut end = terms.end(role, &config);
        for n in 0..messages {
            let text = text(n, len);
            peer.conn.send_text(&text, &mut peer.out).unwrap();
            end.feed(&peer.take_out()).unwrap();
            end.conn.send_text(&text, &mut end.out).unwrap();
            peer.feed(&end.take_out()).unwrap();
            peer.events = Vec::new();
        }
        settle(&mut end);
        end
    });
    let ((), after) = count(|| drop(end));
    // The memory that its drop frees is the memory that it held.
    -after.live
}

#[test]
fn memory_of_both_directions_with_context_takeover() {
    warm_up();
    for role in BOTH {
        for (bits, most) in [(9, 4 << 10), (10, 8 << 10), (12, 45_000), (15, 240 << 10)] {
            let most_of = |messages, len| heap(Terms::default().bits(bits), role, messages, len);
            for (messages, len) in [(2000, 100), (50, 5000), (3, 300_000)] {
                let heap = most_of(messages, len);
                assert!(heap <= most, "{bits} bits, {messages} of {len} bytes: {heap} bytes");
            }
            // It grows with the bytes sent and received.
            let little = most_of(1, 100);
            assert!(little < 4 << 10, "{bits} bits, one short message: {little} bytes");
        }
    }
}

#[test]
fn no_memory_is_kept_without_context_takeover() {
    warm_up();
    for role in BOTH {
        let terms = Terms::default().takeover(false);
        for (messages, len) in [(1, 200), (100, 200), (3, 100_000)] {
            let heap = heap(terms, role, messages, len);
            assert_eq!(heap, 0, "{role:?}: bytes of heap");
        }
        // In parts too, after the complete message.
        let config = config(role);
        let mut end = terms.end(role, &config);
        for (i, part) in [text(1, 1000), text(2, 1000), String::new()].iter().enumerate() {
            end.conn.send_part(Data::Text(part), i == 2, SendOptions::new(), &mut end.out).unwrap();
        }
        settle(&mut end);
        let ((), after) = count(|| drop(end));
        assert_eq!(after.live, 0);
    }
}

#[test]
fn a_failed_or_closed_connection_keeps_no_memory() {
    warm_up();
    for role in BOTH {
        let mut end = Terms::default().preset(role);
        let mut foreign = Foreign::new();
        let message = text(1, 100_000);
        let frame = compressed(BINARY, foreign.payload(message.as_bytes())).to(role);
        end.feed(&frame.bytes()).unwrap();
        end.conn.send_text(&message, &mut end.out).unwrap();
        let ((), counted) = count(|| {
            end.feed(&compressed(BINARY, [0x06]).to(role).bytes()).unwrap_err();
            end.inbox.shrink();
        });
        assert!(counted.live < -50_000, "{}", counted.live);
    }
}

/// Runs of zeros of any length, compressed.
fn bomb(len: usize) -> Vec<u8> {
    payload(&vec![0; len])
}

#[test]
fn v9_a_bomb_stops_at_the_limit() {
    warm_up();
    let payload = bomb(50_000_000);
    assert!(payload.len() < 60_000, "{} bytes", payload.len());
    for role in BOTH {
        for delivery in [Delivery::Whole, Delivery::Parts] {
            let limit = 1 << 20;
            let builder = preset(role).delivery(delivery).max_message_len(limit as u64);
            let config = builder.build().unwrap();
            let cut = payload.len() / 2;
            let alone = compressed(BINARY, &payload).to(role).bytes();
            let fragments = frame::bytes(&[
                compressed(BINARY, &payload[..cut]).not_fin().to(role),
                Frame::cont(&payload[cut..]).to(role),
            ]);
            for mut bytes in [alone, fragments] {
                let mut end = Terms::default().end(role, &config);
                let (error, counted) = count(|| {
                    let mut input = Input::new(at_ms(1), &mut bytes);
                    loop {
                        match end.conn.receive(&mut input, &mut end.inbox, &mut end.out) {
                            Ok(Some(Event::Part { .. })) => {}
                            Ok(event) => panic!("{event:?}"),
                            Err(error) => return error,
                        }
                    }
                });
                assert_eq!(error, TOO_LONG);
                assert!(counted.live < 1000, "{delivery:?}: {} bytes", counted.live);
                // During growth, the old and the new buffer can exist at the same time.
                assert!(counted.peak <= limit * 2, "{delivery:?}: {} bytes", counted.peak);
            }
        }
    }
}

#[test]
fn v38_forty_bombs_at_once() {
    warm_up();
    let payload = bomb(4_000_000);
    let limit = 256 << 10;
    let config = preset(Role::Server).max_message_len(limit as u64).build().unwrap();
    let frame = compressed(BINARY, &payload).to(Role::Server).bytes();
    let mut ends: Vec<End> = (0..40).map(|_| Terms::default().end(Role::Server, &config)).collect();
    let mut inputs = vec![frame; 40];
    let ((), counted) = count(|| {
        // Each connection receives one part per turn.
        let count = inputs[0].len().div_ceil(100);
        let mut failed = 0;
        for i in 0..count {
            for (end, input) in ends.iter_mut().zip(&mut inputs) {
                if end.conn.is_closed() {
                    continue;
                }
                let chunk = input.chunks_mut(100).nth(i).unwrap();
                let mut input = Input::new(at_ms(1), chunk);
                if let Err(error) = end.conn.receive(&mut input, &mut end.inbox, &mut end.out) {
                    assert_eq!(error, TOO_LONG);
                    failed += 1;
                }
            }
        }
        assert_eq!(failed, 40);
    });
    // One buffer at a time can exist twice during growth.
    assert!(counted.peak * 10 <= (40 + 1) * limit * 11, "{} bytes", counted.peak);
    assert!(counted.live < 40 * 1000, "{} bytes", counted.live);
}

/// Each bomb arrives in one read: the call that fails frees its memory.
#[test]
fn forty_connections_with_a_bomb_each_have_the_memory_of_one() {
    warm_up();
    let payload = bomb(53_000_000);
    let frame = compressed(BINARY, &payload).to(Role::Server).bytes();
    assert!((51_000..53_000).contains(&frame.len()), "{} bytes", frame.len());
    let config = preset(Role::Server).max_message_len(16 << 20).build().unwrap();
    let mut ends: Vec<End> = (0..40).map(|_| Terms::default().end(Role::Server, &config)).collect();
    let mut buffer = frame.clone();
    let ((), counted) = count(|| {
        for end in &mut ends {
            buffer.copy_from_slice(&frame);
            let mut input = Input::new(at_ms(1), &mut buffer);
            let result = end.conn.receive(&mut input, &mut end.inbox, &mut end.out);
            assert_eq!(result, Err(TOO_LONG));
        }
    });
    assert!(counted.peak <= 60 << 20, "{} bytes", counted.peak);
    assert!(counted.live < 40 * 1000, "{} bytes", counted.live);
    drop(ends);
}

/// The first send that needs a form compresses it, for all clones.
#[test]
fn a_prepared_message_is_compressed_when_a_connection_needs_it() {
    warm_up();
    let text = text(1, 1_000_000);
    let plain = Prepared::text(&text);
    for role in BOTH {
        let (prepared, counted) =
            count(|| plain.clone().with_deflate(WindowBits::DEFAULT, Level::Balanced));
        assert!(counted.peak < 500, "{counted:?}");
        let clone = prepared.clone();
        let send = |terms: Option<Terms>, prepared: &Prepared| {
            let negotiated = terms.map_or_else(Negotiated::new, |terms| terms.negotiated(role));
            let mut end = End::agreed(role, &config(role), &negotiated);
            // The keys of a client are drawn before.
            end.conn.send_binary(b"", &mut end.out).unwrap();
            end.out = BytesMut::with_capacity(text.len() + 100);
            let ((), counted) = count(|| end.conn.send_prepared(prepared, &mut end.out).unwrap());
            (end.out.len(), counted)
        };
        // No connection needs it: no compression, and a window that is too small.
        for terms in [None, Some(Terms::default().bits(9))] {
            let (len, counted) = send(terms, &prepared);
            assert!(len > text.len() && counted.calls == 0, "{counted:?}");
        }
        let (len, counted) = send(Some(Terms::default()), &prepared);
        assert!(len < text.len() / 2 && counted.live > 1000, "{len}, {counted:?}");
        for prepared in [&prepared, &clone] {
            let (again, counted) = send(Some(Terms::default()), prepared);
            assert!(again == len && counted.calls == 0, "{counted:?}");
        }
    }
}

/// The total of copies would be quadratic if each growth copied.
#[test]
fn the_inbox_grows_by_doubling() {
    let n = 16 << 20;
    let bytes = compressed(BINARY, payload(&vec![0; n])).bytes();
    for chunk_len in [usize::MAX, 1000] {
        let mut end = Terms::default().takeover(false).preset(Role::Client);
        let mut bytes = bytes.clone();
        let (len, counted) = count(|| {
            for chunk in bytes.chunks_mut(chunk_len.min(1 << 30)) {
                let mut input = Input::new(at_ms(1), chunk);
                if let Some(event) =
                    end.conn.receive(&mut input, &mut end.inbox, &mut end.out).unwrap()
                {
                    let Event::Binary(bytes) = event else { panic!() };
                    return bytes.len();
                }
            }
            0
        });
        assert_eq!(len, n);
        // 128 bytes to 16 MiB are 17 doublings.
        assert!(counted.calls < 30, "{} allocations for one message", counted.calls);
    }
}

#[test]
fn an_owned_message_holds_at_most_twice_its_length() {
    let short = prose(200);
    let large = compressed(BINARY, payload(&vec![0; 4 << 20])).bytes();
    let plain = |len: usize| {
        // Stored: no shorter than its text.
        let mut stored = vec![0x00];
        stored.extend_from_slice(&(len as u16).to_le_bytes());
        stored.extend_from_slice(&(!(len as u16)).to_le_bytes());
        stored.extend_from_slice(&noise(len, 1));
        stored.push(0x00);
        stored
    };
    let mut failed = Vec::new();
    for (case, before, frame, len) in [
        (
            "after a large one that was lent",
            Some(&large),
            compressed(TEXT, payload(short.as_bytes())),
            200,
        ),
        ("stored", None, compressed(BINARY, plain(60_000)), 60_000),
        ("short", None, compressed(TEXT, payload(short.as_bytes())), 200),
    ] {
        let mut end = Terms::default().takeover(false).preset(Role::Client);
        if let Some(before) = before {
            let mut before = before.clone();
            let mut input = Input::new(at_ms(1), &mut before);
            while end.conn.receive(&mut input, &mut end.inbox, &mut end.out).unwrap().is_some() {}
        }
        let mut bytes = frame.bytes();
        let mut input = Input::new(at_ms(1), &mut bytes);
        let event = end.conn.receive_owned(&mut input, &mut end.inbox, &mut end.out);
        let event = event.unwrap().unwrap();
        let ((), counted) = count(|| drop(event));
        if -counted.live > 2 * len + 256 {
            failed.push((case, len, -counted.live));
        }
    }
    assert!(failed.is_empty(), "{failed:?}");
}

/// After our own Close frame no message is compressed any more.
#[test]
fn close_frees_the_encoder() {
    for role in BOTH {
        let mut from = Terms::default().preset(role);
        from.conn.send_text(&prose(100_000), &mut from.out).unwrap();
        let now = from.now;
        let ((), counted) = count(|| {
            from.conn.close(sansocket::CloseCode::NORMAL, "", now, &mut from.out).unwrap();
        });
        assert!(counted.live < -50_000, "{} bytes", counted.live);
    }
}

#[test]
fn v3_v4_long_lists_take_linear_time_and_no_memory() {
    let deflate = Deflate::default();
    let len = 2_000_000;
    let named = |parameters: &str| format!("permessage-deflate{parameters}");
    let value = |value: &str| named(&format!("; client_max_window_bits={value}"));
    for line in [
        "permessage-deflate;foo,".repeat(len / 23) + "permessage-deflate",
        "permessage-deflate,".repeat(len / 19) + "permessage-deflate",
        named(&";client_max_window_bits".repeat(len / 23)),
        named(&";x".repeat(len / 2)),
        named(&format!(";{}", "x".repeat(len))),
        value(&"9".repeat(len)),
        value(&format!("\"{}\"", "\\9".repeat(len / 2))),
        value(&format!("\"{}", "\\9".repeat(len / 2))),
        value(&format!("{}9", " ".repeat(len))),
        ",".repeat(len),
    ] {
        let start = std_now();
        let lines = [line.as_bytes(), b"permessage-deflate"];
        let (_, counted) = count(|| (deflate.answer(lines), deflate.agree([line.as_bytes()])));
        // A quadratic loop would take an hour; the bound is far above the needs of a slow machine.
        assert!(start.elapsed() < secs(20), "{:?}", start.elapsed());
        assert!(counted.peak < 1000, "{counted:?}");
    }
}

#[expect(clippy::disallowed_methods, reason = "it measures")]
fn std_now() -> std::time::Instant {
    std::time::Instant::now()
}
