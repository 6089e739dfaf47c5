//! The model for encoders and decoders: RFC 1951 and RFC 7692 section 7.2.2 word for word, one bit
//! at a time, with all bytes since the start of the connection. It is slow.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::indexing_slicing,
    clippy::missing_errors_doc,
    clippy::std_instead_of_alloc,
    reason = "tests"
)]

/// An inflater of the messages of one direction.
#[derive(Clone, Debug)]
pub struct InflateModel {
    /// All history that messages may refer to, at any distance.
    history: Vec<u8>,
    window: usize,
    takeover: bool,
    pub seen: Seen,
}

/// The blocks and symbols of the payloads so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    pub stored: u64,
    pub fixed: u64,
    pub dynamic: u64,
    pub last_blocks: u64,
    pub literals: u64,
    pub matches: u64,
    pub longest_distance: usize,
}

/// The fault of a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A distance is larger than the window.
    BeyondWindow,
    /// A distance reaches beyond the start of the connection, or of the message without context
    /// takeover.
    BeforeStart,
    /// The payload and the tail end within a block.
    Truncated,
    /// Block type 3.
    BlockType,
    /// The length of a stored block doesn't match its complement.
    StoredLength,
    /// A set of code lengths has too many words, or is incomplete although it has more than one
    /// word.
    Code,
    /// A word of an undefined symbol.
    Word,
    /// A repeat code without a length before it, or beyond the last code length.
    Repeat,
    /// No word for the end of the block.
    NoEnd,
    /// More than 286 literal and length codes, or 30 distance codes.
    TooManyCodes,
    /// Bytes are left after the block of the tail.
    Tail,
}

impl InflateModel {
    /// With a window of `bits` bits.
    pub fn new(bits: u8, takeover: bool) -> Self {
        Self { history: Vec::new(), window: 1 << bits, takeover, seen: Seen::default() }
    }

    /// Inflates the payload of a message: all fragments together, without the tail.
    pub fn message(&mut self, payload: &[u8]) -> Result<Vec<u8>, Fault> {
        let mut data = payload.to_vec();
        // RFC 7692 section 7.2.2: "Append 4 octets of 0x00 0x00 0xff 0xff".
        data.extend([0, 0, 0xff, 0xff]);
        if !self.takeover {
            self.history.clear();
        }
        let start = self.history.len();
        let mut bits = Bits { data: &data, at: 0 };
        while bits.at < data.len() * 8 {
            let stored = self.block(&mut bits)?;
            // The tail is exactly the end of an empty stored block.
            if bits.at > payload.len() * 8 && !(stored == Some(0) && bits.at == data.len() * 8) {
                return Err(Fault::Tail);
            }
        }
        Ok(self.history[start..].to_vec())
    }

    /// Appends a message that was sent uncompressed to the history.
    pub fn follow(&mut self, message: &[u8]) {
        if self.takeover {
            self.history.extend(message);
        }
    }

    /// From now on no distance may refer to the history.
    pub fn forget(&mut self) {
        self.history.clear();
    }

    /// One block; returns the length of a stored one.
    fn block(&mut self, bits: &mut Bits<'_>) -> Result<Option<usize>, Fault> {
        let last = bits.take(1)? == 1;
        let mut length = None;
        match bits.take(2)? {
            0 => {
                self.seen.stored += 1;
                length = Some(self.stored(bits)?);
            }
            1 => {
                self.seen.fixed += 1;
                let mut lengths = [8; 288];
                lengths[144..256].fill(9);
                lengths[256..280].fill(7);
                self.symbols(bits, &Code::new(&lengths)?, &Code::new(&[5; 32])?)?;
            }
            2 => {
                self.seen.dynamic += 1;
                let (literals, distances) = header(bits)?;
                self.symbols(bits, &literals, &distances)?;
            }
            _ => return Err(Fault::BlockType),
        }
        if last {
            // RFC 7692 section 7.2.3.4: data after a last block begins at the next byte.
            self.seen.last_blocks += 1;
            bits.at = bits.at.next_multiple_of(8);
        }
        Ok(length)
    }

    fn stored(&mut self, bits: &mut Bits<'_>) -> Result<usize, Fault> {
        bits.at = bits.at.next_multiple_of(8);
        let len = bits.take(16)?;
        if bits.take(16)? != !len & 0xffff {
            return Err(Fault::StoredLength);
        }
        for _ in 0..len {
            let byte = bits.take(8)?;
            self.history.push(u8::try_from(byte).map_err(|_| Fault::Word)?);
        }
        Ok(len)
    }

    fn symbols(
        &mut self,
        bits: &mut Bits<'_>,
        literals: &Code,
        distances: &Code,
    ) -> Result<(), Fault> {
        loop {
            let symbol = literals.read(bits)?;
            if let Ok(byte) = u8::try_from(symbol) {
                self.seen.literals += 1;
                self.history.push(byte);
                continue;
            }
            if symbol == 256 {
                return Ok(());
            }
            let &(base, extra) = LENGTHS.get(symbol - 257).ok_or(Fault::Word)?;
            let length = base + bits.take(extra)?;
            let &(base, extra) = DISTANCES.get(distances.read(bits)?).ok_or(Fault::Word)?;
            let distance = base + bits.take(extra)?;
            if distance > self.window {
                return Err(Fault::BeyondWindow);
            }
            if distance > self.history.len() {
                return Err(Fault::BeforeStart);
            }
            self.seen.matches += 1;
            self.seen.longest_distance = self.seen.longest_distance.max(distance);
            for _ in 0..length {
                self.history.push(self.history[self.history.len() - distance]);
            }
        }
    }
}

/// The head of a dynamic block (RFC 1951 section 3.2.7).
fn header(bits: &mut Bits<'_>) -> Result<(Code, Code), Fault> {
    let literals = bits.take(5)? + 257;
    let distances = bits.take(5)? + 1;
    if literals > 286 || distances > 30 {
        return Err(Fault::TooManyCodes);
    }
    let mut code_lengths = [0; 19];
    for &place in ORDER.iter().take(bits.take(4)? + 4) {
        code_lengths[place] = bits.take(3)?;
    }
    let code = Code::complete(&code_lengths)?;
    let mut lengths = Vec::new();
    while lengths.len() < literals + distances {
        let (length, times) = match code.read(bits)? {
            16 => (*lengths.last().ok_or(Fault::Repeat)?, 3 + bits.take(2)?),
            17 => (0, 3 + bits.take(3)?),
            18 => (0, 11 + bits.take(7)?),
            length => (length, 1),
        };
        lengths.extend(core::iter::repeat_n(length, times));
    }
    if lengths.len() > literals + distances {
        return Err(Fault::Repeat);
    }
    if lengths[256] == 0 {
        return Err(Fault::NoEnd);
    }
    let (literals, distances) = lengths.split_at(literals);
    Ok((Code::new(literals)?, Code::new(distances)?))
}

/// A Huffman code: the word of each used symbol and its length.
#[derive(Debug)]
struct Code(Vec<(usize, usize, usize)>);

impl Code {
    /// By the algorithm of RFC 1951 section 3.2.2. Incomplete codes only with one word of one bit,
    /// or with none.
    fn new(lengths: &[usize]) -> Result<Self, Fault> {
        let used: Vec<usize> = lengths.iter().copied().filter(|&length| length != 0).collect();
        if used.is_empty() || used == [1] { Self::words(lengths) } else { Self::complete(lengths) }
    }

    fn complete(lengths: &[usize]) -> Result<Self, Fault> {
        let room: usize =
            lengths.iter().filter(|&&length| length != 0).map(|length| 1 << (15 - length)).sum();
        if room == 1 << 15 { Self::words(lengths) } else { Err(Fault::Code) }
    }

    fn words(lengths: &[usize]) -> Result<Self, Fault> {
        let mut words = Vec::new();
        let mut word = 0;
        for length in 1..=15 {
            word <<= 1;
            for (symbol, _) in lengths.iter().enumerate().filter(|&(_, &l)| l == length) {
                words.push((length, word, symbol));
                word += 1;
            }
        }
        Ok(Self(words))
    }

    fn read(&self, bits: &mut Bits<'_>) -> Result<usize, Fault> {
        let (mut length, mut word) = (0, 0);
        let mut rest = self.0.as_slice();
        while let Some(&(next, ..)) = rest.first() {
            while length < next {
                word = word << 1 | bits.take(1)?;
                length += 1;
            }
            let (same, longer) = rest.split_at(rest.partition_point(|&(l, ..)| l == length));
            let first = same[0].1;
            if word < first + same.len() {
                return same.get(word - first).map(|&(.., symbol)| symbol).ok_or(Fault::Word);
            }
            rest = longer;
        }
        Err(if bits.at >= bits.data.len() * 8 { Fault::Truncated } else { Fault::Word })
    }
}

/// Bits, the lowest of each byte first.
#[derive(Debug)]
struct Bits<'a> {
    data: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    /// The next bits as a number, the first one lowest.
    fn take(&mut self, count: usize) -> Result<usize, Fault> {
        let mut number = 0;
        for place in 0..count {
            let byte = self.data.get(self.at / 8).ok_or(Fault::Truncated)?;
            number |= usize::from(byte >> (self.at % 8) & 1) << place;
            self.at += 1;
        }
        Ok(number)
    }
}

const ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/// Base and extra bits of the length codes from 257 on (RFC 1951 section 3.2.5).
const LENGTHS: [(usize, usize); 29] = [
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

/// Base and extra bits of the distance codes.
const DISTANCES: [(usize, usize); 30] = [
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
    (1_025, 9),
    (1_537, 9),
    (2_049, 10),
    (3_073, 10),
    (4_097, 11),
    (6_145, 11),
    (8_193, 12),
    (12_289, 12),
    (16_385, 13),
    (24_577, 13),
];
