//! Compressed messages.
//!
//! This module has two bodies: `on` with the feature `deflate`, `off` without. Both have these
//! methods of [`Incoming`](crate::connection::assembly::Incoming), called if RSV1 has shown that the
//! message is compressed:
//!
//! * `take_inflated` takes a message whose rest is in the input, `take_inflated_part` a part of one.
//! * `keep_inflated` inflates what has arrived of a message into the inbox.
//!
//! In `off` no header with RSV1 passes, so that none of them is called.

#[cfg(not(feature = "deflate"))]
mod off;
#[cfg(feature = "deflate")]
mod on;
