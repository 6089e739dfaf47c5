//! Predictable keys: good for tests, since runs repeat, and for no other use.

use core::cell::Cell;

use sansocket::Entropy;
use sansocket::error::EntropyError;

thread_local! {
    static STATE: Cell<u64> = const { Cell::new(1) };
    /// The number of fills before the source fails; `u64::MAX`: it never fails.
    static LEFT: Cell<u64> = const { Cell::new(u64::MAX) };
    static FILLS: Cell<u64> = const { Cell::new(0) };
}

/// A seeded generator per thread. Predictable, so never for a real connection.
pub const fn weak_entropy_for_tests_only() -> Entropy {
    Entropy::from_fn(fill)
}

/// Restarts the generator of this thread.
pub fn reseed(seed: u64) {
    STATE.set(seed.wrapping_mul(2) | 1);
    LEFT.set(u64::MAX);
    FILLS.set(0);
}

/// From now on the source fills `fills` blocks and then fails, until [`reseed`].
pub fn fail_after(fills: u64) {
    LEFT.set(fills);
}

/// The number of calls of the source since [`reseed`].
pub fn fills() -> u64 {
    FILLS.get()
}

/// A number of the generator of this thread.
pub fn next() -> u64 {
    // splitmix64
    let state = STATE.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
    STATE.set(state);
    let mut z = state;
    z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ z >> 31
}

fn fill(bytes: &mut [u8]) -> Result<(), EntropyError> {
    FILLS.set(FILLS.get() + 1);
    let left = LEFT.get();
    if left == 0 {
        // The output of a failing source must not be used.
        bytes.fill(0xee);
        return Err(EntropyError);
    }
    if left != u64::MAX {
        LEFT.set(left - 1);
    }
    for chunk in bytes.chunks_mut(8) {
        chunk.copy_from_slice(&next().to_le_bytes()[..chunk.len()]);
    }
    Ok(())
}
