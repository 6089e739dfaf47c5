//! A bridge for WebSockets between HTTP/1.1 and HTTP/2, in both directions.
//!
//! The opening handshake is translated; after it the bridge moves bytes and parses no frames, so masks,
//! fragments and extensions pass unchanged. The text of `--help` ([`USAGE`]) describes it.
//!
//! | module | task |
//! |---|---|
//! | `options` | the command line |
//! | `outer` | clients: HTTP/1.1 and HTTP/2 on one port |
//! | `inner` | the target: a connection for each WebSocket, or a shared session |
//! | `heads` | fields that pass, and those that do not |
//! | `tunnel` | bytes and ends |
#![allow(
    clippy::std_instead_of_alloc,
    clippy::wildcard_enum_match_arm,
    reason = "written as a user of the crate would"
)]

mod heads;
mod inner;
mod options;
mod outer;
mod tunnel;

pub use crate::options::{Options, Target, USAGE};
pub use crate::outer::Bridge;
