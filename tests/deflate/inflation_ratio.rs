//! `max_inflation_ratio`: the limit of the length of a received message, relative to its compressed
//! length.

use proptest::prelude::*;
use sansocket::config::Delivery;
use sansocket::deflate::{Decoder, WindowBits};
use sansocket::error::{LimitError, ProtocolError};
use sansocket::{Config, Role};

use crate::common::deflate::{Foreign, Terms, compressed, noise, payload};
use crate::common::frame::{self, BINARY, TEXT, sent};
use crate::common::{BOTH, End, Frame, preset};

const RATIO: ProtocolError = ProtocolError::Limit(LimitError::InflationRatio);
const TOO_LONG: ProtocolError = ProtocolError::Limit(LimitError::MessageTooLong);

/// This length always passes.
const FLOOR: usize = 64 << 10;

const DELIVERIES: [Delivery; 2] = [Delivery::Whole, Delivery::Parts];

fn config(role: Role, ratio: u32, delivery: Delivery) -> Config {
    preset(role).max_inflation_ratio(Some(ratio)).delivery(delivery).build().unwrap()
}

/// The limit in the documentation: each started KiB of compressed bytes allows `ratio` KiB.
fn allowed(payload: &[u8], ratio: u32) -> bool {
    (1..=payload.len().div_ceil(1024)).all(|step| {
        let so_far = &payload[..payload.len().min(step * 1024)];
        let mut decoder = Decoder::new(WindowBits::MAX, true);
        let mut message = vec![0; 20 << 20];
        let progress = decoder.inflate(so_far, &mut message, 0).unwrap();
        progress.written <= FLOOR.max(ratio as usize * step * 1024)
    })
}

#[test]
fn the_ratio_of_a_config_is_readable() {
    assert_eq!(Config::server().build().unwrap().max_inflation_ratio(), None);
    assert_eq!(config(Role::Server, 7, Delivery::Whole).max_inflation_ratio(), Some(7));
}

#[test]
fn without_the_setting_any_ratio_passes() {
    let message = vec![0; 10_000_000];
    for role in BOTH {
        let mut end = Terms::default().preset(role);
        end.feed(&compressed(BINARY, payload(&message)).to(role).bytes()).unwrap();
        assert_eq!(end.take_events().len(), 1);
    }
}

/// 64 KiB pass with every ratio, and not one byte more.
#[test]
fn short_messages_always_pass() {
    for role in BOTH {
        for delivery in DELIVERIES {
            for opcode in [TEXT, BINARY] {
                for (len, passes) in
                    [(1, true), (FLOOR - 1, true), (FLOOR, true), (FLOOR + 1, false)]
                {
                    let payload = payload(&vec![b'x'; len]);
                    assert!(payload.len() < 1024);
                    assert_eq!(allowed(&payload, 1), passes);
                    let mut end = Terms::default().end(role, &config(role, 1, delivery));
                    let result = end.feed(&compressed(opcode, payload).to(role).bytes());
                    assert_eq!(result, if passes { Ok(()) } else { Err(RATIO) }, "{len}");
                    assert_eq!(result.is_err(), end.conn.is_closed());
                }
            }
        }
    }
}

/// Each full KiB of compressed bytes counts, and the started one.
#[test]
fn each_started_kib_extends_the_allowance() {
    // 3 incompressible KiB, and then as many zeros as needed.
    let head = noise(3000, 1);
    for (ratio, zeros, passes) in [
        (50, 150 * 1024 - 3000, true),
        (50, 200 * 1024 - 3000, true),
        (50, 200 * 1024 - 2999, false),
        (51, 200 * 1024 - 2999, true),
        (51, 204 * 1024 - 3000, true),
        (51, 204 * 1024 - 2999, false),
    ] {
        let message = [head.clone(), vec![0; zeros]].concat();
        let payload = payload(&message);
        assert!((3073..4097).contains(&payload.len()), "{} bytes", payload.len());
        assert_eq!(allowed(&payload, ratio), passes);
        for role in BOTH {
            for delivery in DELIVERIES {
                for chunk_len in [payload.len() + 20, 1024, 100, 1] {
                    let mut end = Terms::default().end(role, &config(role, ratio, delivery));
                    let frame = compressed(BINARY, &payload).to(role).bytes();
                    let result = end.feed_in_chunks(&frame, chunk_len);
                    assert_eq!(result, if passes { Ok(()) } else { Err(RATIO) }, "{ratio} {zeros}");
                }
            }
        }
    }
}

/// The last byte of a full KiB inflates to more bytes than that KiB allows.
#[test]
fn a_step_that_ends_with_the_message() {
    let limit = 100 * 1024;
    let payload = (500..1024)
        .map(|dense| [noise(dense, 1), vec![0; limit + 100 - dense]].concat())
        .map(|message| payload(&message))
        .find(|payload| payload.len() == 1024)
        .unwrap();
    assert!(!allowed(&payload, 100) && allowed(&payload, 101));
    for role in BOTH {
        for delivery in DELIVERIES {
            for chunk_len in [2000, 1000, 10, 1] {
                for (ratio, result) in [(100, Err(RATIO)), (101, Ok(()))] {
                    let mut end = Terms::default().end(role, &config(role, ratio, delivery));
                    let frame = compressed(BINARY, &payload).to(role).bytes();
                    assert_eq!(
                        end.feed_in_chunks(&frame, chunk_len),
                        result,
                        "{chunk_len} {ratio}"
                    );
                }
            }
        }
    }
}

#[test]
fn a_bomb_fails_with_1008_before_it_is_inflated() {
    let payload = payload(&vec![0; 10_000_000]);
    for role in BOTH {
        for delivery in DELIVERIES {
            let mut end = Terms::default().end(role, &config(role, 100, delivery));
            let error = end.feed(&compressed(BINARY, &payload).to(role).bytes()).unwrap_err();
            assert_eq!((error, error.close_code().value()), (RATIO, 1008));
            assert_eq!(sent(role, &end.out), [Frame::close(1008, "")]);
            assert_eq!(end.conn.error(), Some(RATIO));
        }
    }
}

/// The lower limit is reported.
#[test]
fn the_message_limit_is_independent() {
    let payload = payload(&vec![0; 1_000_000]);
    for role in BOTH {
        for delivery in DELIVERIES {
            for (max_len, ratio, error) in [
                (100_000, 10, RATIO),
                (60_000, 10, TOO_LONG),
                (100_000, 200, TOO_LONG),
                (1 << 20, 100, RATIO),
            ] {
                let builder = preset(role).delivery(delivery).max_message_len(max_len);
                let config = builder.max_inflation_ratio(Some(ratio)).build().unwrap();
                let mut end = Terms::default().end(role, &config);
                let frame = compressed(BINARY, &payload).to(role).bytes();
                assert_eq!(end.feed(&frame), Err(error), "{max_len} {ratio}");
            }
        }
    }
}

/// The remaining allowance of a message is not added to the next.
#[test]
fn each_message_has_its_own_allowance() {
    for role in BOTH {
        for delivery in DELIVERIES {
            let mut end = Terms::default().end(role, &config(role, 10, delivery));
            let mut foreign = Foreign::new();
            for _ in 0..20 {
                let dense = foreign.payload(&noise(100_000, 1));
                end.feed(&compressed(BINARY, dense).to(role).bytes()).unwrap();
                let small = foreign.payload(&vec![0; FLOOR]);
                end.feed(&compressed(BINARY, small).to(role).bytes()).unwrap();
            }
            let bomb = foreign.payload(&vec![0; FLOOR + 1]);
            assert_eq!(end.feed(&compressed(BINARY, bomb).to(role).bytes()), Err(RATIO));
        }
    }
}

/// Uncompressed messages have no ratio.
#[test]
fn uncompressed_messages_pass() {
    for role in BOTH {
        let mut end = Terms::default().end(role, &config(role, 1, Delivery::Whole));
        end.feed_in_chunks(&Frame::binary(vec![0; 1_000_000]).to(role).bytes(), 5000).unwrap();
        assert_eq!(end.take_events().len(), 1);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// The same result as that of the documentation, however input and message are split.
    #[test]
    fn the_result_does_not_depend_on_the_splits(
        runs in proptest::collection::vec((0..3000_usize, 0..400_000_usize), 1..6),
        ratio in 1..300_u32,
        chunk_len in prop_oneof![Just(1_usize), 1..2000_usize, Just(1 << 20)],
        cut in 0.0..1.0_f64,
        parts in any::<bool>(),
        server in any::<bool>(),
    ) {
        let message: Vec<u8> = runs
            .iter()
            .enumerate()
            .flat_map(|(i, &(dense, zeros))| [noise(dense, i as u64), vec![0; zeros]].concat())
            .collect();
        let payload = payload(&message);
        let role = if server { Role::Server } else { Role::Client };
        let delivery = if parts { Delivery::Parts } else { Delivery::Whole };
        let expected = if allowed(&payload, ratio) { Ok(()) } else { Err(RATIO) };
        let (first, second) = payload.split_at((payload.len() as f64 * cut) as usize);
        let frames = frame::bytes(&[
            compressed(BINARY, first).not_fin().to(role),
            Frame::cont(second).to(role),
        ]);
        let mut end: End = Terms::default().end(role, &config(role, ratio, delivery));
        let result = end.feed_in_chunks(&frames, chunk_len);
        prop_assert_eq!(result, expected);
    }
}
