//! Length-limited Huffman codes ([RFC 1951 section 3.2.2](https://www.rfc-editor.org/rfc/rfc1951#section-3.2.2)).
#![expect(
    clippy::indexing_slicing,
    reason = "symbols are below N, lengths at most 15, and the tree's places below the number of its \
              leaves, which `build` has counted"
)]

/// The code words of an alphabet.
#[derive(Clone, Copy)]
pub(super) struct Code<const N: usize> {
    /// Reversed, since Huffman codes are sent from their highest bit; the lengths from bit 16 on.
    pub(super) words: [u32; N],
    /// In bits; 0: the symbol isn't used.
    pub(super) lengths: [u8; N],
}

impl<const N: usize> Code<N> {
    pub(super) const EMPTY: Self = Self { words: [0; N], lengths: [0; N] };

    /// Makes the code of these lengths.
    pub(super) const fn from_lengths(lengths: [u8; N]) -> Self {
        let mut code = Self { words: [0; N], lengths };
        code.assign();
        code
    }

    /// Makes the shortest code for symbols of these frequencies whose words have at most `limit` bits.
    ///
    /// It has `at_least` so many words: some decoders refuse an incomplete code.
    #[expect(clippy::cast_possible_truncation, reason = "symbols are below 512")]
    pub(super) fn build(&mut self, frequencies: &[u32; N], limit: usize, at_least: usize) {
        let mut leaves = [0_u32; N];
        let mut used = 0;
        for (symbol, &frequency) in frequencies.iter().enumerate() {
            if frequency != 0 {
                // A block has less than 2^17 tokens.
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
        // The rarest symbols come first: they get the longest words.
        let mut at = 0;
        for length in (1..=limit).rev() {
            for _ in 0..counts[length] {
                self.lengths[symbols[at] as usize] = length as u8;
                at += 1;
            }
        }
        self.assign();
    }

    /// Gives each symbol its word, by the algorithm of RFC 1951 section 3.2.2.
    const fn assign(&mut self) {
        let mut counts = [0_u16; 16];
        let mut symbol = 0;
        while symbol < N {
            counts[(self.lengths[symbol] & 15) as usize] += 1;
            symbol += 1;
        }
        counts[0] = 0;
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

/// Turns frequencies, sorted from the rarest, into depths in the Huffman tree: in place, after Moffat
/// and Katajainen ("In-place calculation of minimum-redundancy codes", 1995).
fn depths(leaves: &mut [u32]) {
    let n = leaves.len();
    if n < 2 {
        leaves.fill(1);
        return;
    }
    // Inner nodes from the left, each the sum of the two least; then parents instead of sums.
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
    // Depths of the inner nodes, from the root down.
    leaves[n - 2] = 0;
    for node in (0..n - 2).rev() {
        leaves[node] = leaves[leaves[node] as usize] + 1;
    }
    // Depths of the leaves.
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

/// Makes a code complete again after longer words were cut to `limit`: words become one bit longer
/// until there is room for all.
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

    /// All words of a code together fill the room there is.
    fn is_complete<const N: usize>(code: &Code<N>, limit: u32) -> bool {
        let used = code.lengths.iter().filter(|&&length| length != 0);
        used.map(|&length| 1_u32 << (limit - u32::from(length))).sum::<u32>() == 1 << limit
    }

    #[test]
    fn long_words_are_cut() {
        // Fibonacci's numbers make the deepest trees.
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
    fn few_symbols() {
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
    fn the_example_of_rfc_1951() {
        let code = Code::from_lengths([3, 3, 3, 3, 3, 2, 4, 4]);
        let words = [0b010, 0b011, 0b100, 0b101, 0b110, 0b00, 0b1110, 0b1111];
        for ((word, length), sent) in words.into_iter().zip(code.lengths).zip(code.words) {
            let reversed = (0..length).fold(0, |all, bit| all << 1 | (word >> bit & 1));
            assert_eq!(sent, reversed | u32::from(length) << 16);
        }
    }
}
