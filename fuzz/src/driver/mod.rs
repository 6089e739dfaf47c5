//! A driver in an event loop that does what the bytes say: any role, settings, cutting, style, replies,
//! failures. Shared by the fuzz target and the replay of its seeds.
//!
//! Held against: a bare connection that gets the same stream (`reference`), which has the same events
//! and the same error; the frames that the sends, the pings and the Close frames make (`output`),
//! which are in the output in that order, whole, each once; the limits of the output and of the
//! intake; and what each step promises (`world`).
//!
//! The data: eight bytes of settings, what the peer sends (two bytes of length first), and then the
//! actions of the loop, each a byte and its choices (`plan`, `world`).

#![allow(clippy::std_instead_of_alloc, reason = "tests")]

#[path = "../../../tests/common/frame.rs"]
#[allow(dead_code, unreachable_pub, reason = "a part of it is used")]
mod frame;
mod misuse;
mod output;
mod plan;
mod reference;
mod sends;
mod source;
mod state;
mod world;

use plan::Plan;
use source::Source;
use world::World;

/// Checks what comes of the scenario that `data` describes.
pub(crate) fn check(data: &[u8]) {
    let mut source = Source::new(data);
    let plan = Plan::read(&mut source);
    let mut world = World::new(&plan);
    while !source.is_empty() {
        world.act(&mut source);
    }
    world.finish();
}
