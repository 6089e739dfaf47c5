//! The tables of RFC 1951, sections
//! [3.2.5](https://www.rfc-editor.org/rfc/rfc1951#section-3.2.5) and
//! [3.2.7](https://www.rfc-editor.org/rfc/rfc1951#section-3.2.7), for the encoder. The decoder's
//! tables are in `decoder/entry.rs`, computed with the layout that it needs.

/// The smallest length of each length code, from code 257 on. The last code, 285, is an exception:
/// it is for length 258 alone and has no extra bits.
pub(super) const LENGTH_BASE: [u16; 29] = [
    3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131,
    163, 195, 227, 258,
];

/// The number of extra bits after each length code, from code 257 on.
pub(super) const LENGTH_EXTRA: [u8; 29] =
    [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0];

/// The order in which the lengths of the code length codes are sent. Lengths that are often 0 are
/// last, so that HCLEN can leave them out.
pub(super) const CODE_LENGTH_ORDER: [u8; 19] =
    [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
