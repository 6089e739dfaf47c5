//! The symbols of a block while there is enough of everything: 8 bytes of input and a little room.

use crate::deflate::decoder::Corrupt;
use crate::deflate::decoder::bits::Bits;
use crate::deflate::decoder::codes::Codes;
use crate::deflate::decoder::output::{Match, Output};

/// What the fast way has stopped for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Stop {
    /// The end of the block.
    End,
    /// There is no room for the rest of a match.
    Match(Match),
    /// The next symbol needs more care.
    Symbol,
}

/// Follows symbols; between any two it may stop.
///
/// After a refill there are 56 bits. Two literals and a match take no more than that if none of
/// their codes is a long one: 2 * 10, 10 + 5 and 8 + 13. Otherwise it refills before the distance.
pub(super) fn symbols(
    codes: &Codes,
    bits: &mut Bits<'_>,
    out: &mut Output<'_>,
) -> Result<Stop, Corrupt> {
    let mut b = *bits;
    let (message, mut at, window) = (&mut *out.message, out.at, out.window);
    let size = window.size();
    let mut stop = Stop::Symbol;
    while b.refill_at_once() {
        let Some(room) = message.get_mut(at..).and_then(|room| room.first_chunk_mut::<3>()) else {
            break;
        };
        let mut symbol = codes.first_literal(b.peek());
        if symbol.is_literal() {
            room[0] = symbol.byte();
            at += 1;
            b.skip(symbol.len());
            symbol = codes.first_literal(b.peek());
            if symbol.is_literal() {
                room[1] = symbol.byte();
                at += 1;
                b.skip(symbol.len());
                symbol = codes.first_literal(b.peek());
                if symbol.is_literal() {
                    room[2] = symbol.byte();
                    at += 1;
                    b.skip(symbol.len());
                    continue;
                }
            }
        }
        if symbol.is_special() {
            if symbol.is_pointer() {
                symbol = codes.second_literal(symbol, b.peek());
                if symbol.is_literal() {
                    let Some(place) = message.get_mut(at) else { break };
                    *place = symbol.byte();
                    at += 1;
                    b.skip(symbol.len());
                    continue;
                }
            }
            if symbol.is_end() {
                b.skip(symbol.len());
                stop = Stop::End;
                break;
            }
            if symbol.is_special() {
                return Err(Corrupt);
            }
            if !b.refill_at_once() {
                break;
            }
        }
        let mut behind = b.peek() >> symbol.len();
        let mut distance = codes.first_distance(behind);
        if distance.is_special() {
            if !b.refill_at_once() {
                break;
            }
            behind = b.peek() >> symbol.len();
            distance = codes.distance(behind);
            if distance.is_special() {
                return Err(Corrupt);
            }
        }
        let (length, back) = (symbol.value(b.peek()), distance.value(behind));
        b.skip(symbol.len() + distance.len());
        let copied = if back <= at {
            back <= size && copy_near(message, at, length, back)
        } else {
            back <= size && copy_far(message, at, length, window.last(back - at))
        };
        if copied {
            at += length;
            continue;
        }
        let mut slow = Output { message: &mut *message, at, window };
        let rest = slow.copy(Match::new(length, back))?;
        at = slow.at;
        if rest.length > 0 {
            stop = Stop::Match(rest);
            break;
        }
    }
    *bits = b;
    out.at = at;
    Ok(stop)
}

/// Copies a match that lies in the message in whole blocks; false: nothing is done, since the
/// blocks are too much for the room, or it reaches into itself.
#[inline(always)]
fn copy_near(message: &mut [u8], at: usize, length: usize, back: usize) -> bool {
    if back < length && back < BLOCK {
        return false;
    }
    let from = at.saturating_sub(back);
    let Some(place) = message.get_mut(from..at + length + BLOCK) else { return false };
    let mut done = 0;
    while done < length {
        let Some(block) = place.get(done..).and_then(|place| place.first_chunk::<BLOCK>()) else {
            break;
        };
        let block = *block;
        let to = place.get_mut(done + back..).and_then(|place| place.first_chunk_mut::<BLOCK>());
        let Some(to) = to else { break };
        *to = block;
        done += BLOCK;
    }
    true
}

/// Copies a match that begins `old`, as far as that goes without a border, in whole blocks; false:
/// nothing is done, since it isn't whole in `old`, or the blocks are too much for the room.
#[inline(always)]
fn copy_far(message: &mut [u8], at: usize, length: usize, old: &[u8]) -> bool {
    let Some(place) = message.get_mut(at..at + length + BLOCK) else { return false };
    if length <= BLOCK
        && let Some(block) = old.first_chunk::<BLOCK>()
        && let Some(to) = place.first_chunk_mut::<BLOCK>()
    {
        *to = *block;
        return true;
    }
    if let (Some(old), Some(place)) = (old.get(..length), place.get_mut(..length)) {
        place.copy_from_slice(old);
        return true;
    }
    false
}

/// How much is copied at once.
const BLOCK: usize = 32;
