//! Length-limited Huffman codes
//! ([RFC 1951 section 3.2.2](https://www.rfc-editor.org/rfc/rfc1951#section-3.2.2)).
#![expect(
    clippy::indexing_slicing,
    reason = "symbols are below N, lengths are at most 15, and indexes of the tree are below the \
              number of its leaves, which `build` has counted"
)]

/// The code words of an alphabet.
#[derive(Clone, Copy)]
pub(super) struct Code<const N: usize> {
    /// The word of each symbol. Its bits are reversed, because Huffman codes are sent from their
    /// highest bit. Its length is in the upper 16 bits.
    pub(super) words: [u32; N],
    /// The length of each word in bits, 0 for a symbol that isn't used.
    pub(super) lengths: [u8; N],
}

impl<const N: usize> Code<N> {
    pub(super) const EMPTY: Self = Self { words: [0; N], lengths: [0; N] };

    /// Creates the code with these lengths.
    pub(super) const fn from_lengths(lengths: [u8; N]) -> Self {
        let mut code = Self { words: [0; N], lengths };
        code.assign();
        code
    }

    /// Builds a short code for symbols of these frequencies. Its words have at most `limit` bits.
    ///
    /// The code has at least `at_least` words. Unused symbols get words if necessary, because some
    /// decoders reject an incomplete code.
    #[expect(clippy::cast_possible_truncation, reason = "symbols are below 512")]
    pub(super) fn build(&mut self, frequencies: &[u32; N], limit: usize, at_least: usize) {
        let mut leaves = [0_u32; N];
        let mut used = 0;
        for (symbol, &frequency) in frequencies.iter().enumerate() {
            if frequency != 0 {
                // The symbol is in the lowest 9 bits, so that one sort orders by frequency. No
                // overflow: a block has less than 2^17 tokens.
                leaves[used] = frequency << 9 | symbol as u32;
                used += 1;
            }
        }
        self.lengths = [0; N];
        for (symbol, _) in frequencies.iter().enumerate().filter(|&(_, &count)| count == 0) {
            if used >= at_least {
                break;
            }
            leaves[used] = symbol as u32;
            used += 1;
        }
        let leaves = &mut leaves[..used];
        leaves.sort_unstable();
        let mut symbols = [0_u16; N];
        for (symbol, leaf) in symbols.iter_mut().zip(leaves.iter_mut()) {
            *symbol = (*leaf & 0x1ff) as u16;
            *leaf >>= 9;
        }
        depths(leaves);
        let mut counts = [0_u32; 16];
        for &depth in leaves.iter() {
            counts[(depth as usize).min(limit)] += 1;
        }
        shorten(&mut counts, limit, used);
        // `symbols` is in ascending order of frequency: the first ones get the longest words.
        let mut at = 0;
        for length in (1..=limit).rev() {
            for _ in 0..counts[length] {
                self.lengths[symbols[at] as usize] = length as u8;
                at += 1;
            }
        }
        self.assign();
    }

    /// Assigns the words, by the algorithm of RFC 1951 section 3.2.2.
    const fn assign(&mut self) {
        let mut counts = [0_u16; 16];
        let mut symbol = 0;
        while symbol < N {
            counts[(self.lengths[symbol] & 15) as usize] += 1;
            symbol += 1;
        }
        counts[0] = 0;
        // The first word of each length follows the last one of the length before.
        let mut next = [0_u16; 16];
        let mut length = 1;
        while length < 16 {
            next[length] = next[length - 1].wrapping_add(counts[length - 1]) << 1;
            length += 1;
        }
        symbol = 0;
        while symbol < N {
            let length = self.lengths[symbol] & 15;
            if length != 0 {
                let word = next[length as usize];
                next[length as usize] = word.wrapping_add(1);
                self.words[symbol] =
                    (word.reverse_bits() >> (16 - length)) as u32 | (length as u32) << 16;
            }
            symbol += 1;
        }
    }
}

/// Replaces frequencies, in ascending order, by the depths of the symbols in the Huffman tree.
///
/// It works in place, with the algorithm of Moffat and Katajainen ("In-place calculation of
/// minimum-redundancy codes", 1995).
fn depths(leaves: &mut [u32]) {
    let n = leaves.len();
    if n < 2 {
        leaves.fill(1);
        return;
    }
    // First pass, from the left: each inner node is the sum of the two least nodes without a
    // parent. When an inner node gets a parent, its sum is replaced by the index of the parent.
    let (mut root, mut leaf) = (0, 0);
    for next in 0..n - 1 {
        let mut sum = 0;
        for _ in 0..2 {
            if leaf >= n || (root < next && leaves[root] < leaves[leaf]) {
                sum += leaves[root];
                #[expect(clippy::cast_possible_truncation, reason = "less than 512 leaves")]
                {
                    leaves[root] = next as u32;
                }
                root += 1;
            } else {
                sum += leaves[leaf];
                leaf += 1;
            }
        }
        leaves[next] = sum;
    }
    // Second pass, from the root: the depth of each inner node is that of its parent plus 1.
    leaves[n - 2] = 0;
    for node in (0..n - 2).rev() {
        leaves[node] = leaves[leaves[node] as usize] + 1;
    }
    // Third pass: of the `open` nodes at a depth, those that are not inner nodes are leaves.
    let (mut open, mut depth, mut node, mut at) = (1_usize, 0, n - 1, n);
    while open > 0 {
        let mut inner = 0;
        while node > 0 && leaves[node - 1] == depth {
            inner += 1;
            node -= 1;
        }
        for _ in inner..open {
            at -= 1;
            leaves[at] = depth;
        }
        open = 2 * inner;
        depth += 1;
    }
}

/// Makes a code complete again after longer words were cut to `limit`. `counts` is the number of
/// words of each length.
///
/// Cut words take more of the code space than it has. Each round frees one unit, 2^-`limit`: it
/// replaces a word of the longest length below `limit` by two words of one bit more, and gives the
/// second one to a word of `limit` bits.
fn shorten(counts: &mut [u32; 16], limit: usize, used: usize) {
    if used < 2 {
        return;
    }
    let mut room: u32 = (1..=limit).map(|length| counts[length] << (limit - length)).sum();
    while room > 1 << limit {
        counts[limit] -= 1;
        if let Some(length) = (1..limit).rev().find(|&length| counts[length] > 0) {
            counts[length] -= 1;
            counts[length + 1] += 2;
        }
        room -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns whether the words of a code fill the code space.
    fn is_complete<const N: usize>(code: &Code<N>, limit: u32) -> bool {
        let used = code.lengths.iter().filter(|&&length| length != 0);
        used.map(|&length| 1_u32 << (limit - u32::from(length))).sum::<u32>() == 1 << limit
    }

    #[test]
    fn long_words_are_cut() {
        // Fibonacci numbers make the deepest trees.
        let mut frequencies = [1_u32; 19];
        for n in 2..19 {
            frequencies[n] = frequencies[n - 1] + frequencies[n - 2];
        }
        for limit in [5, 7, 15] {
            let mut code = Code::<19>::EMPTY;
            code.build(&frequencies, limit, 2);
            assert!(is_complete(&code, 15), "{:?}", code.lengths);
            assert!(code.lengths.iter().all(|&length| length != 0 && usize::from(length) <= limit));
            assert!(code.lengths.is_sorted_by(|a, b| a >= b), "{:?}", code.lengths);
        }
    }

    #[test]
    fn few_symbols_have_words() {
        let mut code = Code::<19>::EMPTY;
        code.build(&[0; 19], 15, 0);
        assert_eq!(code.lengths, [0; 19]);
        let mut frequencies = [0; 19];
        frequencies[7] = 9;
        code.build(&frequencies, 15, 0);
        assert_eq!(code.lengths.iter().filter(|&&length| length != 0).count(), 1);
        assert_eq!(code.lengths[7], 1);
        code.build(&frequencies, 7, 2);
        assert!(is_complete(&code, 15));
    }

    /// RFC 1951 section 3.2.2: the lengths of A to H, and their words.
    #[test]
    fn words_agree_with_the_example_of_rfc_1951() {
        let code = Code::from_lengths([3, 3, 3, 3, 3, 2, 4, 4]);
        let words = [0b010, 0b011, 0b100, 0b101, 0b110, 0b00, 0b1110, 0b1111];
        for ((word, length), sent) in words.into_iter().zip(code.lengths).zip(code.words) {
            let reversed = (0..length).fold(0, |all, bit| all << 1 | (word >> bit & 1));
            assert_eq!(sent, reversed | u32::from(length) << 16);
        }
    }
}
