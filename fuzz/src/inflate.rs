//! Any bytes as the messages of a connection. The decoder must not panic or use more memory than
//! the window, its result must not depend on the lengths of input and output buffers, and it must
//! equal the result of the model. zlib and miniz_oxide must agree, or differ for a known reason.
//!
//! The first byte of the data chooses the settings, the second the lengths of the buffers. The next
//! two give the starts of a second and a third message.

use sansocket::deflate::Decoder;

use super::codecs::{miniz, naive, zlib};
use super::engine::{Cuts, Random, Uncut, Verdict, by_miniz, by_zlib, classify, inflate, window};

/// More than the largest window.
const MAX_LEN: usize = 40_000;

/// The tables of a block that is read bit by bit, in addition to the window.
const TABLES: usize = 20_000;

/// Single bytes for input and output.
struct Bytewise;

impl Cuts for Bytewise {
    fn input(&mut self, left: usize) -> usize {
        left.min(1)
    }

    fn room(&mut self) -> usize {
        1
    }

    fn slides(&mut self) -> bool {
        false
    }
}

/// Checks the decoder with `data`.
pub(crate) fn check(data: &[u8]) {
    let &[choice, seed, first, second, ref rest @ ..] = data else { return };
    let bits = 8 + (choice & 7);
    let takeover = choice & 8 == 0;
    let mut connection = Connection {
        bits,
        takeover,
        whole: Decoder::new(window(bits), takeover),
        bytewise: Decoder::new(window(bits), takeover),
        random: Decoder::new(window(bits), takeover),
        cuts: Random(seed.into()),
        naive: naive::Inflater::new(bits, takeover),
        miniz: miniz::Inflater::new(bits),
        zlib: zlib::Inflater::new(bits),
    };
    let (start, rest) = rest.split_at(usize::from(first).min(rest.len()));
    let (middle, end) = rest.split_at(usize::from(second).min(rest.len()));
    for payload in [start, middle, end] {
        if !connection.message(payload) {
            break;
        }
    }
}

struct Connection {
    bits: u8,
    takeover: bool,
    whole: Decoder,
    bytewise: Decoder,
    random: Decoder,
    cuts: Random,
    naive: naive::Inflater,
    miniz: miniz::Inflater,
    zlib: zlib::Inflater,
}

impl Connection {
    /// Returns false if the following bytes have no meaning.
    fn message(&mut self, payload: &[u8]) -> bool {
        let whole = inflate(&mut self.whole, payload, &mut Uncut, MAX_LEN);
        let bytewise = inflate(&mut self.bytewise, payload, &mut Bytewise, MAX_LEN);
        let random = inflate(&mut self.random, payload, &mut self.cuts, MAX_LEN);
        if [&whole, &bytewise, &random].contains(&&Ok(None)) {
            // Too long for at least one decoder: the others may have found a fault after the limit.
            return false;
        }
        assert_eq!(whole, bytewise, "cut into single bytes");
        assert_eq!(whole, random, "cut at random");
        for decoder in [&self.whole, &self.bytewise, &self.random] {
            assert!(decoder.capacity() <= (1 << self.bits) + TABLES, "{}", decoder.capacity());
            assert!(self.takeover || decoder.capacity() == 0 || whole.is_err());
        }
        let model = self.naive.message(payload);
        match (&whole, &model) {
            (Ok(Some(got)), Ok(model)) => assert_eq!(got, model, "{payload:02x?}"),
            (Err(_), Err(_)) => {}
            _ => panic!("ours {whole:?}, the model {model:?}: {payload:02x?}"),
        }
        let by_miniz = by_miniz(&mut self.miniz, payload);
        let miniz = classify("miniz", payload, &model, self.naive.seen, by_miniz);
        // With one byte at a time this is exact but slow.
        let zlib = (self.naive.seen.written < 5000).then(|| {
            let it = by_zlib(&mut self.zlib, payload, || 1);
            classify("zlib", payload, &model, self.naive.seen, it)
        });
        if !self.takeover {
            self.miniz.reset();
            self.zlib.reset();
        }
        // Decoders that stopped before the end, or need more input, start the next message in an
        // intermediate state.
        miniz == Verdict::BothAccept && zlib == Some(Verdict::BothAccept) && !payload.is_empty()
    }
}
