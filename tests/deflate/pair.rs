//! A client and a server with compression, and any operations in any order: each end receives the
//! messages of the other, however they are split.

use core::num::NonZeroUsize;

use proptest::collection::vec;
use proptest::prelude::*;
use sansocket::config::Delivery;
use sansocket::connection::OwnedEvent;
use sansocket::deflate::{Level, WindowBits};
use sansocket::message::{Compress, Data, SendOptions};
use sansocket::{Prepared, Role};

use crate::common::deflate::Terms;
use crate::common::{End, preset};

/// An operation of one end.
#[derive(Clone, Debug)]
enum Op {
    Send { message: Vec<u8>, never: bool, max_frame_len: Option<usize> },
    Parts { parts: Vec<Vec<u8>>, never: bool, ping: bool },
    Prepared { message: Vec<u8>, bits: u8 },
    Ping,
}

/// Text with near and far repetitions, or noise.
fn message() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => (vec(0..40_usize, 0..120), any::<u16>()).prop_map(|(words, salt)| {
            let mut text = String::new();
            for word in words {
                let number = word * 7919 % 97;
                match word % 4 {
                    0 => text.push_str(&format!("\"field{word}\": {number}, ")),
                    1 => text.push_str(&format!("word{number} ")),
                    2 => text.push_str(&format!("{salt}-{number}\n")),
                    _ => text.push_str(&"ab".repeat(number)),
                }
            }
            text.into_bytes()
        }),
        2 => vec(any::<u8>(), 0..1500),
        1 => (any::<u8>(), 0..70_000_usize).prop_map(|(byte, n)| vec![byte; n]),
        1 => (vec(any::<u8>(), 1..300), 1..60_usize).prop_map(|(block, n)| block.repeat(n)),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    let max = prop_oneof![Just(None), (1..3000_usize).prop_map(Some)];
    prop_oneof![
        4 => (message(), any::<bool>(), max).prop_map(|(message, never, max_frame_len)| Op::Send {
            message,
            never: never && message_is_odd(max_frame_len),
            max_frame_len,
        }),
        2 => (vec(message(), 1..5), prop::bool::weighted(0.2), any::<bool>())
            .prop_map(|(parts, never, ping)| Op::Parts { parts, never, ping }),
        1 => (message(), 9..=15_u8).prop_map(|(message, bits)| Op::Prepared { message, bits }),
        1 => Just(Op::Ping),
    ]
}

/// Reduces the frequency of `never` without another weight.
fn message_is_odd(max_frame_len: Option<usize>) -> bool {
    max_frame_len.is_none_or(|max| max % 2 == 1)
}

fn terms() -> impl Strategy<Value = Terms> {
    (8..=15_u8, 8..=15_u8, any::<bool>(), any::<bool>()).prop_map(
        |(server_bits, client_bits, server_takeover, client_takeover)| Terms {
            server_bits,
            client_bits,
            server_takeover,
            client_takeover,
            ..Terms::DEFAULT
        },
    )
}

/// Performs the operation, and returns the expected messages.
fn perform(end: &mut End, op: &Op) -> Option<Vec<u8>> {
    let options = |never: bool, max: Option<usize>| {
        let compress = if never { Compress::Never } else { Compress::Auto };
        let options = SendOptions::new().compress(compress);
        max.and_then(NonZeroUsize::new).map_or(options, |max| options.max_frame_len(max))
    };
    match op {
        Op::Send { message, never, max_frame_len } => {
            let options = options(*never, *max_frame_len);
            end.conn.send(Data::Binary(message), options, &mut end.out).unwrap();
            Some(message.clone())
        }
        Op::Parts { parts, never, ping } => {
            for (i, part) in parts.iter().enumerate() {
                let last = i + 1 == parts.len();
                let data = Data::Binary(part);
                end.conn.send_part(data, last, options(*never, None), &mut end.out).unwrap();
                if *ping {
                    end.conn.send_ping(b"between", &mut end.out).unwrap();
                }
            }
            Some(parts.concat())
        }
        Op::Prepared { message, bits } => {
            let bits = WindowBits::new(*bits).unwrap();
            let prepared = Prepared::binary(message).with_deflate(bits, Level::Fast);
            end.conn.send_prepared(&prepared, &mut end.out).unwrap();
            Some(message.clone())
        }
        Op::Ping => {
            end.conn.send_ping(b"", &mut end.out).unwrap();
            None
        }
    }
}

/// The messages among the events, with their parts joined.
fn messages(events: Vec<OwnedEvent>) -> Vec<Vec<u8>> {
    let mut messages: Vec<Vec<u8>> = Vec::new();
    for event in events {
        match event {
            OwnedEvent::Message(message) => messages.push(message.as_data().as_bytes().to_vec()),
            OwnedEvent::Part { data, start, .. } => {
                if start {
                    messages.push(Vec::new());
                }
                messages.last_mut().unwrap().extend_from_slice(data.as_data().as_bytes());
            }
            _ => {}
        }
    }
    messages
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn every_sent_message_is_received(
        terms in terms(),
        parts in any::<bool>(),
        ops in vec((any::<bool>(), op()), 1..16),
        chunk_len in prop_oneof![1..50_usize, 1000..5000_usize, Just(usize::MAX)],
    ) {
        let delivery = if parts { Delivery::Parts } else { Delivery::Whole };
        let end = |role: Role| {
            // Capacity for the output before any of it is removed.
            let builder = preset(role).delivery(delivery).max_unsent(1 << 30);
            terms.end(role, &builder.build().unwrap())
        };
        let (mut client, mut server) = (end(Role::Client), end(Role::Server));
        for (by_client, op) in &ops {
            let (from, to) =
                if *by_client { (&mut client, &mut server) } else { (&mut server, &mut client) };
            let expected = perform(from, op);
            to.feed_in_chunks(&from.take_out(), chunk_len).unwrap();
            prop_assert!(messages(to.take_events()) == expected.into_iter().collect::<Vec<_>>());
        }
    }
}
