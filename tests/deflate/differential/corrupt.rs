//! Damaged streams: inverted bits, truncated ends, spliced messages. The decoder does exactly the
//! same as the model. Each difference to zlib or miniz_oxide has a known reason.

use std::collections::BTreeMap;

use sansocket::deflate::Decoder;

use crate::deflate::codecs::naive::{self, Fault};
use crate::deflate::codecs::{Flush, TAIL, miniz, zlib, zlib_rs};
use crate::deflate::corpus::{KINDS, Rng, messages};
use crate::deflate::engine::{Random, Verdict, by_miniz, by_zlib, classify, inflate, window};

const ROUNDS: u64 = if cfg!(debug_assertions) { 2500 } else { 40_000 };

#[test]
fn damaged_messages_have_the_result_of_the_model() {
    let mut verdicts: BTreeMap<(&str, Verdict), u64> = BTreeMap::new();
    for seed in 0..ROUNDS {
        let mut rng = Rng::new(seed);
        let bits = 9 + rng.below(7) as u8;
        let (payloads, last) = damaged(bits, &mut rng);
        // Undamaged messages have equal results.
        for (engine, verdict) in compare(bits, &payloads, last, seed) {
            *verdicts.entry((engine, verdict)).or_default() += 1;
        }
    }
    println!("{verdicts:?}");
    for engine in ["zlib", "miniz"] {
        let count = |verdict| verdicts.get(&(engine, verdict)).copied().unwrap_or(0);
        // Every class must occur, so that the test covers it. zlib refuses references before the
        // beginning of the data.
        assert_eq!(count(Verdict::AcceptsFarDistance) > 0, engine == "miniz");
        assert!(count(Verdict::StopsAtLastBlock) > ROUNDS / 100, "{engine}");
        assert!(count(Verdict::BothAccept) > ROUNDS / 20, "{engine}");
        assert!(count(Verdict::BothRefuse) > ROUNDS / 20, "{engine}");
        assert!(count(Verdict::AcceptsUnendedBlock) > ROUNDS / 50, "{engine}");
    }
}

/// Three messages of one connection, and the index of the damaged one.
fn damaged(bits: u8, rng: &mut Rng) -> (Vec<Vec<u8>>, usize) {
    let kind = KINDS[rng.below(5) as usize];
    let len = 64 + rng.skewed(800) as usize;
    let messages = messages(kind, len, 3, rng.next());
    let level = 1 + rng.below(9) as i32;
    let mut out = vec![0; 100_000];
    let encoder = rng.below(3);
    let mut zlib = zlib::Deflater::new(level, bits);
    let mut zlib_rs = zlib_rs::Deflater::new(level, bits);
    let mut miniz = miniz::Deflater::new(level as u8);
    let mut payload = |message: &[u8]| {
        let len = match encoder {
            0 => zlib.compress(message, &mut out, Flush::Sync),
            1 => zlib_rs.compress(message, &mut out, Flush::Sync),
            _ => miniz.compress(message, &mut out, Flush::Sync),
        };
        out[..len - TAIL.len()].to_vec()
    };
    let mut payloads: Vec<_> = messages.iter().map(|message| payload(message)).collect();
    let index = rng.below(3) as usize;
    let bad = &mut payloads[index];
    match rng.below(9) {
        0 => bad.truncate(1 + rng.below(bad.len() as u64) as usize),
        1 => {
            let from = rng.below(bad.len() as u64) as usize;
            let to = from + rng.below((bad.len() - from) as u64 + 1) as usize;
            bad.drain(from..to);
        }
        2 => {
            let copy = bad[rng.below(bad.len() as u64) as usize..].to_vec();
            let at = rng.below(bad.len() as u64) as usize;
            bad.splice(at..at, copy);
        }
        3 => bad.extend((0..=rng.below(5)).map(|_| rng.next() as u8)),
        // The first block is the last.
        4 => bad[0] ^= 1,
        _ => {
            for _ in 0..=rng.below(3) {
                // The headers of blocks are in the first bytes.
                let at = if rng.below(2) == 0 { rng.below(6) } else { rng.below(1 << 20) };
                let at = at as usize % bad.len();
                bad[at] ^= 1 << rng.below(8);
            }
        }
    }
    if bad.is_empty() {
        bad.push(0);
    }
    (payloads, index)
}

fn compare(bits: u8, payloads: &[Vec<u8>], bad: usize, seed: u64) -> Vec<(&'static str, Verdict)> {
    let mut ours = Decoder::new(window(bits), true);
    let mut naive = naive::Inflater::new(bits, true);
    let mut zlib = zlib::Inflater::new(bits);
    let mut miniz = miniz::Inflater::new(bits);
    let mut random = Random(seed as u32);
    for (index, payload) in payloads.iter().enumerate() {
        let model = naive.message(payload);
        let got = inflate(&mut ours, payload, &mut random, 1 << 20);
        match &model {
            Ok(model) => {
                assert!(got.as_ref() == Ok(&Some(model.clone())), "{seed}: {got:?} {payload:02x?}");
            }
            Err(fault) => {
                assert!(got.is_err(), "{seed}: {fault:?} was missed: {got:?} {payload:02x?}");
            }
        }
        // With one byte at a time, the window of zlib is exact.
        let by_zlib = by_zlib(&mut zlib, payload, || 1);
        let by_miniz = by_miniz(&mut miniz, payload);
        if index == bad {
            return vec![
                ("zlib", classify("zlib", payload, &model, naive.seen, by_zlib)),
                ("miniz", classify("miniz", payload, &model, naive.seen, by_miniz)),
            ];
        }
        if model.is_err() {
            // An undamaged message. The compressor of miniz_oxide used a window of 15 bits.
            assert_eq!(model, Err(Fault::TooFar));
            return Vec::new();
        }
    }
    panic!("the damaged one is among them")
}
