//! Appending payloads to buffers.

use alloc::string::String;

use bytes::BytesMut;

use crate::kernel::mask::mask;

/// Longer copies are done in chunks of this many bytes. With glibc on some processors, a `memcpy`
/// of 4 KiB and more is up to 15 times slower if source and destination are a few bytes apart
/// modulo the page size.
const PIECE: usize = 2048;

/// The number of bytes that are copied and then masked, while they are in the first-level cache.
const MASK_PIECE: usize = 16 * 1024;

/// Appends `data`. The caller should have reserved the room: otherwise each chunk may reallocate.
#[inline]
pub(crate) fn append(out: &mut BytesMut, data: &[u8]) {
    if data.len() <= PIECE {
        out.extend_from_slice(data);
    } else {
        for piece in data.chunks(PIECE) {
            out.extend_from_slice(piece);
        }
    }
}

/// Appends `data` masked with `key`. The caller should have reserved the room.
///
/// The data is copied and then masked in place. Masking through a block on the stack takes 1.5 to 2
/// times as long at 1 KiB and more: its wide loads stall on narrower stores before them.
#[inline]
pub(crate) fn append_masked(out: &mut BytesMut, data: &[u8], key: [u8; 4]) {
    if data.len() <= PIECE {
        append_masked_piece(out, data, key);
    } else {
        append_masked_long(out, data, key);
    }
}

#[inline(never)]
fn append_masked_long(out: &mut BytesMut, data: &[u8], key: [u8; 4]) {
    // `MASK_PIECE` is a multiple of the key's length: each chunk begins with the first key byte.
    for piece in data.chunks(MASK_PIECE) {
        append_masked_piece(out, piece, key);
    }
}

// Inlined into both callers: a short frame would pay for another stack frame.
#[inline(always)]
fn append_masked_piece(out: &mut BytesMut, piece: &[u8], key: [u8; 4]) {
    let at = out.len();
    append(out, piece);
    if let Some(copy) = out.get_mut(at..) {
        mask(copy, key);
    }
}

/// Appends text, in chunks that end between characters.
pub(crate) fn append_text(out: &mut String, mut text: &str) {
    while text.len() > PIECE {
        let (piece, rest) = text.split_at(text.floor_char_boundary_compat(PIECE));
        out.push_str(piece);
        text = rest;
    }
    out.push_str(text);
}

/// `str::floor_char_boundary`, which the minimum Rust version doesn't have yet.
trait FloorCharBoundary {
    fn floor_char_boundary_compat(&self, at: usize) -> usize;
}

impl FloorCharBoundary for str {
    fn floor_char_boundary_compat(&self, at: usize) -> usize {
        (0..=at).rev().find(|&i| self.is_char_boundary(i)).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::cast_possible_truncation, reason = "samples")]

    use alloc::vec::Vec;

    use super::*;

    fn sample(len: usize) -> Vec<u8> {
        (0..len).map(|i| (i.wrapping_mul(131) >> 3) as u8).collect()
    }

    fn masked(data: &[u8], key: [u8; 4]) -> Vec<u8> {
        data.iter().enumerate().map(|(i, b)| b ^ key[i % 4]).collect()
    }

    #[test]
    fn every_copy_agrees_with_the_naive_one() {
        let key = [0x11, 0x22, 0x44, 0x88];
        let lens = (0..1100).chain([2047, 2048, 2049, 4095, 4096, 4097, 10_000, 70_001]);
        for data in lens.map(sample) {
            let mut out = BytesMut::from(&b"before"[..]);
            append(&mut out, &data);
            assert_eq!(&out[..6], b"before");
            assert_eq!(out[6..], data[..]);

            let mut out = BytesMut::from(&b"before"[..]);
            append_masked(&mut out, &data, key);
            assert_eq!(&out[..6], b"before");
            assert_eq!(out[6..], masked(&data, key)[..]);
        }
    }

    #[test]
    fn text_is_cut_between_characters() {
        for pad in 0..5 {
            let mut text = "x".repeat(pad);
            text.push_str(&"a\u{e4}\u{20ac}\u{1f600}".repeat(2000));
            let mut out = String::from("before");
            append_text(&mut out, &text);
            assert_eq!(out, alloc::format!("before{text}"));
        }
    }
}
