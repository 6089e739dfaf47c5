//! A slow and plain inflater as in RFC 1951: one bit after the other, one message at once. The
//! decoder of the engine is compared with it for any bytes. It returns the reason of a refusal, so
//! that differences to other inflaters can be classified.

use super::TAIL;

/// The reason of a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// Block type 3.
    BlockType,
    /// The length of a stored block and its complement don't match.
    StoredLen,
    /// More than 286 codes for literals and lengths, or more than 30 for distances.
    TooManyCodes,
    /// A set of codes with too many, too few, or without the end of the block.
    Codes,
    /// A repeat code before the first length or past the last.
    Repeat,
    /// Bits without a code, or the code of an undefined symbol.
    Symbol,
    /// A distance beyond the window or the first byte.
    TooFar,
    /// The tail is not the end of the message: a block is incomplete.
    End,
}

/// The output up to the end of the message, or to the fault.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// A block with BFINAL has ended.
    pub last: bool,
    /// The number of bytes written.
    pub written: usize,
}

/// An inflater whose only purpose is to be correct; it is slow.
pub struct Inflater {
    window: usize,
    takeover: bool,
    history: Vec<u8>,
    pub seen: Seen,
}

impl Inflater {
    pub fn new(window_bits: u8, takeover: bool) -> Self {
        let window = 1 << window_bits;
        Self { window, takeover, history: Vec::new(), seen: Seen::default() }
    }

    /// Inflates the payload of a message, which has no tail. After an error the inflater can't be
    /// used.
    pub fn message(&mut self, payload: &[u8]) -> Result<Vec<u8>, Fault> {
        if !self.takeover {
            self.history.clear();
        }
        self.seen = Seen::default();
        let bytes = [payload, &TAIL].concat();
        let start = self.history.len();
        let mut out = core::mem::take(&mut self.history);
        let mut bits = Bits { bytes: &bytes, at: 0 };
        let result = self.blocks(&mut bits, payload.len(), &mut out);
        self.seen.written = out.len() - start;
        result?;
        let message = out.split_off(start);
        out.extend_from_slice(&message);
        out.drain(..out.len().saturating_sub(self.window));
        self.history = out;
        Ok(message)
    }

    /// Reads blocks up to the one whose length is the tail.
    fn blocks(&mut self, bits: &mut Bits<'_>, end: usize, out: &mut Vec<u8>) -> Result<(), Fault> {
        // An empty payload, or a stream after its last block: the tail isn't needed.
        let mut complete = true;
        loop {
            if complete && bits.at == 8 * end {
                return Ok(());
            }
            let last = bits.take(1)? == 1;
            match bits.take(2)? {
                0 => {
                    bits.align();
                    let at = bits.at / 8;
                    let (len, complement) = (bits.take(16)?, bits.take(16)?);
                    if len != !complement & 0xffff {
                        return Err(Fault::StoredLen);
                    }
                    if at == end {
                        // A last block that ends with the tail ends too late to count.
                        self.seen.last |= last;
                        return Ok(());
                    }
                    for _ in 0..len {
                        out.push(bits.take(8)? as u8);
                    }
                }
                1 => self.block(bits, &Codes::fixed_literals(), &Codes::fixed_distances(), out)?,
                2 => {
                    let (literals, distances) = dynamic(bits)?;
                    self.block(bits, &literals, &distances, out)?;
                }
                _ => return Err(Fault::BlockType),
            }
            complete = last;
            if last {
                // The stream has ended; the next one shares its window.
                self.seen.last = true;
                bits.align();
            }
        }
    }

    fn block(
        &self,
        bits: &mut Bits<'_>,
        literals: &Codes,
        distances: &Codes,
        out: &mut Vec<u8>,
    ) -> Result<(), Fault> {
        loop {
            let symbol = literals.read(bits)?;
            match symbol {
                0..=255 => out.push(symbol as u8),
                256 => return Ok(()),
                257..=285 => {
                    let (base, extra) = LENGTHS[symbol - 257];
                    let len = base + bits.take(extra)? as usize;
                    let symbol = distances.read(bits)?;
                    let &(base, extra) = DISTANCES.get(symbol).ok_or(Fault::Symbol)?;
                    let distance = base + bits.take(extra)? as usize;
                    if distance > self.window || distance > out.len() {
                        return Err(Fault::TooFar);
                    }
                    for _ in 0..len {
                        out.push(out[out.len() - distance]);
                    }
                }
                _ => return Err(Fault::Symbol),
            }
        }
    }
}

fn dynamic(bits: &mut Bits<'_>) -> Result<(Codes, Codes), Fault> {
    const ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
    let literals = bits.take(5)? as usize + 257;
    let distances = bits.take(5)? as usize + 1;
    let count = bits.take(4)? as usize + 4;
    if literals > 286 || distances > 30 {
        return Err(Fault::TooManyCodes);
    }
    let mut lens = [0; 19];
    for &symbol in &ORDER[..count] {
        lens[symbol] = bits.take(3)? as u8;
    }
    if lens == [0; 19] {
        // Other inflaters report it only after they have read all bits of such a code.
        (0..literals + distances).try_for_each(|_| bits.take(1).map(drop))?;
    }
    let codes = Codes::new(&lens, false)?;
    let mut lens = Vec::new();
    while lens.len() < literals + distances {
        let (len, times) = match codes.read(bits)? {
            16 => (*lens.last().ok_or(Fault::Repeat)?, 3 + bits.take(2)?),
            17 => (0, 3 + bits.take(3)?),
            18 => (0, 11 + bits.take(7)?),
            len => (len as u8, 1),
        };
        lens.extend((0..times).map(|_| len));
    }
    if lens.len() > literals + distances {
        return Err(Fault::Repeat);
    }
    if lens[256] == 0 {
        return Err(Fault::Codes);
    }
    let (literals, distances) = lens.split_at(literals);
    Ok((Codes::new(literals, true)?, Codes::new(distances, true)?))
}

/// A set of prefix codes, as the code lengths of its symbols.
struct Codes {
    /// The number of codes of each length.
    counts: [usize; 16],
    /// The symbols in the order of their codes.
    symbols: Vec<usize>,
}

impl Codes {
    /// Codes may be missing only if there is at most one code, of one bit, and it `may_lack`.
    fn new(lens: &[u8], may_lack: bool) -> Result<Self, Fault> {
        let mut counts = [0; 16];
        for &len in lens {
            counts[usize::from(len)] += 1;
        }
        counts[0] = 0;
        let mut free = 1_i32;
        for &count in &counts[1..] {
            free = 2 * free - count as i32;
            if free < 0 {
                return Err(Fault::Codes);
            }
        }
        let longest = counts.iter().rposition(|&count| count > 0).unwrap_or(0);
        if free > 0 && !(may_lack && longest <= 1) {
            return Err(Fault::Codes);
        }
        let mut symbols: Vec<usize> = (0..lens.len()).filter(|&symbol| lens[symbol] > 0).collect();
        symbols.sort_by_key(|&symbol| lens[symbol]);
        Ok(Self { counts, symbols })
    }

    fn fixed_literals() -> Self {
        let mut counts = [0; 16];
        (counts[7], counts[8], counts[9]) = (24, 152, 112);
        let symbols = (256..280).chain(0..144).chain(280..288).chain(144..256).collect();
        Self { counts, symbols }
    }

    fn fixed_distances() -> Self {
        let mut counts = [0; 16];
        counts[5] = 32;
        Self { counts, symbols: (0..32).collect() }
    }

    fn read(&self, bits: &mut Bits<'_>) -> Result<usize, Fault> {
        let (mut code, mut first, mut index) = (0, 0, 0);
        for &count in &self.counts[1..] {
            code |= bits.take(1)? as usize;
            if code < first + count {
                return Ok(self.symbols[index + code - first]);
            }
            index += count;
            first = (first + count) << 1;
            code <<= 1;
        }
        Err(Fault::Symbol)
    }
}

struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    /// Reads from the lowest bit on. The end of the input is an incomplete element.
    fn take(&mut self, count: u32) -> Result<u32, Fault> {
        let mut value = 0;
        for bit in 0..count {
            let byte = self.bytes.get(self.at / 8).ok_or(Fault::End)?;
            value |= u32::from(byte >> (self.at % 8) & 1) << bit;
            self.at += 1;
        }
        Ok(value)
    }

    fn align(&mut self) {
        self.at = self.at.next_multiple_of(8);
    }
}

/// The least length of each code, and its extra bits (RFC 1951 section 3.2.5).
const LENGTHS: [(usize, u32); 29] = [
    (3, 0),
    (4, 0),
    (5, 0),
    (6, 0),
    (7, 0),
    (8, 0),
    (9, 0),
    (10, 0),
    (11, 1),
    (13, 1),
    (15, 1),
    (17, 1),
    (19, 2),
    (23, 2),
    (27, 2),
    (31, 2),
    (35, 3),
    (43, 3),
    (51, 3),
    (59, 3),
    (67, 4),
    (83, 4),
    (99, 4),
    (115, 4),
    (131, 5),
    (163, 5),
    (195, 5),
    (227, 5),
    (258, 0),
];

/// Likewise for distances.
const DISTANCES: [(usize, u32); 30] = [
    (1, 0),
    (2, 0),
    (3, 0),
    (4, 0),
    (5, 1),
    (7, 1),
    (9, 2),
    (13, 2),
    (17, 3),
    (25, 3),
    (33, 4),
    (49, 4),
    (65, 5),
    (97, 5),
    (129, 6),
    (193, 6),
    (257, 7),
    (385, 7),
    (513, 8),
    (769, 8),
    (1025, 9),
    (1537, 9),
    (2049, 10),
    (3073, 10),
    (4097, 11),
    (6145, 11),
    (8193, 12),
    (12289, 12),
    (16385, 13),
    (24577, 13),
];
