//! Any bytes as the messages of a connection: no panic, no memory beyond the window's, the same
//! however input and room are cut, and just what the model makes of it. zlib and miniz_oxide agree,
//! or differ for a known reason.
//!
//! The first byte of the data chooses the settings, the second the cutting, two more say where a
//! second and a third message begin.

use sansocket::deflate::Decoder;

use super::codecs::{miniz, naive, zlib};
use super::engine::{Cuts, Random, Verdict, Whole, by_miniz, by_zlib, inflate, judge, window};

/// More than the largest window.
const MAX_LEN: usize = 40_000;

/// The tables of a block that is read bit by bit, beside the window.
const TABLES: usize = 20_000;

/// Byte by byte, both ways.
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

/// Checks what the decoder makes of `data`.
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
    /// False: what follows has no meaning.
    fn message(&mut self, payload: &[u8]) -> bool {
        let whole = inflate(&mut self.whole, payload, &mut Whole, MAX_LEN);
        let bytewise = inflate(&mut self.bytewise, payload, &mut Bytewise, MAX_LEN);
        let random = inflate(&mut self.random, payload, &mut self.cuts, MAX_LEN);
        if [&whole, &bytewise, &random].contains(&&Ok(None)) {
            // Too long at least for one: the others may have met a fault behind the limit.
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
        let miniz = judge("miniz", payload, &model, self.naive.seen, by_miniz);
        // One byte at a time, where it is exact, it is slow.
        let zlib = (self.naive.seen.written < 5000).then(|| {
            let it = by_zlib(&mut self.zlib, payload, || 1);
            judge("zlib", payload, &model, self.naive.seen, it)
        });
        if !self.takeover {
            self.miniz.reset();
            self.zlib.reset();
        }
        // Where they stopped before the end, or wait for the rest, the next message finds them in the
        // middle of something.
        miniz == Verdict::BothAccept && zlib == Some(Verdict::BothAccept) && !payload.is_empty()
    }
}
