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
        let mut slow = Output { message: &mut *message, at, window };
        if back <= size && slow.copy_blocks::<32>(length, back) {
            at += length;
            continue;
        }
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
