//! The head of a dynamic block ([RFC 1951 section
//! 3.2.7](https://www.rfc-editor.org/rfc/rfc1951#section-3.2.7)).

use crate::deflate::encoder::bits::BitWriter;
use crate::deflate::encoder::huffman::Code;
use crate::deflate::tables::CODE_LENGTH_ORDER;

/// The code lengths of a dynamic block, as they are sent.
pub(super) struct Header {
    /// Symbols of the code length alphabet: the symbol lowest, extra bits from bit 5 on.
    items: [u16; 320],
    len: usize,
    counts: [u32; 19],
    code: Code<19>,
    literals: usize,
    distances: usize,
    /// Of the code length codes.
    codes: usize,
}

impl Header {
    pub(super) const fn new() -> Self {
        Self {
            items: [0; 320],
            len: 0,
            counts: [0; 19],
            code: Code::EMPTY,
            literals: 0,
            distances: 0,
            codes: 0,
        }
    }

    /// Prepares the header of a block with these codes; returns how many bits it takes.
    pub(super) fn prepare(&mut self, literals: &[u8; 288], distances: &[u8; 32]) -> u64 {
        let used =
            |lengths: &[u8]| lengths.iter().rposition(|&length| length != 0).map_or(0, |at| at + 1);
        self.literals = used(literals).clamp(257, 286);
        self.distances = used(distances).clamp(1, 30);
        self.len = 0;
        self.counts = [0; 19];
        let lengths =
            literals.iter().take(self.literals).chain(distances.iter().take(self.distances));
        let (mut length, mut run) = (0xff, 0);
        for &next in lengths {
            if next != length {
                self.run(length, run);
                (length, run) = (next, 0);
            }
            run += 1;
        }
        self.run(length, run);
        self.code.build(&self.counts, 7, 2);
        self.codes = CODE_LENGTH_ORDER
            .iter()
            .rposition(|&symbol| self.length(symbol) != 0)
            .map_or(4, |at| (at + 1).max(4));
        let symbols: u32 =
            self.counts.iter().zip(&self.code.lengths).map(|(n, &l)| n * u32::from(l)).sum();
        let extra: u32 =
            self.counts.iter().skip(16).zip([2, 3, 7]).map(|(count, bits)| count * bits).sum();
        14 + 3 * self.codes as u64 + u64::from(symbols + extra)
    }

    /// Appends the header; [`BitWriter::reserve`] has made room.
    pub(super) fn write(&self, bits: &mut BitWriter<'_>) {
        let (literals, distances) = (self.literals as u64 - 257, self.distances as u64 - 1);
        bits.put(literals | distances << 5 | (self.codes as u64 - 4) << 10, 14);
        bits.flush();
        for &symbol in CODE_LENGTH_ORDER.iter().take(self.codes) {
            bits.put(u64::from(self.length(symbol)), 3);
            bits.flush();
        }
        for &item in self.items.iter().take(self.len) {
            let symbol = usize::from(item & 0x1f);
            if let Some(&word) = self.code.words.get(symbol) {
                bits.word(word);
            }
            let extra = match symbol {
                16 => 2,
                17 => 3,
                18 => 7,
                _ => 0,
            };
            bits.put(u64::from(item >> 5), extra);
            bits.flush();
        }
    }

    /// Takes `run` times the same code length.
    fn run(&mut self, length: u8, mut run: u16) {
        if length == 0 {
            while run >= 11 {
                let repeat = run.min(138);
                self.item(18, repeat - 11);
                run -= repeat;
            }
            if run >= 3 {
                self.item(17, run - 3);
                run = 0;
            }
        } else if run >= 4 {
            self.item(u16::from(length), 0);
            run -= 1;
            while run >= 3 {
                // What is left must not be one or two if it can be three.
                let repeat = if let 7 | 8 = run { run - 3 } else { run.min(6) };
                self.item(16, repeat - 3);
                run -= repeat;
            }
        }
        for _ in 0..run {
            self.item(u16::from(length), 0);
        }
    }

    fn item(&mut self, symbol: u16, extra: u16) {
        if let (Some(item), Some(count)) =
            (self.items.get_mut(self.len), self.counts.get_mut(usize::from(symbol)))
        {
            *item = extra << 5 | symbol;
            *count += 1;
            self.len += 1;
        }
    }

    fn length(&self, symbol: u8) -> u8 {
        self.code.lengths.get(usize::from(symbol)).copied().unwrap_or_default()
    }
}
