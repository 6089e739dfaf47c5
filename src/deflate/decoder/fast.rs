//! The symbols of a block while there is enough of everything: 8 bytes of input and a little room.

use crate::deflate::decoder::Corrupt;
use crate::deflate::decoder::bits::{Bits, Words};
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
#[inline(never)]
pub(super) fn symbols(
    codes: &Codes,
    bits: &mut Bits<'_>,
    out: &mut Output<'_>,
) -> Result<Stop, Corrupt> {
    let mut b = Words::new(bits);
    let (message, mut at, window) = (&mut *out.message, out.at, out.window);
    let size = window.size();
    let mut stop = Stop::Symbol;
    while b.refill() {
        let mut symbol = codes.first_literal(b.peek());
        if symbol.is_literal() {
            let Some(place) = message.get_mut(at) else { break };
            *place = symbol.byte();
            at += 1;
            b.skip(symbol);
            symbol = codes.first_literal(b.peek());
            if symbol.is_literal() {
                let Some(place) = message.get_mut(at) else { break };
                *place = symbol.byte();
                at += 1;
                b.skip(symbol);
                symbol = codes.first_literal(b.peek());
                if symbol.is_literal() {
                    let Some(place) = message.get_mut(at) else { break };
                    *place = symbol.byte();
                    at += 1;
                    b.skip(symbol);
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
                    b.skip(symbol);
                    continue;
                }
            }
            if symbol.is_end() {
                b.skip(symbol);
                stop = Stop::End;
                break;
            }
            if symbol.is_special() {
                return Err(Corrupt);
            }
            if !b.refill() {
                break;
            }
        }
        let before = b;
        let length = symbol.value_by_table(b.peek());
        b.skip(symbol);
        let mut distance = codes.first_distance(b.peek());
        if distance.is_special() {
            if !b.refill() {
                b = before;
                break;
            }
            distance = codes.distance(b.peek());
            if distance.is_special() {
                return Err(Corrupt);
            }
        }
        let back = distance.value_by_table(b.peek());
        b.skip(distance);
        // One block does for most matches.
        let block = if length > BLOCK || back > size {
            None
        } else if let Some(from) = at.checked_sub(back) {
            // One that reaches into itself must not do so within the block.
            message.get(from..at).and_then(|old| old.first_chunk::<BLOCK>())
        } else {
            window.last(back - at).first_chunk::<BLOCK>()
        };
        if let Some(&block) = block
            && let Some(room) = message.get_mut(at..)
            && let Some(room) = room.first_chunk_mut::<BLOCK>()
        {
            *room = block;
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
    *bits = b.into_bits();
    out.at = at;
    Ok(stop)
}

/// How much is copied at once.
const BLOCK: usize = 32;
