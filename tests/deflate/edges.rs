//! Corner cases of permessage-deflate in a connection: longer headers, growth, inputs split
//! differently, available parts at the end of the transport, memory that must be free.

use core::num::NonZeroUsize;

use sansocket::config::Delivery;
use sansocket::connection::OwnedEvent;
use sansocket::error::SendError;
use sansocket::message::{Data, OwnedData, SendOptions};
use sansocket::{Input, Role};

#[cfg(feature = "miniz_oxide")]
use crate::common::deflate::noise;
use crate::common::deflate::{Terms, compressed, payload, prose};
use crate::common::frame::{self, BINARY, TEXT};
use crate::common::{BOTH, Frame, at_ms, preset};

fn bytes_of(event: &OwnedEvent) -> &[u8] {
    match event {
        OwnedEvent::Message(OwnedData::Text(text))
        | OwnedEvent::Part { data: OwnedData::Text(text), .. } => text.as_bytes(),
        OwnedEvent::Message(OwnedData::Binary(bytes))
        | OwnedEvent::Part { data: OwnedData::Binary(bytes), .. } => bytes,
        _ => &[],
    }
}

fn joined(events: &[OwnedEvent]) -> Vec<u8> {
    events.iter().flat_map(|event| bytes_of(event).to_vec()).collect()
}

/// An encoder that cannot undo can produce more bytes than its input, with a longer header.
#[cfg(feature = "miniz_oxide")]
#[test]
fn a_compressed_form_longer_than_the_message_has_a_longer_header() {
    use sansocket::deflate::Engine;
    let terms = Terms { engine: Engine::MinizOxide, ..Terms::DEFAULT };
    for role in BOTH {
        for len in (100..=126).chain(65_500..=65_536) {
            let (mut from, mut to) = (terms.preset(role), terms.preset(role.peer()));
            let message = noise(len, len as u64);
            from.conn.send_binary(&message, &mut from.out).unwrap();
            let fed = to.feed(&from.take_out());
            assert_eq!(fed, Ok(()), "{role:?} {len} bytes");
            assert!(joined(&to.take_events()) == message, "{role:?}, {len} bytes");
        }
    }
}

/// Each flushed part costs 5 more bytes: the compressed form can be much longer than the limit.
#[test]
fn a_message_below_the_limit_is_received_after_any_number_of_flushes() {
    for role in BOTH {
        let mut from = Terms::default().preset(role);
        let config = preset(role.peer()).max_message_len(4096).build().unwrap();
        let mut to = Terms::default().end(role.peer(), &config);
        let text = prose(2000);
        // Like the output of a language model: a few characters at a time.
        let parts: Vec<&str> =
            text.as_bytes().chunks(3).map(|part| core::str::from_utf8(part).unwrap()).collect();
        for (i, part) in parts.iter().enumerate() {
            let end = i + 1 == parts.len();
            from.conn.send_part(Data::Text(part), end, SendOptions::new(), &mut from.out).unwrap();
        }
        assert_eq!(to.feed(&from.take_out()), Ok(()), "2000 bytes, limit 4096");
        assert!(joined(&to.take_events()) == text.as_bytes());
    }
}

/// The rest of an input is unchanged, so it can be split differently.
#[test]
fn the_rest_of_an_input_can_be_split() {
    let message = vec![7; 200_000];
    let mut bytes = compressed(BINARY, payload(&message)).to(Role::Server).bytes();
    let config = preset(Role::Server).delivery(Delivery::Parts).build().unwrap();
    let mut end = Terms::default().end(Role::Server, &config);
    // One part only, like a caller who writes before the next part.
    let mut input = Input::new(at_ms(1), &mut bytes);
    let event = end.conn.receive(&mut input, &mut end.inbox, &mut end.out).unwrap().unwrap();
    let mut all = event.data().unwrap().0.as_bytes().len();
    let taken = {
        let left = input.len();
        assert!(left > 20, "some of the input waits: {left}");
        bytes.len() - left
    };
    // The rest, which belongs to the caller, in two parts.
    let (first, second) = bytes[taken..].split_at_mut(10);
    for chunk in [first, second] {
        let mut input = Input::new(at_ms(2), chunk);
        loop {
            match end.conn.receive(&mut input, &mut end.inbox, &mut end.out) {
                Ok(Some(event)) => all += event.data().unwrap().0.as_bytes().len(),
                Ok(None) => break,
                Err(error) => panic!("{error:?} after {all} bytes"),
            }
        }
    }
    assert_eq!(all, message.len());
}

/// The same for a caller with a new copy of the bytes for each call.
#[test]
fn the_rest_of_an_input_can_be_an_untouched_copy() {
    let message = vec![7; 200_000];
    for compress in [false, true] {
        let mut buffer = if compress {
            compressed(BINARY, payload(&message)).to(Role::Server).bytes()
        } else {
            frame::bytes(&[
                Frame::new(BINARY, &message[..100_000]).not_fin().to(Role::Server),
                Frame::cont(&message[100_000..]).to(Role::Server),
            ])
        };
        let config = preset(Role::Server).delivery(Delivery::Parts).build().unwrap();
        let mut end = Terms::default().end(Role::Server, &config);
        let mut all = 0;
        loop {
            let mut copy = buffer.clone();
            let mut input = Input::new(at_ms(1), &mut copy);
            let event = end.conn.receive(&mut input, &mut end.inbox, &mut end.out);
            let Some(event) = event.unwrap_or_else(|e| panic!("{e:?}, compressed: {compress}"))
            else {
                break;
            };
            all += event.data().unwrap().0.as_bytes().len();
            let left = input.len();
            buffer.drain(..buffer.len() - left);
        }
        assert_eq!(all, message.len());
    }
}

/// The beginning of a character counts too.
#[test]
fn inflated_parts_of_a_text_are_at_most_16_kib() {
    let text = "\u{20ac}".repeat(100_000);
    let config = preset(Role::Client).delivery(Delivery::Parts).build().unwrap();
    let mut end = Terms::default().end(Role::Client, &config);
    end.feed(&compressed(TEXT, payload(text.as_bytes())).bytes()).unwrap();
    let events = end.take_events();
    assert!(joined(&events) == text.as_bytes());
    let most = events.iter().map(|event| bytes_of(event).len()).max().unwrap();
    assert!(most <= 16 << 10, "{most} bytes");
}

#[test]
fn a_failed_connection_leaves_an_inbox_that_shrinks() {
    let config = preset(Role::Client).delivery(Delivery::Parts).build().unwrap();
    for broken in [compressed(BINARY, [0x06]), compressed(TEXT, [0x00, 1, 0, 0xfe, 0xff, 0xff])] {
        let mut end = Terms::default().end(Role::Client, &config);
        let big = compressed(BINARY, payload(&vec![0; 16 << 10])).bytes();
        end.feed(&big).unwrap();
        end.feed(&broken.bytes()).unwrap_err();
        end.inbox.shrink();
        assert_eq!(end.inbox.capacity(), 0, "bytes kept by a dead connection");
    }
}

#[cfg(feature = "tokio")]
mod on_tokio {
    use core::time::Duration;

    use sansocket::message::Compress;
    use sansocket::tokio::WebSocket;
    use sansocket::{Config, Connection, Instant, WebSocketError};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::*;

    /// Above the mark, at a timer: input that was read is returned before more is read.
    #[tokio::test(start_paused = true)]
    async fn available_parts_are_returned_before_the_end_of_the_transport() {
        for compress in [false, true] {
            let (mut a, b) = duplex(8 << 10);
            let builder = Config::server().delivery(Delivery::Parts).high_water_mark(1 << 10);
            let config = builder.build().unwrap();
            let negotiated = Terms::default().negotiated(Role::Server);
            let conn = Connection::new(Role::Server, &config, &negotiated, Instant::now());
            let mut server = WebSocket::from_connection(b, conn, &[]);
            let message = vec![7; 200_000];
            let bytes = if compress {
                compressed(BINARY, payload(&message)).to(Role::Server).bytes()
            } else {
                let fragments: Vec<Frame> = message[..5000]
                    .chunks(100)
                    .map(|part| Frame::new(BINARY, part).to(Role::Server))
                    .collect();
                frame::bytes(&fragments)
            };
            let expected = if compress { 200_000 } else { 5000 };
            let peer = tokio::spawn(async move {
                a.write_all(&bytes).await.unwrap();
                // Half-closed and slow to read: a keep-alive ping is due before the next read.
                a.shutdown().await.unwrap();
                tokio::time::sleep(Duration::from_secs(45)).await;
                let mut sink = Vec::new();
                let _ = a.read_to_end(&mut sink).await;
            });
            let mut all = 0;
            let error = loop {
                match server.read().await {
                    Ok(Some((event, mut reply))) => {
                        let Some((data, _)) = event.data() else { continue };
                        all += data.as_bytes().len();
                        let answer = Data::Binary(&[1; 1500]);
                        let never = SendOptions::new().compress(Compress::Never);
                        reply.feed(answer, never).unwrap();
                    }
                    Ok(None) => panic!(),
                    Err(WebSocketError::Protocol(error)) => break error,
                    Err(error) => panic!("{error:?}"),
                }
            };
            drop(server);
            peer.await.unwrap();
            assert_eq!(all, expected, "compressed: {compress}; {error:?}");
        }
    }
}

#[test]
fn owned_inflated_texts_between_all_other_kinds() {
    for role in BOTH {
        let mut end = Terms::default().takeover(false).preset(role);
        let long = prose(10_000);
        for _ in 0..3 {
            for round in 0..6 {
                let (frames, expected): (Vec<Frame>, Vec<u8>) = match round {
                    0 => (vec![compressed(TEXT, payload(long.as_bytes()))], long.clone().into()),
                    1 => (
                        vec![Frame::text("gr\u{fc}").not_fin(), Frame::ping("p"), Frame::cont("n")],
                        "gr\u{fc}n".into(),
                    ),
                    2 => (vec![compressed(BINARY, payload(&[9; 5000]))], vec![9; 5000]),
                    3 => (
                        vec![Frame::new(BINARY, [1, 2]).not_fin(), Frame::cont([3])],
                        vec![1, 2, 3],
                    ),
                    4 => (vec![compressed(TEXT, [0x00])], Vec::new()),
                    _ => (vec![Frame::text("x")], b"x".to_vec()),
                };
                let frames: Vec<Frame> = frames.into_iter().map(|frame| frame.to(role)).collect();
                for chunk_len in [1, 5, 1 << 20] {
                    for bytes in frame::bytes(&frames).chunks(chunk_len) {
                        end.feed_owned(bytes).unwrap();
                    }
                    assert!(joined(&end.take_events()) == expected, "{round}");
                }
            }
        }
    }
}

#[test]
fn a_full_output_between_parts() {
    for role in BOTH {
        for takeover in [true, false] {
            let config = preset(role).max_unsent(300).build().unwrap();
            let mut from = Terms::default().takeover(takeover).end(role, &config);
            let mut to = Terms::default().takeover(takeover).preset(role.peer());
            let mut expected = Vec::new();
            for n in 0..40_u64 {
                let part = prose(40 + n as usize * 13).into_bytes();
                let last = n % 5 == 4;
                loop {
                    let data = Data::Binary(&part);
                    let max = NonZeroUsize::new(50).unwrap();
                    let options = SendOptions::new().max_frame_len(max);
                    match from.conn.send_part(data, last, options, &mut from.out) {
                        Ok(()) => break,
                        Err(SendError::Full) => to.feed(&from.take_out()).unwrap(),
                        Err(error) => panic!("{error:?}"),
                    }
                }
                expected.extend_from_slice(&part);
            }
            to.feed(&from.take_out()).unwrap();
            assert!(joined(&to.take_events()) == expected);
        }
    }
}

/// Parts of the other engine at all lengths at which a header changes.
#[cfg(feature = "miniz_oxide")]
#[test]
fn parts_of_the_other_engine_fit_their_headers() {
    use sansocket::deflate::Engine;
    let terms = Terms { engine: Engine::MinizOxide, ..Terms::DEFAULT };
    for len in (80..=126).chain(65_440..=65_536) {
        let mut from = terms.preset(Role::Server);
        let mut to = Terms::default().preset(Role::Client);
        let part = noise(len, len as u64);
        for end in [false, true] {
            let data = Data::Binary(&part);
            from.conn.send_part(data, end, SendOptions::new(), &mut from.out).unwrap();
        }
        assert_eq!(to.feed(&from.take_out()), Ok(()), "{len}");
        assert!(joined(&to.take_events()) == part.repeat(2), "{len}");
    }
}
