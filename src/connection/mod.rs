//! The protocol after the opening handshake: [`Connection`] and its values.
//!
//! The state lies in `state`; its calls in `receive` (input becomes events), `send` (messages become
//! output) and `timers` (deadlines). Below them `assembly` puts messages together that do not lie in one
//! input, `closing` and `keep_alive` keep their own states, and `compression` is permessage-deflate.

mod assembly;
pub(crate) mod closing;
mod compression;
mod fault;
mod keep_alive;
pub(crate) mod queued;
mod rare;
mod receive;
mod send;
pub(crate) mod state;
mod timers;

pub use crate::connection::closing::CloseStatus;
pub use crate::connection::state::Connection;
pub use crate::event::OwnedEvent;
pub use crate::negotiated::Negotiated;
pub use crate::stats::Stats;
