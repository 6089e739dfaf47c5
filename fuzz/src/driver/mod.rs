//! A driver in an event loop that executes the input bytes: any role, settings, read lengths, call
//! styles, replies and failures. Shared by the fuzz target and the replay of its seeds.
//!
//! The driver is compared with
//!
//! * a bare connection that receives the same stream (`reference`): it yields the same events and
//!   the same error;
//! * the frames of the sends, the pings and the Close frames (`output`): the output contains them
//!   in order, complete, each once;
//! * the limits of the output and of the intake;
//! * the guarantees of each step (`world`).
//!
//! The input consists of eight bytes of settings, the bytes that the peer sends (after two bytes of
//! length), and the actions of the loop, each a byte and its choices (`plan`, `world`).

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

/// Runs the scenario in `data` and checks its results.
pub(crate) fn check(data: &[u8]) {
    let mut source = Source::new(data);
    let plan = Plan::read(&mut source);
    let mut world = World::new(&plan);
    while !source.is_empty() {
        world.act(&mut source);
    }
    world.finish();
}
