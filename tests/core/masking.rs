//! Masking by a client: new unpredictable mask keys, and a model for every byte of the output.

use std::collections::HashSet;

use bytes::BytesMut;
#[cfg(feature = "std")]
use sansocket::connection::Negotiated;
use sansocket::message::{Data, SendOptions};
use sansocket::{CloseCode, Prepared, Role};
#[cfg(feature = "std")]
use sansocket::{Config, Connection, Entropy};

use crate::common::frame::{bytes, parse, sent};
use crate::common::{BOTH, Frame, at_ms, connection, entropy, preset};

/// V17: 20,000 frames of connections of one thread: no repeated key beyond chance, every bit of the
/// keys is 0 as often as 1, and no difference between successive keys repeats.
#[cfg(feature = "std")]
#[test]
fn v17_f1_system_entropy_gives_each_frame_a_new_mask_key() {
    let config = Config::client(Entropy::os()).build().unwrap();
    let mut keys = Vec::new();
    for _ in 0..20 {
        let mut conn = Connection::new(Role::Client, &config, &Negotiated::new(), at_ms(0));
        let mut out = BytesMut::new();
        for _ in 0..1000 {
            conn.send_binary(b"", &mut out).unwrap();
        }
        keys.extend(parse(&out).into_iter().map(|f| u32::from_be_bytes(f.key.unwrap())));
    }
    let n = keys.len();
    // By chance some 0.05 of 20,000 equal another.
    let distinct: HashSet<u32> = keys.iter().copied().collect();
    assert!(n - distinct.len() <= 5, "{} keys are repeated", n - distinct.len());
    for bit in 0..32 {
        let ones = keys.iter().filter(|key| *key >> bit & 1 == 1).count() as f64;
        // Seven standard deviations: once in a hundred billion runs.
        let off = (ones - n as f64 / 2.0).abs() / (n as f64 / 4.0).sqrt();
        assert!(off < 7.0, "bit {bit} is one {ones} times of {n}");
    }
    let mut counts = [0_u32; 256];
    for byte in keys.iter().flat_map(|key| key.to_be_bytes()) {
        counts[usize::from(byte)] += 1;
    }
    let expected = (4 * n) as f64 / 256.0;
    let chi: f64 = counts.iter().map(|c| (f64::from(*c) - expected).powi(2) / expected).sum();
    // 255 degrees of freedom: mean 255, deviation 22.6.
    assert!((100.0..450.0).contains(&chi), "{chi}");
    for step in [|a: u32, b: u32| a.wrapping_sub(b), |a: u32, b: u32| a ^ b] {
        let steps: HashSet<u32> = keys.windows(2).map(|w| step(w[1], w[0])).collect();
        assert!(n - 1 - steps.len() <= 5, "the step between keys repeats");
    }
}

/// Two threads never use the same keys.
#[cfg(feature = "std")]
#[test]
fn v17_threads_have_different_mask_keys() {
    let keys = || {
        let config = Config::client(Entropy::os()).build().unwrap();
        let mut conn = Connection::new(Role::Client, &config, &Negotiated::new(), at_ms(0));
        let mut out = BytesMut::new();
        for _ in 0..300 {
            conn.send_binary(b"", &mut out).unwrap();
        }
        parse(&out).into_iter().map(|f| f.key.unwrap()).collect::<HashSet<_>>()
    };
    let threads: Vec<_> = (0..4).map(|_| std::thread::spawn(keys)).collect();
    let sets: Vec<_> = threads.into_iter().map(|t| t.join().unwrap()).collect();
    for (i, a) in sets.iter().enumerate() {
        for b in &sets[i + 1..] {
            assert!(a.intersection(b).count() <= 1);
        }
    }
}

/// F1: each frame, of every form of sending, with pongs, replies and fragments, has its own key;
/// bytes of the entropy source are used in order, each once, across blocks.
#[test]
fn f1_v17_each_frame_uses_the_next_mask_key_of_the_entropy_source() {
    entropy::reseed(42);
    let mut conn = connection(Role::Client, preset(Role::Client));
    let mut out = BytesMut::new();
    let three = SendOptions::new().max_frame_len(3.try_into().unwrap());
    for _ in 0..20 {
        conn.send_text("text", &mut out).unwrap();
        conn.send(Data::Binary(b"fragments"), three, &mut out).unwrap();
        conn.send_part(Data::Text("a"), false, SendOptions::new(), &mut out).unwrap();
        conn.send_ping(b"p", &mut out).unwrap();
        conn.send_part(Data::Text("b"), true, SendOptions::new(), &mut out).unwrap();
        conn.send_prepared(&Prepared::text("prepared"), &mut out).unwrap();
    }
    conn.close(CloseCode::NORMAL, "", at_ms(0), &mut out).unwrap();
    let keys: Vec<[u8; 4]> = parse(&out).into_iter().map(|f| f.key.unwrap()).collect();
    entropy::reseed(42);
    let expected: Vec<[u8; 4]> = (0..keys.len().div_ceil(2))
        .flat_map(|_| {
            let bytes = entropy::next().to_le_bytes();
            [bytes[..4].try_into().unwrap(), bytes[4..].try_into().unwrap()]
        })
        .take(keys.len())
        .collect();
    assert_eq!(keys, expected);
}

/// The replies to pings, Close frames and errors are masked, too, with keys of their own.
#[test]
fn f1_replies_are_masked() {
    entropy::reseed(42);
    let mut end = crate::common::End::preset(Role::Client);
    end.feed(&bytes(&[Frame::ping("a"), Frame::ping("b"), Frame::close(1000, "r")])).unwrap();
    let frames = parse(&end.out);
    let keys: HashSet<_> = frames.iter().map(|frame| frame.key.unwrap()).collect();
    assert_eq!((frames.len(), keys.len()), (3, 3));
    assert_eq!(
        sent(Role::Client, &end.out),
        [Frame::pong("a"), Frame::pong("b"), Frame::close(1000, "r")]
    );
}

/// V5: every byte of the output of every form of sending equals that of a model, at every length at
/// which another loop is used. `out` has contained other data before, which must not appear.
#[test]
fn v5_f2_every_output_byte_equals_the_model() {
    for role in BOTH {
        for len in (0..=600).chain([1023, 1024, 2047, 2048, 2049, 4097, 65_535, 65_536, 70_001]) {
            let payload: Vec<u8> = (0..len).map(|i| b'A' + (i % 50) as u8).collect();
            let text = core::str::from_utf8(&payload).unwrap();
            entropy::reseed(len as u64);
            let mut conn = connection(role, preset(role).max_unsent(usize::MAX));
            // The reused memory contains old data.
            let mut out = BytesMut::from(&vec![0xaa; 6 * len + 2000][..]);
            out.clear();
            let control = &payload[..len.min(125)];
            let max = (len / 2).max(1).try_into().unwrap();
            let options = SendOptions::new().max_frame_len(max);
            conn.send_text(text, &mut out).unwrap();
            conn.send_ping(control, &mut out).unwrap();
            conn.send_binary(&payload, &mut out).unwrap();
            conn.send(Data::Text(text), options, &mut out).unwrap();
            conn.send_part(Data::Binary(&payload), false, SendOptions::new(), &mut out).unwrap();
            conn.send_pong(control, &mut out).unwrap();
            conn.send_part(Data::Binary(b""), true, SendOptions::new(), &mut out).unwrap();
            conn.send_prepared(&Prepared::text(text), &mut out).unwrap();
            conn.close(CloseCode::NORMAL, &text[..len.min(123)], at_ms(0), &mut out).unwrap();

            let mut frames = vec![Frame::text(text), Frame::ping(control), Frame::binary(&payload)];
            let parts: Vec<&[u8]> =
                if len == 0 { vec![b""] } else { payload.chunks((len / 2).max(1)).collect() };
            for (i, part) in parts.iter().enumerate() {
                frames.push(Frame::new(u8::from(i == 0), part).fin(i + 1 == parts.len()));
            }
            frames.extend([
                Frame::binary(&payload).not_fin(),
                Frame::pong(control),
                Frame::cont(""),
                Frame::text(text),
                Frame::close(1000, &text[..len.min(123)]),
            ]);
            entropy::reseed(len as u64);
            let mut key = Vec::new();
            let expected: Vec<u8> = frames
                .into_iter()
                .flat_map(|frame| {
                    if role == Role::Server {
                        return frame.bytes();
                    }
                    if key.is_empty() {
                        key.extend(entropy::next().to_le_bytes());
                    }
                    frame.key(key.drain(..4).collect::<Vec<_>>().try_into().unwrap()).bytes()
                })
                .collect();
            assert!(out[..] == expected[..], "{role:?} {len}");
        }
    }
}

/// F2: output of a server is never masked, in any form of sending.
#[test]
fn f2_a_server_never_masks() {
    let mut conn = connection(Role::Server, preset(Role::Server));
    let mut out = BytesMut::new();
    conn.send_text("a", &mut out).unwrap();
    conn.send_ping(b"", &mut out).unwrap();
    conn.send_prepared(&Prepared::binary(b"b"), &mut out).unwrap();
    conn.close(CloseCode::NORMAL, "", at_ms(0), &mut out).unwrap();
    assert!(parse(&out).iter().all(|frame| frame.key.is_none()));
}
