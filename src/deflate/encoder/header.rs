//! The header of a dynamic block
//! ([RFC 1951 section 3.2.7](https://www.rfc-editor.org/rfc/rfc1951#section-3.2.7)).

use crate::deflate::encoder::bits::BitWriter;
use crate::deflate::encoder::huffman::Code;
use crate::deflate::tables::CODE_LENGTH_ORDER;

/// The code lengths of a dynamic block, as they are sent.
pub(super) struct Header {
    /// The lengths as items of the code length alphabet, run-length coded. The symbol is in the
    /// lowest 5 bits, its extra bits above them.
    items: [u16; 320],
    /// The number of items.
    len: usize,
    /// The number of items of each symbol.
    counts: [u32; 19],
    /// The code of the items.
    code: Code<19>,
    /// The number of literals and lengths in the header: HLIT + 257.
    literals: usize,
    /// The number of distances in the header: HDIST + 1.
    distances: usize,
    /// The number of code length codes in the header: HCLEN + 4.
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

    /// Prepares the header of a block with codes of these lengths. Returns the number of its bits.
    pub(super) fn prepare(&mut self, literals: &[u8; 288], distances: &[u8; 32]) -> u64 {
        // Trailing zeros are left out. A run may extend from the literals into the distances.
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
        // RFC 1951 3.2.7: lengths of the code length code have 3 bits, so at most 7.
        self.code.build(&self.counts, 7, 2);
        self.codes = CODE_LENGTH_ORDER
            .iter()
            .rposition(|&symbol| self.length(symbol) != 0)
            .map_or(4, |at| (at + 1).max(4));
        let symbols: u32 =
            self.counts.iter().zip(&self.code.lengths).map(|(n, &l)| n * u32::from(l)).sum();
        let extra: u32 =
            self.counts.iter().skip(16).zip([2, 3, 7]).map(|(count, bits)| count * bits).sum();
        // HLIT, HDIST and HCLEN, the lengths of the code length code, and the items.
        14 + 3 * self.codes as u64 + u64::from(symbols + extra)
    }

    /// Appends the header. The caller has made room by [`BitWriter::reserve`].
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

    /// Adds items for `run` symbols of the same code length.
    ///
    /// 16 repeats the last length 3 to 6 times, 17 and 18 repeat length 0 3 to 10 and 11 to 138
    /// times.
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
                // Of 7 and 8, repeat 4 and 5, so that the remaining 3 are one repetition too. With
                // 6, one or two would be left, which need an item each.
                let repeat = if let 7 | 8 = run { run - 3 } else { run.min(6) };
                self.item(16, repeat - 3);
                run -= repeat;
            }
        }
        for _ in 0..run {
            self.item(u16::from(length), 0);
        }
    }

    /// Adds an item.
    fn item(&mut self, symbol: u16, extra: u16) {
        if let (Some(item), Some(count)) =
            (self.items.get_mut(self.len), self.counts.get_mut(usize::from(symbol)))
        {
            *item = extra << 5 | symbol;
            *count += 1;
            self.len += 1;
        }
    }

    /// Returns the length of the code of an item's symbol.
    fn length(&self, symbol: u8) -> u8 {
        self.code.lengths.get(usize::from(symbol)).copied().unwrap_or_default()
    }
}
