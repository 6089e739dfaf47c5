//! Blocks: fixed, dynamic or stored, whichever is the smallest
//! ([RFC 1951 section 3.2.3](https://www.rfc-editor.org/rfc/rfc1951#section-3.2.3)).
//!
//! For a block with many tokens the size of each kind is computed first, from the counts of the
//! symbols. For one with few tokens that is not worth the time.

use crate::deflate::encoder::bits::BitWriter;
use crate::deflate::encoder::header::Header;
use crate::deflate::encoder::huffman::Code;
use crate::deflate::encoder::token::Token;
use crate::deflate::level::Level;
use crate::deflate::tables::{LENGTH_BASE, LENGTH_EXTRA};

/// The memory for writing a block, besides its tokens. Its content is valid for one block.
pub(super) struct Coder {
    literals: [u32; LITERALS],
    distances: [u32; DISTANCES],
    literal_code: Code<LITERALS>,
    distance_code: Code<DISTANCES>,
    header: Header,
}

impl Coder {
    pub(super) const fn new() -> Self {
        Self {
            literals: [0; LITERALS],
            distances: [0; DISTANCES],
            literal_code: Code::EMPTY,
            distance_code: Code::EMPTY,
            header: Header::new(),
        }
    }

    /// Appends a block with `tokens`, which represent `text`.
    pub(super) fn block(
        &mut self,
        tokens: &[Token],
        text: &[u8],
        level: Level,
        bits: &mut BitWriter<'_>,
    ) {
        // With few tokens a dynamic block is hardly ever smaller, because of its header, and the
        // attempt takes time. `header_bits` is an estimate of the header's length for each used
        // symbol; a higher one makes the attempt rarer.
        let (few, header_bits) = if level == Level::Fast { (160, 8) } else { (40, 6) };
        if tokens.len() <= few || text.len() <= FEW_BYTES {
            write_few(tokens, text, bits);
            return;
        }
        let extra = self.count(tokens);
        let fixed = 3
            + extra
            + cost(&self.literals, &FIXED_LITERALS)
            + cost(&self.distances, &FIXED_DISTANCES);
        let stored = stored_cost(text.len(), bits.mark().pending());
        let mut dynamic = u64::MAX;
        // Building the codes takes time. Do it only if a lower bound of the size is small enough.
        let symbols =
            least_cost(&self.literals, header_bits) + least_cost(&self.distances, header_bits);
        if LEAST_HEADER + extra + symbols < fixed.min(stored) {
            self.literal_code.build(&self.literals, 15, 2);
            self.distance_code.build(&self.distances, 15, 0);
            dynamic = 3
                + self.header.prepare(&self.literal_code.lengths, &self.distance_code.lengths)
                + extra
                + cost(&self.literals, &self.literal_code)
                + cost(&self.distances, &self.distance_code);
        }
        if stored <= fixed && stored <= dynamic {
            write_stored(text, bits);
            return;
        }
        // The size is known, so one reservation is enough.
        bits.reserve(usize::try_from(fixed.min(dynamic) / 8).unwrap_or(usize::MAX));
        if fixed <= dynamic {
            write_fixed(tokens, bits);
        } else {
            // BFINAL 0, BTYPE 10.
            bits.put(0b100, 3);
            self.header.write(bits);
            write_tokens(tokens, &self.literal_code, &self.distance_code, bits);
        }
    }

    /// Counts the symbols of a block. Returns the number of their extra bits.
    fn count(&mut self, tokens: &[Token]) -> u64 {
        self.literals = [0; LITERALS];
        self.distances = [0; DISTANCES];
        let mut extra = 0;
        let add = |count: &mut [u32], symbol: usize| {
            if let Some(count) = count.get_mut(symbol) {
                *count += 1;
            }
        };
        for &token in tokens {
            let distance = token.distance();
            if distance == 0 {
                add(&mut self.literals, token.length_or_literal() as usize);
            } else {
                let (length_code, length_extra, _) = length_code(token.length_or_literal());
                let (distance_code, distance_extra, _) = distance_code(distance);
                add(&mut self.literals, 257 + length_code);
                add(&mut self.distances, distance_code);
                extra += u64::from(length_extra + distance_extra);
            }
        }
        add(&mut self.literals, END_OF_BLOCK);
        extra
    }
}

/// Appends a block with few tokens: a fixed one, which is replaced by a stored one if that is
/// smaller.
fn write_few(tokens: &[Token], text: &[u8], bits: &mut BitWriter<'_>) {
    // A match takes at most 31 bits: 8 and 5 extra for the length, 5 and 13 for the distance. The
    // header and the end of the block take 10.
    bits.reserve(tokens.len() * 4 + 2);
    let start = bits.mark();
    write_fixed(tokens, bits);
    if bits.since(start) > stored_cost(text.len(), start.pending()) {
        bits.rewind(start);
        write_stored(text, bits);
    }
}

/// Appends a fixed block. The caller has made room by [`BitWriter::reserve`].
fn write_fixed(tokens: &[Token], bits: &mut BitWriter<'_>) {
    // BFINAL 0, BTYPE 01. `flush` follows each token, since a match has at most 31 bits.
    bits.put(0b010, 3);
    for &token in tokens {
        let distance = token.distance();
        let lookup = token.length_or_literal() as usize;
        if distance == 0 {
            bits.word(FIXED_LITERALS.words.get(lookup).copied().unwrap_or_default());
        } else {
            bits.word(FIXED_LENGTHS.get(lookup).copied().unwrap_or_default());
            let (symbol, count, extra) = distance_code(distance);
            put_symbol(symbol, &FIXED_DISTANCES, bits);
            bits.put(u64::from(extra), count);
        }
        bits.flush();
    }
    put_symbol(END_OF_BLOCK, &FIXED_LITERALS, bits);
    bits.flush();
}

/// Appends stored blocks.
pub(super) fn write_stored(text: &[u8], bits: &mut BitWriter<'_>) {
    for piece in text.chunks(STORED_MAX) {
        bits.reserve(piece.len() + 5);
        // BFINAL 0, BTYPE 00, then LEN and NLEN at a byte boundary (RFC 1951 3.2.4).
        bits.put(0, 3);
        bits.align();
        let len = u64::try_from(piece.len()).unwrap_or_default();
        bits.put(len | (!len & 0xffff) << 16, 32);
        bits.flush();
        bits.bytes(piece);
    }
}

/// Returns the number of bits of stored blocks with `len` bytes. `pending` is the number of bits in
/// the current byte, which determines the padding.
fn stored_cost(len: usize, pending: u32) -> u64 {
    let len = len as u64;
    let blocks = len.div_ceil(STORED_MAX as u64).max(1);
    u64::from((pending + 3).next_multiple_of(8) - pending)
        + (blocks - 1) * 8
        + blocks * 32
        + len * 8
}

/// Returns the number of bits of the symbols with this code, without extra bits.
fn cost<const N: usize>(counts: &[u32; N], code: &Code<N>) -> u64 {
    // No overflow: a block has less than 2^17 symbols.
    let bits: u32 =
        counts.iter().zip(&code.lengths).map(|(count, &length)| count * u32::from(length)).sum();
    u64::from(bits)
}

/// Returns about the least number of bits of these symbols with a dynamic code: their entropy, and
/// `header_bits` for each used symbol in the header.
///
/// The entropy of counts c with the sum t is t log2 t - sum of c log2 c.
fn least_cost<const N: usize>(counts: &[u32; N], header_bits: u64) -> u64 {
    let (mut total, mut used, mut sum) = (0, 0, 0);
    for &count in counts.iter().filter(|&&count| count != 0) {
        total += count;
        used += 1;
        sum += count * log2(count);
    }
    // The sums are in 64ths of a bit. No overflow: a block has less than 2^15 symbols.
    u64::from(total * log2(total) - sum) / 64 + used * header_bits
}

/// Returns the logarithm to the base 2, in 64ths, rounded down. Returns 0 for 0.
fn log2(number: u32) -> u32 {
    let Some(whole) = number.checked_ilog2() else { return 0 };
    let fraction = (number << (31 - whole)) >> 25 & 63;
    whole * 64 + LOG2_FRACTIONS.get(fraction as usize).map_or(0, |&part| u32::from(part))
}

/// Appends the tokens and the end of a dynamic block.
fn write_tokens(
    tokens: &[Token],
    literals: &Code<LITERALS>,
    distances: &Code<DISTANCES>,
    bits: &mut BitWriter<'_>,
) {
    for &token in tokens {
        let distance = token.distance();
        if distance == 0 {
            put_symbol(token.length_or_literal() as usize, literals, bits);
        } else {
            let (symbol, count, extra) = length_code(token.length_or_literal());
            put_symbol(257 + symbol, literals, bits);
            bits.put(u64::from(extra), count);
            let (symbol, count, extra) = distance_code(distance);
            put_symbol(symbol, distances, bits);
            bits.put(u64::from(extra), count);
        }
        bits.flush();
    }
    put_symbol(END_OF_BLOCK, literals, bits);
    bits.flush();
}

#[inline(always)]
fn put_symbol<const N: usize>(symbol: usize, code: &Code<N>, bits: &mut BitWriter<'_>) {
    bits.word(code.words.get(symbol).copied().unwrap_or_default());
}

/// Returns the code of a length, counted from 257, the number of its extra bits, and these bits.
#[inline(always)]
fn length_code(length: u32) -> (usize, u32, u32) {
    let code = LENGTH_CODES.get(length as usize & 0x1ff).map_or(0, |&code| usize::from(code));
    let base = LENGTH_BASE.get(code).map_or(0, |&base| u32::from(base));
    (code, LENGTH_EXTRA.get(code).map_or(0, |&count| u32::from(count)), length - base)
}

/// Returns the code of a distance, the number of its extra bits, and these bits.
///
/// The codes are computed: a table would have 32,768 entries. From distance 5 on, each power of two
/// has two codes, chosen by the bit after the highest one of `distance - 1`.
#[inline(always)]
fn distance_code(distance: u32) -> (usize, u32, u32) {
    let distance = distance - 1;
    if distance < 4 {
        return (distance as usize, 0, 0);
    }
    let extra = 30 - distance.leading_zeros();
    ((2 * extra + (distance >> extra)) as usize, extra, distance & ((1 << extra) - 1))
}

/// The code of each length, counted from 257. It has 512 entries so that a mask of 9 bits is always
/// in range.
static LENGTH_CODES: [u8; 512] = {
    let mut codes = [0; 512];
    let mut length = 3;
    let mut code = 0_u8;
    #[expect(clippy::indexing_slicing, reason = "evaluated by the compiler")]
    while length <= 258 {
        while (code as usize) < 28 && LENGTH_BASE[code as usize + 1] as usize <= length {
            code += 1;
        }
        codes[length] = code;
        length += 1;
    }
    codes
};

/// The fixed code of literals and lengths (RFC 1951 3.2.6).
static FIXED_LITERALS: Code<LITERALS> = {
    let mut lengths = [8; LITERALS];
    let mut symbol = 144;
    #[expect(clippy::indexing_slicing, reason = "evaluated by the compiler")]
    while symbol < 280 {
        lengths[symbol] = if symbol < 256 { 9 } else { 7 };
        symbol += 1;
    }
    Code::from_lengths(lengths)
};

/// The word of the fixed code for each length, with its extra bits after it. So a length is one
/// lookup and one append.
static FIXED_LENGTHS: [u32; 512] = {
    let mut words = [0; 512];
    let mut length = 3;
    #[expect(
        clippy::indexing_slicing,
        clippy::cast_possible_truncation,
        reason = "evaluated by the compiler"
    )]
    while length <= 258 {
        let code = LENGTH_CODES[length] as usize;
        let word = FIXED_LITERALS.words[257 + code];
        let (bits, count) = (word & 0xffff, word >> 16);
        let extra = (length - LENGTH_BASE[code] as usize) as u32;
        words[length] = bits | extra << count | (count + LENGTH_EXTRA[code] as u32) << 16;
        length += 1;
    }
    words
};

/// The logarithms of 1, 1 + 1/64, 1 + 2/64 ... to the base 2, in 64ths.
static LOG2_FRACTIONS: [u8; 64] = {
    let mut logarithms = [0; 64];
    let mut n = 0;
    while n < 64 {
        // Squaring doubles the logarithm. If the square is at least 2, the next bit is 1. The
        // number has 30 binary digits after the point.
        let mut square = (64 + n as u64) << 24;
        let mut bits = 0;
        let mut digit = 0;
        while digit < 6 {
            square = (square * square) >> 30;
            bits <<= 1;
            if square >= 1 << 31 {
                bits |= 1;
                square >>= 1;
            }
            digit += 1;
        }
        #[expect(clippy::indexing_slicing, reason = "evaluated by the compiler")]
        {
            logarithms[n] = bits;
        }
        n += 1;
    }
    logarithms
};

/// The fixed code of distances (RFC 1951 3.2.6).
static FIXED_DISTANCES: Code<DISTANCES> = Code::from_lengths([5; DISTANCES]);

/// The number of symbols of literals, lengths and the end of the block. Two of them occur only in
/// the fixed code.
const LITERALS: usize = 288;
/// The number of distance symbols. Two of them occur only in the fixed code.
const DISTANCES: usize = 32;
/// The symbol of the end of a block.
const END_OF_BLOCK: usize = 256;

/// The largest length of a stored block, in bytes: LEN has 16 bits (RFC 1951 3.2.4).
const STORED_MAX: usize = 65_535;

/// The length, in bytes, up to which a block is never dynamic.
const FEW_BYTES: usize = 128;

/// The least number of bits of a dynamic block's header, besides the lengths of the symbols.
const LEAST_HEADER: u64 = 53;
