//! A driver in an event loop whose actions the data selects: role, settings, split of the input,
//! style of reading and writing, replies, failures. Shared by the fuzz target and the replay of its
//! seeds.
//!
//! The checks: a bare connection that gets the same stream has the same events and the same error
//! (`reference`); the output has the frames of the sends, pongs, pings and Close frames, in order,
//! complete, each once (`output`); output and intake stay within their limits; each step keeps its
//! contract (`world`).
//!
//! The data: eight bytes of settings, the stream of the peer (after two bytes with its length), and
//! the actions of the loop, each a byte with its parameters (`plan`, `world`).

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

/// Runs the scenario of `data` with all checks.
pub(crate) fn check(data: &[u8]) {
    let mut source = Source::new(data);
    let plan = Plan::read(&mut source);
    let mut world = World::new(&plan);
    while !source.is_empty() {
        world.act(&mut source);
    }
    world.finish();
}
