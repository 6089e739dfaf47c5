//! Deflate streams made by hand, bit by bit, valid or not.
//! A test binary that needs it includes this file.

#![allow(
    dead_code,
    missing_docs,
    unreachable_pub,
    clippy::cast_possible_truncation,
    clippy::exhaustive_structs,
    clippy::indexing_slicing,
    clippy::must_use_candidate,
    clippy::unwrap_used,
    reason = "test helpers: every file uses a part of them, and a panic is a failed test"
)]

/// Appends bits, the least significant of a byte first (RFC 1951 section 3.1.1).
#[derive(Clone, Debug, Default)]
pub struct BitWriter {
    bytes: Vec<u8>,
    /// The number of used bits of the last byte; 0: all.
    used: u32,
}

/// A prefix code: the length of the code of each symbol, 0 if it has none.
#[derive(Clone, Debug)]
pub struct Code {
    pub lens: Vec<u8>,
}

impl BitWriter {
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends `n` bits of `value`, the lowest first.
    pub fn bits(mut self, value: u64, n: u32) -> Self {
        for i in 0..n {
            self = self.bit(value >> i & 1 != 0);
        }
        self
    }

    pub fn bit(mut self, bit: bool) -> Self {
        if self.used == 0 {
            self.bytes.push(0);
        }
        *self.bytes.last_mut().unwrap() |= u8::from(bit) << self.used;
        self.used = (self.used + 1) % 8;
        self
    }

    /// Appends the code of a symbol, the highest bit first.
    pub fn symbol(mut self, code: &Code, symbol: usize) -> Self {
        let (bits, len) = code.code(symbol);
        for i in (0..len).rev() {
            self = self.bit(bits >> i & 1 != 0);
        }
        self
    }

    /// Appends the symbol of each byte.
    pub fn literals(mut self, code: &Code, bytes: &[u8]) -> Self {
        for &byte in bytes {
            self = self.symbol(code, byte.into());
        }
        self
    }

    /// Appends length and distance.
    pub fn copy(self, literals: &Code, distances: &Code, length: u16, distance: u16) -> Self {
        let (symbol, extra, bits) = length_symbol(length);
        let writer = self.symbol(literals, symbol).bits(extra, bits);
        let (symbol, extra, bits) = distance_symbol(distance);
        writer.symbol(distances, symbol).bits(extra, bits)
    }

    /// Appends bits up to a byte boundary.
    pub fn align(mut self, bit: bool) -> Self {
        while self.used != 0 {
            self = self.bit(bit);
        }
        self
    }

    pub fn bytes(mut self, bytes: &[u8]) -> Self {
        assert_eq!(self.used, 0, "not on a byte boundary");
        self.bytes.extend_from_slice(bytes);
        self
    }

    /// Appends the head of a block: BFINAL and BTYPE.
    pub fn block(self, last: bool, kind: u64) -> Self {
        self.bit(last).bits(kind, 2)
    }

    /// Appends a stored block.
    pub fn stored(self, last: bool, bytes: &[u8]) -> Self {
        let len = bytes.len() as u16;
        let writer = self.block(last, 0).align(false);
        writer.bytes(&len.to_le_bytes()).bytes(&(!len).to_le_bytes()).bytes(bytes)
    }

    /// Appends the head of a block with the given codes, each length on its own, with a code length
    /// code in which all 19 have five bits at most.
    pub fn dynamic(self, last: bool, literals: &Code, distances: &Code) -> Self {
        let lens: Vec<u8> = literals.lens.iter().chain(&distances.lens).copied().collect();
        let symbols: Vec<_> = lens.into_iter().map(|len| (len, 0)).collect();
        self.dynamic_head(last, literals.lens.len(), distances.lens.len(), &Code::even(19))
            .lengths(&Code::even(19), &symbols)
    }

    /// Appends the head up to the code length code; HCLEN is 15.
    pub fn dynamic_head(self, last: bool, hlit: usize, hdist: usize, lengths: &Code) -> Self {
        let mut writer = self.block(last, 2);
        writer = writer.bits(hlit as u64 - 257, 5).bits(hdist as u64 - 1, 5).bits(15, 4);
        for symbol in [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15] {
            let len = lengths.lens.get(symbol).copied().unwrap_or(0);
            writer = writer.bits(len.into(), 3);
        }
        writer
    }

    /// Appends code lengths: symbols of the code length code, each with its extra bits.
    pub fn lengths(mut self, code: &Code, symbols: &[(u8, u64)]) -> Self {
        for &(symbol, extra) in symbols {
            let bits = [2, 3, 7].get(usize::from(symbol).wrapping_sub(16)).copied().unwrap_or(0);
            self = self.symbol(code, symbol.into()).bits(extra, bits);
        }
        self
    }

    /// Ends the message as in RFC 7692 section 7.2.1: with an empty stored block without its
    /// lengths.
    pub fn end(self) -> Vec<u8> {
        self.block(false, 0).align(false).bytes
    }

    /// Returns the output.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

impl Code {
    /// The fixed code for literals and lengths (RFC 1951 section 3.2.6).
    pub fn fixed() -> Self {
        let lens = (0..288).map(|symbol| match symbol {
            0..=143 | 280..=287 => 8,
            144..=255 => 9,
            _ => 7,
        });
        Self { lens: lens.collect() }
    }

    /// The fixed code for distances.
    pub fn fixed_distances() -> Self {
        Self { lens: vec![5; 32] }
    }

    /// A complete code of `n` symbols whose lengths differ by one at most.
    pub fn even(n: usize) -> Self {
        let long = n.next_power_of_two().trailing_zeros() as u8;
        // As many of the shorter length as make the code complete.
        let short = (1 << long) - n;
        Self { lens: (0..n).map(|i| if i < short { long - 1 } else { long }).collect() }
    }

    /// The code with these lengths for these symbols.
    pub fn of(lens: &[(usize, u8)]) -> Self {
        let n = lens.iter().map(|(symbol, _)| symbol + 1).max().unwrap_or(0);
        let mut code = Self { lens: vec![0; n] };
        for &(symbol, len) in lens {
            code.lens[symbol] = len;
        }
        code
    }

    /// The bits of the code of a symbol, and their number (RFC 1951 section 3.2.2).
    fn code(&self, symbol: usize) -> (u32, u8) {
        let len = self.lens[symbol];
        assert_ne!(len, 0, "symbol {symbol} has no code");
        let mut code = 0;
        for (other, &other_len) in self.lens.iter().enumerate() {
            if other_len != 0 && (other_len, other) < (len, symbol) {
                code += 1 << (15 - other_len);
            }
        }
        (code >> (15 - len), len)
    }
}

/// The symbol of a length, its extra bits, and their number.
pub fn length_symbol(length: u16) -> (usize, u64, u32) {
    assert!((3..=258).contains(&length));
    if length == 258 {
        return (285, 0, 0);
    }
    let (mut symbol, mut base) = (257, 3);
    loop {
        let bits = if symbol < 265 { 0 } else { (symbol - 261) as u32 / 4 };
        if length < base + (1 << bits) {
            return (symbol, (length - base).into(), bits);
        }
        base += 1 << bits;
        symbol += 1;
    }
}

/// The symbol of a distance, its extra bits, and their number.
pub fn distance_symbol(distance: u16) -> (usize, u64, u32) {
    let (mut symbol, mut base) = (0, 1);
    loop {
        let bits = (symbol as u32 / 2).saturating_sub(1);
        if u32::from(distance) < base + (1 << bits) {
            return (symbol, (u32::from(distance) - base).into(), bits);
        }
        base += 1 << bits;
        symbol += 1;
    }
}
