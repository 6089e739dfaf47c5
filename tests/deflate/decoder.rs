//! The DEFLATE decoder: examples of RFC 7692, splits at every byte, violations of every rule of a
//! stream, and a reference encoder.

use miniz_oxide::deflate::core::{CompressorOxide, TDEFLFlush, compress};
use sansocket::deflate::{Corrupt, Decoder, Needs, WindowBits};

use crate::deflate::bit_writer::{BitWriter, Code};

/// A decoder with the largest window, with context takeover.
fn decoder() -> Decoder {
    Decoder::new(WindowBits::MAX, true)
}

/// Inflates a message given at once, into growing output space; at most `limit` bytes.
fn inflate(decoder: &mut Decoder, payload: &[u8]) -> Result<Vec<u8>, Corrupt> {
    let (mut message, mut at, mut rest) = (vec![0xa5; 64], 0, payload);
    loop {
        let progress = decoder.inflate(rest, &mut message, at)?;
        rest = &rest[progress.read..];
        at += progress.written;
        match progress.needs {
            Needs::Input => break,
            _ => {
                assert_eq!(at, message.len());
                message.resize(2 * at, 0xa5);
            }
        }
    }
    assert!(rest.is_empty());
    message.truncate(at);
    decoder.finish(&message)?;
    Ok(message)
}

/// Inflates a message in parts of input and output space of the given lengths, repeated. Full
/// output of `slide` bytes is moved out, unless `slide` is 0.
fn inflate_cut(
    decoder: &mut Decoder,
    payload: &[u8],
    inputs: &[usize],
    rooms: &[usize],
    slide: usize,
) -> Result<Vec<u8>, Corrupt> {
    let mut inputs = inputs.iter().copied().cycle();
    let mut rooms = rooms.iter().copied().cycle();
    let (mut out, mut message, mut at, mut rest) = (Vec::new(), Vec::new(), 0, payload);
    while !rest.is_empty() {
        let (mut chunk, later) = rest.split_at(inputs.next().unwrap().min(rest.len()));
        rest = later;
        loop {
            let progress = decoder.inflate(chunk, &mut message, at)?;
            chunk = &chunk[progress.read..];
            at += progress.written;
            match progress.needs {
                Needs::Input => break,
                _ => {
                    assert_eq!(at, message.len(), "there was room");
                    if slide > 0 && at >= slide {
                        decoder.slide(&message);
                        out.append(&mut message);
                        at = 0;
                    }
                    message.resize(at + rooms.next().unwrap(), 0xa5);
                }
            }
        }
        assert!(chunk.is_empty(), "input was left");
    }
    message.truncate(at);
    decoder.finish(&message)?;
    out.append(&mut message);
    Ok(out)
}

/// Compresses messages with context takeover, as RFC 7692 section 7.2.1 describes; windows of 15
/// bits.
struct Miniz(Box<CompressorOxide>);

impl Miniz {
    fn new(level: i32) -> Self {
        let flags = miniz_oxide::deflate::core::create_comp_flags_from_zip_params(level, -15, 0);
        Self(Box::new(CompressorOxide::new(flags)))
    }

    fn message(&mut self, message: &[u8]) -> Vec<u8> {
        let mut out = vec![0; message.len() * 2 + 1024];
        let (_, read, written) = compress(&mut self.0, message, &mut out, TDEFLFlush::Sync);
        assert!(read == message.len() && written < out.len());
        out.truncate(written);
        assert!(out.ends_with(&[0x00, 0x00, 0xff, 0xff]));
        out.truncate(written - 4);
        out
    }
}

/// Text with near and far repetitions, and noise between them.
fn sample(mut seed: u64, len: usize) -> Vec<u8> {
    let mut random = move |n: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed >> 33) as usize % n
    };
    let mut text = Vec::with_capacity(len + 300);
    while text.len() < len {
        match random(4) {
            0 => text.extend((0..random(20)).map(|_| random(256) as u8)),
            1 => text.extend((0..random(40)).map(|_| b"abcdefgh"[random(8)])),
            2 => {
                let byte = random(256) as u8;
                text.extend(core::iter::repeat_n(byte, random(300)));
            }
            _ if text.is_empty() => {}
            _ => {
                let (mut from, n) = (random(text.len()), random(300));
                for _ in 0..n {
                    text.push(text[from]);
                    from += 1;
                }
            }
        }
    }
    text.truncate(len);
    text
}

const HELLO: [u8; 7] = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];

#[test]
fn x21_examples_of_rfc_7692() {
    let mut takeover = decoder();
    assert_eq!(inflate(&mut takeover, &HELLO).unwrap(), b"Hello");
    assert_eq!(inflate(&mut takeover, &[0xf2, 0x00, 0x11, 0x00, 0x00]).unwrap(), b"Hello");
    let stored = [0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00];
    assert_eq!(inflate(&mut takeover, &stored).unwrap(), b"Hello");
    let last = [0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00];
    assert_eq!(inflate(&mut takeover, &last).unwrap(), b"Hello");
    let two = [0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00];
    assert_eq!(inflate(&mut takeover, &two).unwrap(), b"Hello");
    assert_eq!(inflate(&mut takeover, &[0x00]).unwrap(), b"");
    assert_eq!(inflate(&mut takeover, &[0xf2, 0x00, 0x11, 0x00, 0x00]).unwrap(), b"Hello");
}

/// V29: the same messages repeatedly.
#[test]
fn x19_empty_messages() {
    let mut decoder = decoder();
    for _ in 0..3 {
        for payload in
            [&[0x00][..], &[], &[0x02, 0x00], &[0x01], &[0x03, 0x00], &[0x03, 0x00, 0x00]]
        {
            assert_eq!(inflate(&mut decoder, payload), Ok(vec![]), "{payload:?}");
        }
    }
    assert_eq!(inflate(&mut decoder, &HELLO).unwrap(), b"Hello");
}

#[test]
fn messages_of_another_encoder() {
    for level in [0, 1, 6, 9] {
        let (mut miniz, mut uncut, mut cut) = (Miniz::new(level), decoder(), decoder());
        for (seed, len) in (1..).zip([10, 0, 64, 300, 5000, 1, 70_000, 64, 0, 20_000, 200_000]) {
            let message = sample(seed, len);
            let payload = miniz.message(&message);
            assert!(inflate(&mut uncut, &payload) == Ok(message.clone()), "{level} {len}");
            let result = inflate_cut(&mut cut, &payload, &[1, 17, 3, 900], &[1, 40, 1000], 777);
            assert!(result == Ok(message), "{level} {len} in chunks");
        }
    }
}

#[test]
fn split_at_every_byte_of_input_and_output() {
    let text = sample(7, 700);
    let mut miniz = Miniz::new(6);
    let payloads = [miniz.message(&text), miniz.message(&sample(8, 300)), miniz.message(&text)];
    let expected = inflate_all(inflate, &payloads);
    for n in 1..300 {
        for (inputs, rooms) in [([n, 100_000], [700, 700]), ([n, n], [n, n]), ([1000, 1], [n, 1])] {
            for slide in [0, 1] {
                let cut = |decoder: &mut Decoder, payload: &[u8]| {
                    inflate_cut(decoder, payload, &inputs, &rooms, slide)
                };
                assert!(inflate_all(cut, &payloads) == expected, "{inputs:?} {rooms:?} {slide}");
            }
        }
    }
}

fn inflate_all(
    inflate: impl Fn(&mut Decoder, &[u8]) -> Result<Vec<u8>, Corrupt>,
    payloads: &[Vec<u8>],
) -> Vec<Vec<u8>> {
    let mut decoder = decoder();
    payloads.iter().map(|payload| inflate(&mut decoder, payload).unwrap()).collect()
}

/// Asserts the inflated form of a payload, or `None` for `Corrupt`; at once, and byte by byte.
#[track_caller]
fn assert_inflates(payload: &[u8], expected: Option<&[u8]>) {
    let mut uncut = decoder();
    assert_eq!(inflate(&mut uncut, payload).ok().as_deref(), expected, "{payload:02x?}");
    for slide in [0, 1] {
        let mut cut = decoder();
        let message = inflate_cut(&mut cut, payload, &[1], &[1], slide);
        assert_eq!(message.ok().as_deref(), expected, "{payload:02x?}");
    }
    if expected.is_none() {
        // Every later call returns the same error.
        assert!(inflate(&mut uncut, &HELLO).is_err());
        assert!(uncut.finish(&[]).is_err());
        assert_eq!(uncut.capacity(), 0);
    }
}

/// A fixed block with these bytes, and its end.
fn fixed(writer: BitWriter, last: bool, bytes: &[u8]) -> BitWriter {
    let code = Code::fixed();
    writer.block(last, 1).literals(&code, bytes).symbol(&code, 256)
}

/// V12, Q10: after a block with BFINAL the message continues at the next byte.
#[test]
fn q10_a_last_block_is_not_the_end() {
    let first = || fixed(BitWriter::new(), true, b"first").align(true);
    assert_inflates(&first().bytes(&[0x00]).into_bytes(), Some(b"first"));
    assert_inflates(&first().into_bytes(), Some(b"first"));
    assert_inflates(&fixed(first(), false, b" second").end(), Some(b"first second"));
    assert_inflates(
        &fixed(first(), true, b" second").align(false).into_bytes(),
        Some(b"first second"),
    );
    assert_inflates(&first().stored(true, b" second").into_bytes(), Some(b"first second"));
    assert_inflates(&first().stored(true, b"").stored(true, b"!").into_bytes(), Some(b"first!"));
    // Another block without its end, one of the reserved type, and bytes that begin no block.
    assert_inflates(&fixed(first(), false, b"second").align(true).into_bytes(), None);
    assert_inflates(&first().bytes(&[0x06]).into_bytes(), None);
    assert_inflates(&first().bytes(&[0x00, 0x00]).into_bytes(), None);
    assert_inflates(&first().bytes(b"garbage").into_bytes(), None);
}

/// V12, V43: data before a block with BFINAL can be referred to, in this message and in the next.
#[test]
fn q10_the_window_is_kept_after_a_last_block() {
    let (code, distances) = (Code::fixed(), Code::fixed_distances());
    let writer = fixed(BitWriter::new(), true, b"first").align(false);
    let again = writer.block(true, 1).copy(&code, &distances, 5, 5).symbol(&code, 256).align(false);
    let mut decoder = decoder();
    assert_eq!(inflate(&mut decoder, &again.into_bytes()).unwrap(), b"firstfirst");
    for _ in 0..3 {
        let far = BitWriter::new().block(true, 1).copy(&code, &distances, 10, 10);
        let far = far.symbol(&code, 256).align(false).bytes(&[0x00]).into_bytes();
        assert_eq!(inflate(&mut decoder, &far).unwrap(), b"firstfirst");
    }
}

/// The tail must complete an empty stored block and no more.
#[test]
fn x17_valid_ends_of_a_message() {
    assert_inflates(&HELLO, Some(b"Hello"));
    for n in 1..HELLO.len() {
        assert_inflates(&HELLO[..n], None);
    }
    for more in [&[0x00][..], &[0x00, 0x00, 0xff, 0xff], &[0xff], &[0x00, 0x00, 0x00, 0xff, 0xff]] {
        let payload = [&HELLO, more].concat();
        assert_inflates(&payload, None);
    }
    // The tail was not removed: the message continues after it, so further data must follow.
    let tail = [0x00, 0x00, 0xff, 0xff];
    assert_inflates(&[&HELLO, &tail[..], &[0x00]].concat(), Some(b"Hello"));
    // Blocks that end on a byte boundary, without an empty block after them.
    assert_inflates(&BitWriter::new().stored(false, b"Hello").into_bytes(), None);
    assert_inflates(&BitWriter::new().stored(true, b"Hello").into_bytes(), Some(b"Hello"));
    // In the stored bytes, and in the length fields: the tail must not be read as either.
    for n in 1..10 {
        let cut = &BitWriter::new().stored(false, b"Hello").into_bytes()[..n];
        // The first byte alone is the empty message.
        assert_inflates(cut, (n == 1).then_some(b""));
        let cut = &BitWriter::new().stored(true, b"Hello").into_bytes()[..n];
        assert_inflates(cut, (n == 1).then_some(b""));
    }
    assert_inflates(&BitWriter::new().stored(true, b"1234").into_bytes()[..5], None);
    // Two bits, one bit and no bit after a block: too few for the header of another.
    for n in 4..=6 {
        assert_inflates(&fixed(BitWriter::new(), false, &vec![200; n]).into_bytes(), None);
    }
    assert_inflates(&fixed(BitWriter::new(), false, &[200; 3]).into_bytes(), Some(&[200; 3]));
}

#[test]
fn blocks_of_the_reserved_type() {
    assert_inflates(&[0x06], None);
    assert_inflates(&[0x07], None);
    assert_inflates(
        &fixed(BitWriter::new(), false, b"x").block(false, 3).align(false).into_bytes(),
        None,
    );
}

#[test]
fn stored_blocks() {
    let long = sample(3, 65_535);
    for bytes in [&b""[..], b"x", b"12345678", &long[..300], &long] {
        let writer = BitWriter::new().stored(false, bytes);
        assert_inflates(&writer.clone().end(), Some(bytes));
        let two = fixed(writer, false, b"ab").stored(false, bytes).end();
        assert_inflates(&two, Some(&[bytes, b"ab", bytes].concat()));
    }
    for lens in [[0x01, 0x00, 0xff, 0xff], [0x05, 0x00, 0x05, 0x00], [0x05, 0x00, 0xfa, 0x7f]] {
        let writer = BitWriter::new().block(false, 0).align(true).bytes(&lens).bytes(b"12345");
        assert_inflates(&writer.end(), None);
    }
}

#[test]
fn reserved_symbols_of_the_fixed_code() {
    let (code, distances) = (Code::fixed(), Code::fixed_distances());
    let begin = || BitWriter::new().block(false, 1).literals(&code, b"abc");
    assert_inflates(&begin().symbol(&code, 256).end(), Some(b"abc"));
    for symbol in [286, 287] {
        let writer = begin().symbol(&code, symbol).symbol(&distances, 0);
        assert_inflates(&writer.symbol(&code, 256).end(), None);
    }
    for symbol in [30, 31] {
        let writer = begin().symbol(&code, 257).symbol(&distances, symbol);
        assert_inflates(&writer.symbol(&code, 256).end(), None);
    }
}

#[test]
fn every_length_and_distance() {
    let (code, distances) = (Code::fixed(), Code::fixed_distances());
    let text = sample(5, 32_768);
    let mut decoder = decoder();
    let stored = BitWriter::new().stored(true, &text).into_bytes();
    let lengths = (3..=258).map(|length| (length, 1 + length * 100));
    let distances_all = (0..15).flat_map(|n| [(9, 1 << n), (200, 1 << n), (40, (2 << n) - 1)]);
    for (length, distance) in lengths.chain(distances_all).chain([(258, 32_768), (3, 32_768)]) {
        assert_eq!(inflate(&mut decoder, &stored).unwrap(), text);
        let writer = BitWriter::new().block(true, 1).copy(&code, &distances, length, distance);
        let payload = writer.symbol(&code, 256).align(false).into_bytes();
        let mut expected = text.clone();
        for _ in 0..length {
            expected.push(expected[expected.len() - usize::from(distance)]);
        }
        assert!(
            inflate(&mut decoder, &payload).unwrap() == expected[32_768..],
            "{length} {distance}"
        );
    }
    // 258 has a symbol of its own, and a form with extra bits, which zlib accepts too.
    let writer = BitWriter::new().block(true, 1).literals(&code, b"a").symbol(&code, 284);
    let writer = writer.bits(31, 5).symbol(&distances, 0).symbol(&code, 256).align(false);
    assert_inflates(&writer.into_bytes(), Some(&[b'a'; 259]));
}

/// Repetitions of one byte (V44), and of few bytes.
#[test]
fn repetitions_of_short_patterns() {
    let (code, distances) = (Code::fixed(), Code::fixed_distances());
    for distance in 1..40 {
        let begin: Vec<u8> = (b'a'..).take(distance).collect();
        for length in 3..=258 {
            let writer = BitWriter::new().block(true, 1).literals(&code, &begin);
            let writer = writer.copy(&code, &distances, length, distance as u16);
            let payload =
                writer.literals(&code, b"end").symbol(&code, 256).align(false).into_bytes();
            let mut expected: Vec<u8> =
                begin.iter().copied().cycle().take(distance + usize::from(length)).collect();
            expected.extend(b"end");
            assert_eq!(inflate(&mut decoder(), &payload).unwrap(), expected);
            if length % 50 == 3 {
                assert_inflates(&payload, Some(&expected));
            }
        }
    }
    let (mut miniz, mut decoder) = (Miniz::new(6), decoder());
    for len in (1..700).chain([4096, 32_767, 32_768, 32_769, 65_535, 65_536, 70_000]) {
        let message = vec![b'a'; len];
        let payload = miniz.message(&message);
        assert!(inflate(&mut decoder, &payload).unwrap() == message, "{len}");
    }
}

#[test]
fn dynamic_codes_of_a_block() {
    let lone = |len| Code::of(&[(0, len)]);
    // The longest possible codes, and the maximum of symbols.
    let mut long = Code { lens: vec![0; 286] };
    for (symbol, len) in
        [97, 98, 99, 100, 101, 102, 103, 104, 105, 106, 107, 108, 256, 257, 258, 285]
            .into_iter()
            .zip((1..15).chain([15, 15]))
    {
        long.lens[symbol] = len;
    }
    let long_distances = Code { lens: (1..15).chain([15, 15]).chain([0; 14]).collect() };
    assert_eq!(long_distances.lens.len(), 30);
    let writer =
        BitWriter::new().dynamic(false, &long, &long_distances).literals(&long, b"abcdefghijkl");
    let writer = writer.copy(&long, &long_distances, 3, 1).copy(&long, &long_distances, 4, 4);
    let writer = writer.copy(&long, &long_distances, 258, 10).symbol(&long, 256);
    let mut model = b"abcdefghijkl".to_vec();
    for (length, distance) in [(3, 1), (4, 4), (258, 10)] {
        for _ in 0..length {
            model.push(model[model.len() - distance]);
        }
    }
    assert_inflates(&writer.end(), Some(&model));

    let ab = Code::of(&[(97, 1), (256, 2), (257, 2)]);
    // No distance code, if no distance is used; a single one of one bit.
    for distances in
        [Code::of(&[(0, 0)]), Code { lens: vec![0; 30] }, lone(1), Code::of(&[(29, 1)])]
    {
        let begin = || BitWriter::new().dynamic(false, &ab, &distances).literals(&ab, b"aaa");
        assert_inflates(&begin().symbol(&ab, 256).end(), Some(b"aaa"));
        assert_inflates(&begin().symbol(&ab, 257).bits(1, 1).symbol(&ab, 256).end(), None);
        let used = begin().symbol(&ab, 257).bits(0, 1).symbol(&ab, 256).end();
        assert_inflates(&used, (distances.lens == [1]).then_some(b"aaaaaa"));
    }
    // A single code of more bits, an incomplete code of two, and too many.
    for lens in [&[2][..], &[15], &[2, 2], &[1, 2], &[1, 1, 1], &[1, 2, 2, 2], &[2, 2, 2, 15]] {
        let distances = Code { lens: lens.to_vec() };
        let writer = BitWriter::new().dynamic(false, &ab, &distances);
        assert_inflates(&writer.symbol(&ab, 256).end(), None);
    }
}

#[test]
fn invalid_literal_codes() {
    let distances = Code::even(2);
    let block = |code: &Code| BitWriter::new().dynamic(false, code, &distances);
    // The end of the block alone, with one bit: zlib accepts it, and so does the decoder.
    let end = Code::of(&[(256, 1)]);
    assert_inflates(&block(&end).symbol(&end, 256).end(), Some(b""));
    assert_inflates(&block(&end).bit(true).end(), None);
    let end = Code::of(&[(256, 2)]);
    assert_inflates(&block(&end).symbol(&end, 256).end(), None);
    // No code for the end of the block.
    let mut code = Code::of(&[(97, 1), (98, 1)]);
    code.lens.resize(257, 0);
    assert_inflates(&block(&code).literals(&code, b"ab").end(), None);
    let code = Code::of(&[(97, 1), (257, 1)]);
    assert_inflates(&block(&code).literals(&code, b"a").end(), None);
    // Incomplete and oversubscribed codes.
    let code = Code::of(&[(97, 1), (256, 2)]);
    assert_inflates(&block(&code).literals(&code, b"a").symbol(&code, 256).end(), None);
    let code = Code::of(&[(97, 1), (98, 1), (256, 1)]);
    assert_inflates(&block(&code).literals(&code, b"a").bits(0xff, 8).end(), None);
    let mut code = Code::even(257);
    code.lens[5] = 15;
    assert_inflates(&block(&code).literals(&code, b"a").symbol(&code, 256).end(), None);
}

#[test]
fn code_lengths() {
    let even = Code::even(19);
    let ab = Code::of(&[(97, 1), (256, 1)]);
    let distances = Code { lens: vec![0] };
    // 97 zeros, 1, 158 zeros, 1, 0.
    let good = [(18, 86), (1, 0), (18, 127), (18, 9), (1, 0), (0, 0)];
    let block = |hlit, hdist| BitWriter::new().dynamic_head(false, hlit, hdist, &even);
    let end = |writer: BitWriter| writer.literals(&ab, b"a").symbol(&ab, 256).end();
    assert_eq!(ab.lens.len() + distances.lens.len(), 258);
    assert_inflates(&end(block(257, 1).lengths(&even, &good)), Some(b"a"));
    // A repetition across both codes: 30 distances of 5 bits are incomplete, of 0 bits valid.
    let over = |hdist, symbols: &[(u8, u64)]| {
        let begin = [(18, 86), (1, 0), (18, 127), (18, 9), (1, 0)];
        end(block(257, hdist).lengths(&even, &begin).lengths(&even, symbols))
    };
    assert_inflates(&over(30, &[(18, 19)]), Some(b"a"));
    assert_inflates(&over(30, &[(18, 20)]), None);
    assert_inflates(&over(30, &[(17, 7), (17, 7), (18, 0)]), None);
    assert_inflates(&over(4, &[(1, 0), (16, 0)]), None);
    assert_inflates(&over(4, &[(16, 1)]), None);
    assert_inflates(&over(4, &[(2, 0), (16, 0)]), Some(b"a"));
    assert_inflates(&over(4, &[(2, 0), (16, 1)]), None);
    assert_inflates(&over(8, &[(3, 0), (16, 0), (16, 1)]), Some(b"a"));
    // No length to repeat.
    assert_inflates(&end(block(257, 1).lengths(&even, &[(16, 0)])), None);
    // After a repetition of zeros, a repetition of the previous length is one of zeros.
    assert_inflates(&over(6, &[(17, 0), (16, 0)]), Some(b"a"));
    // More literals or distances than the format has.
    for (hlit, hdist, good) in
        [(286, 30, true), (287, 1, false), (288, 1, false), (257, 31, false), (257, 32, false)]
    {
        let zeros = hlit + hdist - 257 - 11;
        let mut symbols = vec![(18, 86), (1, 0), (18, 127), (18, 9), (1, 0)];
        symbols.push(if zeros < 128 { (18, zeros as u64) } else { (18, 127) });
        assert_inflates(&end(block(hlit, hdist).lengths(&even, &symbols)), good.then_some(b"a"));
    }
    // Invalid codes of code lengths.
    for lens in [&[0; 19][..], &[1], &[1, 2], &[1, 1, 1], &[7; 19]] {
        let code = Code { lens: lens.to_vec() };
        assert_inflates(
            &BitWriter::new().dynamic_head(false, 257, 1, &code).bits(0, 64).bits(0, 64).end(),
            None,
        );
    }
}

/// A message that copies `length` bytes from `distance` back.
fn far(length: u16, distance: u16) -> Vec<u8> {
    let (code, distances) = (Code::fixed(), Code::fixed_distances());
    let writer = BitWriter::new().block(false, 1).copy(&code, &distances, length, distance);
    writer.symbol(&code, 256).end()
}

/// V14: a distance is at most 2^bits, and at most the length of the history; in a message, from one
/// message to the next, and after a slide.
#[test]
fn distances_are_limited_by_the_window_and_the_history() {
    for n in 8..=15 {
        let window = WindowBits::new(n).unwrap();
        let size = window.len();
        for len in [1, 5, size - 1, size, size + 1, (2 * size + 17).min(65_535)] {
            let text = sample(len as u64, len);
            let stored = BitWriter::new().stored(true, &text);
            let reach = len.min(size);
            for distance in [1, reach / 2 + 1, reach - 1, reach, reach + 1, size, size + 1, 32_768]
            {
                if distance == 0 || distance > 32_768 {
                    continue;
                }
                let expected = (distance <= reach).then(|| {
                    let mut text = text.clone();
                    (0..258).for_each(|_| text.push(text[text.len() - distance]));
                    text
                });
                let copy = far(258, distance as u16);
                // Inside the message.
                let payload = [stored.clone().into_bytes(), copy.clone()].concat();
                let mut decoder = Decoder::new(window, true);
                assert!(inflate(&mut decoder, &payload).ok() == expected, "{n} {len} {distance}");
                for slide in [1, 300] {
                    let mut decoder = Decoder::new(window, false);
                    let cut = inflate_cut(&mut decoder, &payload, &[70_000], &[300, 1], slide);
                    assert!(cut.ok() == expected, "{n} {len} {distance} slide");
                }
                // From the previous message, which was received in one part or in two.
                let mut decoder = Decoder::new(window, true);
                let (one, two) = text.split_at(len / 3);
                inflate(&mut decoder, &BitWriter::new().stored(true, one).into_bytes()).unwrap();
                inflate(&mut decoder, &BitWriter::new().stored(true, two).into_bytes()).unwrap();
                let copied = inflate(&mut decoder, &copy).ok();
                let expected = expected.as_deref().map(|text| &text[len..]);
                assert!(copied.as_deref() == expected, "{n} {len} {distance} takeover");
                // Without takeover the history is empty.
                let mut decoder = Decoder::new(window, false);
                inflate(&mut decoder, &stored.clone().into_bytes()).unwrap();
                assert!(inflate(&mut decoder, &copy).is_err(), "{n} {len} {distance} no takeover");
            }
        }
    }
}

/// `Needs::Room` is returned only for a byte to write: a limit of n accepts a message of n bytes.
#[test]
fn output_space_that_is_exactly_enough() {
    let text = sample(9, 1000);
    let mut miniz = Miniz::new(6);
    let deflated = miniz.message(&text);
    let empty = BitWriter::new().stored(false, b"").stored(false, b"");
    let more = fixed(empty, false, b"").block(false, 0).align(false).into_bytes();
    for (payload, text) in [
        (deflated.clone(), &text[..]),
        // Empty blocks after it.
        ([&deflated, &[0x00, 0x00, 0xff, 0xff][..], &more].concat(), &text[..]),
        (BitWriter::new().stored(true, &text).into_bytes(), &text[..]),
        (HELLO.to_vec(), b"Hello"),
        (vec![0x00], b""),
    ] {
        for room in 0..text.len() {
            let (mut decoder, mut message) = (decoder(), vec![0; room]);
            let progress = decoder.inflate(&payload, &mut message, 0).unwrap();
            assert_eq!((progress.needs, progress.written), (Needs::Room, room));
            assert_eq!(message, text[..room]);
            // The same call again, then the rest.
            let again = decoder.inflate(&payload[progress.read..], &mut message, room).unwrap();
            assert_eq!((again.needs, again.written), (Needs::Room, 0));
            message.resize(text.len(), 0);
            let rest = &payload[progress.read + again.read..];
            let last = decoder.inflate(rest, &mut message, room).unwrap();
            assert_eq!((last.needs, last.read), (Needs::Input, rest.len()));
            assert_eq!((&message[..], last.written), (text, text.len() - room));
            decoder.finish(&message).unwrap();
        }
        let (mut decoder, mut message) = (decoder(), vec![0; text.len()]);
        let progress = decoder.inflate(&payload, &mut message, 0).unwrap();
        assert_eq!((progress.needs, progress.read), (Needs::Input, payload.len()));
        decoder.finish(&message).unwrap();
    }
}

/// V9: a message that grows a thousandfold uses no more than the given output space.
#[test]
fn v9_bombs_stop_at_the_limit() {
    let bomb = Miniz::new(9).message(&vec![0; 5_000_000]);
    assert!(bomb.len() < 6000);
    let (mut decoder, mut message) = (decoder(), vec![1; 100_000]);
    let progress = decoder.inflate(&bomb, &mut message, 0).unwrap();
    assert_eq!((progress.needs, progress.written), (Needs::Room, 100_000));
    assert!(message.iter().all(|&byte| byte == 0));
    assert!(decoder.capacity() < 9000, "{}", decoder.capacity());
}

#[test]
fn heap_of_a_decoder() {
    assert!(size_of::<Decoder>() <= 64, "{}", size_of::<Decoder>());
    for n in 8..=15 {
        let window = WindowBits::new(n).unwrap();
        for takeover in [true, false] {
            let mut decoder = Decoder::new(window, takeover);
            assert_eq!(decoder.capacity(), 0);
            inflate(&mut decoder, &[]).unwrap();
            inflate(&mut decoder, &[0x00]).unwrap();
            assert_eq!(decoder.capacity(), 0);
            let mut given = 0;
            for len in [60, 60, 100, 200, 400, 800, 2000, 8000, 40_000, 1] {
                // Short, so that no reference is too far.
                let text = sample(len as u64, len);
                let payload = BitWriter::new().stored(false, &text).end();
                inflate(&mut decoder, &payload).unwrap();
                given += len;
                let most = if takeover { given.next_power_of_two().min(window.len()) } else { 0 };
                assert!(decoder.capacity() <= most, "{n} {len} {}", decoder.capacity());
            }
        }
    }
    // Suspended inside a block.
    let mut decoder = decoder();
    let payload = Miniz::new(6).message(&sample(1, 60_000));
    let mut message = vec![0; 60_000];
    decoder.inflate(&payload[..payload.len() / 2], &mut message, 0).unwrap();
    assert!((1000..9000).contains(&decoder.capacity()), "{}", decoder.capacity());
}

/// Misuse by the caller results in garbage or `Corrupt`.
#[test]
fn misuse_has_no_panic() {
    let payload = Miniz::new(6).message(&sample(2, 3000));
    for (len, at) in [(0, 1), (10, 11), (0, usize::MAX), (100, 101)] {
        let progress = decoder().inflate(&payload, &mut vec![0; len], at).unwrap();
        assert_eq!((progress.needs, progress.written), (Needs::Room, 0));
    }
    for first in [1, 100, 500, 1000, 2000] {
        for (len, at) in [(0, 0), (10, 5), (3000, 0), (3000, 1), (300, 300), (40_000, 35_000)] {
            for slide in [false, true] {
                let mut decoder = decoder();
                let mut message = vec![0; first];
                let progress = decoder.inflate(&payload, &mut message, 0).unwrap();
                if slide {
                    decoder.slide(&message[..first / 2]);
                }
                let mut other = vec![0; len];
                if decoder.inflate(&payload[progress.read..], &mut other, at).is_ok() {
                    let _ = decoder.finish(&vec![0; 70_000]);
                }
            }
        }
    }
    // The end before everything is inflated.
    let mut decoder = decoder();
    decoder.inflate(&HELLO, &mut [0; 2], 0).unwrap();
    assert!(decoder.finish(b"He").is_err());
}

/// A stored block that announces more than the received input is no reason to request space.
#[test]
fn output_space_is_requested_for_received_input_only() {
    let mut decoder = decoder();
    let progress = decoder.inflate(&[0x00, 0x40, 0x00, 0xbf, 0xff], &mut [], 0).unwrap();
    assert_eq!((progress.read, progress.needs), (5, Needs::Input));
    assert_eq!(decoder.inflate(&[], &mut [], 0).unwrap().needs, Needs::Input);
    let progress = decoder.inflate(b"ab", &mut [0], 0).unwrap();
    assert_eq!((progress.written, progress.needs), (1, Needs::Room));
    // The second byte can be read already or not, but it is needed.
    let rest = &b"b"[..1 - (progress.read - 1)];
    let progress = decoder.inflate(rest, &mut [b'a', 0], 1).unwrap();
    assert_eq!((progress.written, progress.needs), (1, Needs::Input));
}
