//! The decoder and the model accept the same messages, with the same bytes.

use proptest::collection::vec;
use proptest::prelude::*;
use sansocket::deflate::{Decoder, Needs, WindowBits};

use crate::common::inflate_model::InflateModel;
use crate::deflate::bit_writer::{BitWriter, Code};

/// An element of a block.
#[derive(Clone, Debug)]
enum Symbol {
    Literals(Vec<u8>),
    Copy { length: u16, distance: u16 },
}

/// A block of a message.
#[derive(Clone, Debug)]
enum Block {
    Stored(bool, Vec<u8>),
    Fixed(bool, Vec<Symbol>),
    /// With codes of lengths made from these weights.
    Dynamic(bool, Vec<u16>, Vec<u16>, Vec<Symbol>),
}

fn symbols() -> impl Strategy<Value = Vec<Symbol>> {
    let literals = vec(any::<u8>(), 0..30).prop_map(Symbol::Literals);
    let distance = prop_oneof![3 => 1..50_u16, 2 => 1..600_u16, 1 => 1..=32_768_u16];
    let length = prop_oneof![4 => 3..20_u16, 1 => 3..=258_u16];
    let copy = (length, distance).prop_map(|(length, distance)| Symbol::Copy { length, distance });
    vec(prop_oneof![literals, copy], 0..30)
}

fn block() -> impl Strategy<Value = Block> {
    let last = || proptest::bool::weighted(0.2);
    let weights = |n| vec(prop_oneof![4 => 1..200_u16, 1 => 1..60_000_u16], n);
    prop_oneof![
        1 => (last(), vec(any::<u8>(), 0..400)).prop_map(|(last, bytes)| Block::Stored(last, bytes)),
        2 => (last(), symbols()).prop_map(|(last, symbols)| Block::Fixed(last, symbols)),
        3 => (last(), weights(286), weights(30), symbols())
            .prop_map(|(last, l, d, symbols)| Block::Dynamic(last, l, d, symbols)),
    ]
}

/// A complete code with lengths up to 15 bits: a lighter symbol has a longer code, as far as
/// possible.
fn code(weights: &[u16]) -> Code {
    let mut by_weight: Vec<usize> = (0..weights.len()).collect();
    by_weight.sort_by_key(|&symbol| core::cmp::Reverse(weights[symbol]));
    let total: u32 = weights.iter().map(|&weight| u32::from(weight)).sum();
    let mut lens = vec![0; weights.len()];
    // In units of a code of 15 bits.
    let mut room = 1_u32 << 15;
    for (i, &symbol) in by_weight.iter().enumerate() {
        let others = (weights.len() - i - 1) as u32;
        let wished = (total / u32::from(weights[symbol])).max(1).ilog2().clamp(1, 15);
        // Long enough for the remaining symbols, and short enough to use up all units with them.
        let len = (wished..=15).find(|len| (1 << (15 - len)) + others <= room).unwrap_or(15);
        lens[symbol] = len as u8;
        room -= 1 << (15 - len);
    }
    // The remaining units shorten the longest codes.
    while room > 0 {
        for &symbol in &by_weight {
            let more = 1 << (15 - lens[symbol]);
            if lens[symbol] > 1 && more <= room {
                lens[symbol] -= 1;
                room -= more;
            }
        }
    }
    Code { lens }
}

fn write(mut writer: BitWriter, block: &Block) -> BitWriter {
    let (literals, distances, symbols) = match block {
        Block::Stored(last, bytes) => return writer.stored(*last, bytes),
        Block::Fixed(last, symbols) => {
            writer = writer.block(*last, 1);
            (Code::fixed(), Code::fixed_distances(), symbols)
        }
        Block::Dynamic(last, literals, distances, symbols) => {
            let (literals, distances) = (code(literals), code(distances));
            writer = writer.dynamic(*last, &literals, &distances);
            (literals, distances, symbols)
        }
    };
    for symbol in symbols {
        writer = match symbol {
            Symbol::Literals(bytes) => writer.literals(&literals, bytes),
            &Symbol::Copy { length, distance } => {
                writer.copy(&literals, &distances, length, distance)
            }
        };
    }
    let last = matches!(block, Block::Fixed(true, _) | Block::Dynamic(true, ..));
    let writer = writer.symbol(&literals, 256);
    if last { writer.align(false) } else { writer }
}

/// Inflates a message from parts of `input` bytes into output space that grows by `room`.
fn inflate(decoder: &mut Decoder, payload: &[u8], input: usize, room: usize) -> Option<Vec<u8>> {
    let (mut message, mut at) = (Vec::new(), 0);
    for mut chunk in payload.chunks(input) {
        loop {
            let progress = decoder.inflate(chunk, &mut message, at).ok()?;
            chunk = &chunk[progress.read..];
            at += progress.written;
            if progress.needs == Needs::Input {
                break;
            }
            message.resize(at + room, 0xa5);
        }
    }
    message.truncate(at);
    decoder.finish(&message).ok()?;
    Some(message)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 100 } else { 2000 }))]

    /// Messages of blocks of every type, with any codes, some of them with a fault.
    #[test]
    fn the_model_and_the_decoder_accept_the_same(
        bits in 8..=15_u8,
        takeover: bool,
        messages in vec((vec(block(), 0..4), proptest::option::weighted(0.3, any::<u32>())), 1..4),
        input in prop_oneof![1..20_usize, 1..5000_usize],
        room in prop_oneof![1..20_usize, 1..5000_usize],
    ) {
        let window = WindowBits::new(bits).unwrap();
        let mut model = InflateModel::new(bits, takeover);
        let mut uncut = Decoder::new(window, takeover);
        let mut cut = Decoder::new(window, takeover);
        for (blocks, flip) in &messages {
            let mut payload = blocks.iter().fold(BitWriter::new(), write).end();
            if let &Some(flip) = flip {
                let at = flip as usize % (payload.len() * 8);
                payload[at / 8] ^= 1 << (at % 8);
            }
            let before = model.clone();
            let mut expected = model.message(&payload).ok();
            let message = inflate(&mut uncut, &payload, payload.len(), 100_000);
            if expected.is_none() && message.is_some() {
                // The model requires the tail, which is not missing after a last block.
                payload.push(0x00);
                model = before;
                expected = model.message(&payload).ok();
                payload.pop();
            }
            prop_assert!(message == expected, "{:02x?}", payload);
            let result = inflate(&mut cut, &payload, input, room);
            prop_assert!(result == expected, "{:02x?} in chunks", payload);
            if expected.is_none() {
                break;
            }
        }
    }
}
