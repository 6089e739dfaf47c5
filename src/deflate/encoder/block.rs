//! Blocks: fixed, dynamic or stored, whichever is smallest ([RFC 1951 section
//! 3.2.3](https://www.rfc-editor.org/rfc/rfc1951#section-3.2.3)).

use crate::deflate::encoder::bits::BitWriter;
use crate::deflate::encoder::header::Header;
use crate::deflate::encoder::huffman::Code;
use crate::deflate::encoder::token::Token;
use crate::deflate::level::Level;
use crate::deflate::tables::{LENGTH_BASE, LENGTH_EXTRA};

/// What writing a block takes besides its tokens; nothing of it survives the block.
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

    /// Appends the block of `tokens`, which stand for `text`.
    pub(super) fn block(
        &mut self,
        tokens: &[Token],
        text: &[u8],
        level: Level,
        bits: &mut BitWriter<'_>,
    ) {
        // Fewer tokens than that hardly ever pay for a header, and to look for it takes time; nor
        // do used symbols that take less than these bits in it.
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
        // Codes are dear to make: only if they may pay.
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
        bits.reserve(usize::try_from(fixed.min(dynamic) / 8).unwrap_or(usize::MAX));
        if fixed <= dynamic {
            write_fixed(tokens, bits);
        } else {
            bits.put(0b100, 3);
            self.header.write(bits);
            write_tokens(tokens, &self.literal_code, &self.distance_code, bits);
        }
    }

    /// Counts the symbols of a block; returns how many extra bits they have.
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

/// Appends a block that no header pays for.
fn write_few(tokens: &[Token], text: &[u8], bits: &mut BitWriter<'_>) {
    // A match takes 31 bits at most; the block itself 10.
    bits.reserve(tokens.len() * 4 + 2);
    let start = bits.mark();
    write_fixed(tokens, bits);
    if bits.since(start) > stored_cost(text.len(), start.pending()) {
        bits.rewind(start);
        write_stored(text, bits);
    }
}

/// Appends a fixed block; [`BitWriter::reserve`] has made room.
fn write_fixed(tokens: &[Token], bits: &mut BitWriter<'_>) {
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
        bits.put(0, 3);
        bits.align();
        let len = u64::try_from(piece.len()).unwrap_or_default();
        bits.put(len | (!len & 0xffff) << 16, 32);
        bits.flush();
        bits.bytes(piece);
    }
}

/// Returns how many bits stored blocks take after a byte with `pending` bits.
fn stored_cost(len: usize, pending: u32) -> u64 {
    let len = len as u64;
    let blocks = len.div_ceil(STORED_MAX as u64).max(1);
    u64::from((pending + 3).next_multiple_of(8) - pending)
        + (blocks - 1) * 8
        + blocks * 32
        + len * 8
}

fn cost<const N: usize>(counts: &[u32; N], code: &Code<N>) -> u64 {
    // A block has less than 2^17 symbols: no overflow.
    let bits: u32 =
        counts.iter().zip(&code.lengths).map(|(count, &length)| count * u32::from(length)).sum();
    u64::from(bits)
}

/// Returns about the least that these symbols can take with a code of their own: what their
/// entropy says, and `header_bits` for each one in the header.
fn least_cost<const N: usize>(counts: &[u32; N], header_bits: u64) -> u64 {
    let (mut total, mut used, mut sum) = (0, 0, 0);
    for &count in counts.iter().filter(|&&count| count != 0) {
        total += count;
        used += 1;
        sum += count * log2(count);
    }
    // In 64ths of a bit; a block has less than 2^15 symbols.
    u64::from(total * log2(total) - sum) / 64 + used * header_bits
}

/// Returns the logarithm, in 64ths, rounded down; 0 for 0.
fn log2(number: u32) -> u32 {
    let Some(whole) = number.checked_ilog2() else { return 0 };
    let fraction = (number << (31 - whole)) >> 25 & 63;
    whole * 64 + LOG2_FRACTIONS.get(fraction as usize).map_or(0, |&part| u32::from(part))
}

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

/// Returns the length's code, counted from 257, how many extra bits it has and which.
#[inline(always)]
fn length_code(length: u32) -> (usize, u32, u32) {
    let code = LENGTH_CODES.get(length as usize & 0x1ff).map_or(0, |&code| usize::from(code));
    let base = LENGTH_BASE.get(code).map_or(0, |&base| u32::from(base));
    (code, LENGTH_EXTRA.get(code).map_or(0, |&count| u32::from(count)), length - base)
}

/// Returns the distance's code, how many extra bits it has and which.
#[inline(always)]
fn distance_code(distance: u32) -> (usize, u32, u32) {
    let distance = distance - 1;
    if distance < 4 {
        return (distance as usize, 0, 0);
    }
    let extra = 30 - distance.leading_zeros();
    ((2 * extra + (distance >> extra)) as usize, extra, distance & ((1 << extra) - 1))
}

/// The code of each length, counted from 257.
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

/// The fixed code's word of each length, with its extra bits behind it.
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

/// The logarithms of 1, 1 + 1/64, ... to the base 2, in 64ths.
static LOG2_FRACTIONS: [u8; 64] = {
    let mut logarithms = [0; 64];
    let mut n = 0;
    while n < 64 {
        // Each squaring gives a bit.
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

static FIXED_DISTANCES: Code<DISTANCES> = Code::from_lengths([5; DISTANCES]);

/// Of literals, lengths and the end of the block; the fixed code has 288.
const LITERALS: usize = 288;
const DISTANCES: usize = 32;
const END_OF_BLOCK: usize = 256;

const STORED_MAX: usize = 65_535;

/// Nor do they in so few bytes, whatever they are.
const FEW_BYTES: usize = 128;

/// What a dynamic block's header takes for itself, at least.
const LEAST_HEADER: u64 = 53;
