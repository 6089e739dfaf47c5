//! Limits: `max_message_len` in each form, `max_unsent` and pongs, and the largest limits.

use bytes::BytesMut;
use sansocket::config::Delivery;
use sansocket::connection::OwnedEvent;
use sansocket::error::{LimitError, ProtocolError, SendError};
use sansocket::message::SendOptions;
use sansocket::{Event, Inbox, Input};

use crate::common::frame::{BINARY, CONT, TEXT, sent};
use crate::common::{BOTH, End, Frame, at_ms, connection, preset};

const TOO_LONG: ProtocolError = ProtocolError::Limit(LimitError::MessageTooLong);

/// F14, V38: n - 1 and n bytes are accepted, n + 1 are refused with 1009, in each form and
/// delivery: in one frame, in two, in many, split at any byte; an announced length suffices.
#[test]
fn f14_v38_messages_around_max_message_len() {
    for role in BOTH {
        for delivery in [Delivery::Whole, Delivery::Parts] {
            for limit in [1, 2, 124, 125, 126, 127, 1000, 65_535, 65_536, 65_537, 100_000] {
                let config =
                    preset(role).max_message_len(limit).delivery(delivery).build().unwrap();
                for opcode in [TEXT, BINARY] {
                    for len in [limit - 1, limit, limit + 1] {
                        let payload = vec![b'x'; len as usize];
                        let mut forms = vec![vec![Frame::new(opcode, &payload)]];
                        for at in [0, 1, len / 2, len.saturating_sub(1), len] {
                            let (first, second) = payload.split_at(len.min(at) as usize);
                            forms.push(vec![
                                Frame::new(opcode, first).not_fin(),
                                Frame::ping("not counted"),
                                Frame::cont(second),
                            ]);
                        }
                        for frames in forms {
                            let input: Vec<u8> = frames
                                .into_iter()
                                .flat_map(|frame| frame.to(role).bytes())
                                .collect();
                            for chunk_len in [input.len(), 1 + input.len() / 3] {
                                let mut end = End::new(role, &config);
                                let result = end.feed_in_chunks(&input, chunk_len);
                                let last = sent(role, &end.out).pop();
                                if len <= limit {
                                    assert_eq!(result, Ok(()), "{limit} {len}");
                                    // The next message has the entire limit again.
                                    end.feed_in_chunks(&input, chunk_len).unwrap();
                                } else {
                                    assert_eq!(result, Err(TOO_LONG), "{limit} {len}");
                                    assert_eq!(last, Some(Frame::close(1009, "")));
                                }
                            }
                        }
                    }
                    // Only announced: the header suffices, without any byte of payload.
                    let frame = Frame::new(opcode, "").announce(limit + 1).to(role).bytes();
                    let mut end = End::new(role, &config);
                    assert_eq!(end.feed(&frame), Err(TOO_LONG));
                }
            }
        }
    }
}

/// The limit is for messages: pings, pongs and Close frames may be longer than a limit of 1.
#[test]
fn f14_control_frames_have_their_own_limit() {
    for role in BOTH {
        let config = preset(role).max_message_len(1).build().unwrap();
        let mut end = End::new(role, &config);
        end.feed(&Frame::ping([1; 125]).to(role).bytes()).unwrap();
        end.feed(&Frame::pong([1; 125]).to(role).bytes()).unwrap();
        end.feed(&Frame::close(1000, [b'r'; 123]).to(role).bytes()).unwrap();
        assert_eq!(end.events.len(), 3);
    }
}

/// V18: a million pings without writes. `out` stays below `max_unsent` plus one pong, one more is
/// pending, the connection stays open, and recovers when the output is written.
#[test]
fn v18_q6_f10_a_flood_of_pings_without_writes() {
    let count: u32 = if cfg!(debug_assertions) { 300_000 } else { 1_000_000 };
    for role in BOTH {
        let max_unsent = 100_000;
        let mut conn = connection(role, preset(role).max_unsent(max_unsent));
        let (mut inbox, mut out) = (Inbox::new(), BytesMut::new());
        let mut sent_pings = 0_u32;
        let mut receive = |conn: &mut sansocket::Connection, out: &mut BytesMut, n: u32| {
            let mut input = Vec::new();
            for _ in 0..n {
                input.extend(Frame::ping(sent_pings.to_be_bytes()).to(role).bytes());
                sent_pings += 1;
            }
            let mut cursor = Input::new(at_ms(0), &mut input);
            let mut events = 0;
            while let Some(event) = conn.receive(&mut cursor, &mut inbox, out).unwrap() {
                assert!(matches!(event, Event::Ping(_)));
                events += 1;
                assert!(out.len() < max_unsent + 131, "{}", out.len());
            }
            assert_eq!(events, n);
        };
        for _ in 0..count / 1000 {
            receive(&mut conn, &mut out, 1000);
        }
        assert!(out.len() >= max_unsent, "the mark is reached");
        assert!(out.capacity() < 4 * max_unsent, "{}", out.capacity());
        // The sent pongs are the first ones, in order; the rest was skipped.
        let pongs = sent(role, &out);
        for (i, pong) in pongs.iter().enumerate() {
            assert_eq!(*pong, Frame::pong((i as u32).to_be_bytes()));
        }
        // Sends are refused in the meantime, and no error is fatal.
        assert_eq!(conn.send_text("x", &mut out), Err(SendError::Full));
        // All output is written: the next call sends a pong for the newest ping, once.
        out.clear();
        conn.send_text("x", &mut out).unwrap();
        let newest = Frame::pong((count - 1).to_be_bytes());
        assert_eq!(sent(role, &out), [newest, Frame::text("x")]);
        out.clear();
        // From here on each ping has its pong again.
        receive(&mut conn, &mut out, 10);
        let pongs: Vec<_> = (count..count + 10).map(|i| Frame::pong(i.to_be_bytes())).collect();
        assert_eq!(sent(role, &out), pongs);
        assert!(conn.is_open());
    }
}

/// Q6: any call sends the pending pong when there is room.
#[test]
fn q6_a_pending_pong_is_sent_by_the_next_call_with_room() {
    type Next = fn(&mut End);
    let calls: [(&str, Next); 6] = [
        ("receive", |end| end.feed(&[]).unwrap()),
        ("receive_owned", |end| end.feed_owned(&[]).unwrap()),
        ("handle_timeout", |end| end.timeout().unwrap()),
        ("output_written", |end| end.conn.output_written(end.now, &mut end.out)),
        // The pong doesn't use the room of the send: the send itself succeeds, too.
        ("send_text", |end| end.conn.send_text("x", &mut end.out).unwrap()),
        ("send_ping", |end| end.conn.send_ping(b"x", &mut end.out).unwrap()),
    ];
    for role in BOTH {
        for (name, call) in calls {
            let mut end = End::new(role, &preset(role).max_unsent(50).build().unwrap());
            end.conn.send_binary(&[0; 60], &mut end.out).unwrap();
            let held = end.out.clone();
            for i in 0..100 {
                end.feed(&Frame::ping([i]).to(role).bytes()).unwrap();
                assert_eq!(end.out, held, "no room");
            }
            // Still no room: no output.
            end.timeout().unwrap();
            end.feed(&[]).unwrap();
            assert_eq!(end.conn.send_text("x", &mut end.out), Err(SendError::Full));
            assert_eq!(end.out, held);
            // One byte too few is no room; one byte below the mark is.
            let _ = end.out.split_to(held.len() - 50);
            end.timeout().unwrap();
            assert_eq!(end.out.len(), 50);
            let _ = end.out.split_to(1);
            call(&mut end);
            let new = sent(role, &end.out[49..]);
            assert_eq!(new[0], Frame::pong([99]), "{name}");
            assert_eq!(new.len(), if name.starts_with("send") { 2 } else { 1 }, "{name}");
            // Only once.
            end.out.clear();
            end.feed(&[]).unwrap();
            assert!(end.out.is_empty());
            assert_eq!(end.events.len(), 100);
        }
    }
}

/// Q6: the pong of a ping that finds room follows the pending one, in order.
#[test]
fn q6_f10_pongs_keep_their_order_around_the_high_water_mark() {
    for role in BOTH {
        let mut end = End::new(role, &preset(role).max_unsent(50).build().unwrap());
        end.conn.send_binary(&[0; 60], &mut end.out).unwrap();
        end.feed(&Frame::ping("a").to(role).bytes()).unwrap();
        end.feed(&Frame::ping("b").to(role).bytes()).unwrap();
        end.out.clear();
        end.feed(&Frame::ping("c").to(role).bytes()).unwrap();
        assert_eq!(sent(role, &end.out), [Frame::pong("b"), Frame::pong("c")]);
    }
}

/// V36, the part of the core: an echo without a reader. The output stays below the mark plus one
/// message; sends report it, and no accepted message is lost.
#[test]
fn v36_an_echo_flood_stays_below_the_mark() {
    for role in BOTH {
        let max_unsent = 200_000;
        let config = preset(role).max_unsent(max_unsent).build().unwrap();
        for len in [0, 10, 1000, 50_000] {
            let mut end = End::new(role, &config);
            let message = Frame::binary(vec![7; len]).to(role).bytes();
            let (mut accepted, mut refused) = (0, 0);
            while refused < 1000 {
                end.feed_with(&message, |conn, event, out| {
                    let Event::Binary(bytes) = event else { panic!("{event:?}") };
                    match conn.send_binary(bytes, out) {
                        Ok(()) => accepted += 1,
                        Err(error) => {
                            assert_eq!(error, SendError::Full);
                            refused += 1;
                        }
                    }
                })
                .unwrap();
                assert!(end.out.len() < max_unsent + len + 14);
            }
            assert!(end.out.capacity() <= 4 << 20);
            assert_eq!(sent(role, &end.out).len(), accepted);
            assert!(end.conn.is_open());
        }
    }
}

/// V48: the largest limits that `build` accepts, and messages of the length that a test can
/// allocate.
#[test]
fn v48_the_largest_limits_work() {
    for role in BOTH {
        for delivery in [Delivery::Whole, Delivery::Parts] {
            let limit = if delivery == Delivery::Whole { isize::MAX as u64 } else { u64::MAX };
            let config = preset(role)
                .max_message_len(limit)
                .max_unsent(usize::MAX)
                .delivery(delivery)
                .build()
                .unwrap();
            let mut end = End::new(role, &config);
            for _ in 0..3 {
                for frame in [
                    Frame::text("ab").not_fin(),
                    Frame::cont(vec![b'x'; 100_000]).not_fin(),
                    Frame::ping(""),
                    Frame::cont(""),
                ] {
                    end.feed_in_chunks(&frame.to(role).bytes(), 999).unwrap();
                }
            }
            let messages = |event: &&OwnedEvent| match event {
                OwnedEvent::Message(_) => true,
                OwnedEvent::Part { end, .. } => *end,
                _ => false,
            };
            assert_eq!(end.events.iter().filter(messages).count(), 3);
            // The rest of the announceable length inside a message.
            end.inbox.shrink();
            end.feed(&Frame::binary("ab").not_fin().to(role).bytes()).unwrap();
            let rest = Frame::new(CONT, "x").announce(limit.min((1 << 63) - 1) - 2);
            end.feed(&rest.to(role).bytes()).unwrap();
            assert!(end.conn.is_open());
            assert!(end.inbox.capacity() < 1000);
        }
    }
}

/// A sent message may be longer than the mark, which is checked before it.
#[test]
fn max_unsent_is_a_mark_and_not_a_limit_of_the_message_length() {
    for role in BOTH {
        let mut conn = connection(role, preset(role).max_unsent(2));
        let mut out = BytesMut::new();
        let payload = vec![1; 100_000];
        conn.send_binary(&payload, &mut out).unwrap();
        assert_eq!(sent(role, &out), [Frame::binary(&payload)]);
        assert_eq!(conn.send_binary(b"", &mut out), Err(SendError::Full));
        out.clear();
        // In fragments it is still one message: all of it or none is sent.
        let options = SendOptions::new().max_frame_len(1000.try_into().unwrap());
        conn.send(payload.as_slice().into(), options, &mut out).unwrap();
        assert_eq!(sent(role, &out).len(), 100);
    }
}

/// Q6 through an adapter: a pending pong is sent when there is room, although the peer is silent
/// from then on.
#[cfg(feature = "tokio")]
#[tokio::test(start_paused = true)]
async fn q6_an_adapter_sends_the_pending_pong_after_a_write() {
    use core::time::Duration;
    use sansocket::connection::Negotiated;
    use sansocket::tokio::WebSocket;
    use sansocket::{Config, Connection, Role};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    let (mut peer, io) = tokio::io::duplex(64);
    let config = Config::server().max_unsent(50).keep_alive(None, None).build().unwrap();
    let now = sansocket::Instant::now();
    let conn = Connection::new(Role::Server, &config, &Negotiated::new(), now);
    // Both pings are received while the output is above the mark.
    let pings = [Frame::ping("a"), Frame::ping("b")].map(|p| p.to(Role::Server).bytes()).concat();
    let mut ws = WebSocket::from_connection(io, conn, &pings);
    ws.feed_binary(&[1; 100]).unwrap();
    let served = tokio::spawn(async move { while let Ok(Some(_)) = ws.read().await {} });
    let (mut read, mut buffer) = (Vec::new(), [0; 64]);
    while let Ok(Ok(n)) = tokio::time::timeout(Duration::from_secs(1), peer.read(&mut buffer)).await
    {
        read.extend_from_slice(&buffer[..n]);
    }
    assert_eq!(sent(Role::Server, &read), [Frame::binary([1; 100]), Frame::pong("b")]);
    peer.shutdown().await.unwrap();
    served.await.unwrap();
}
