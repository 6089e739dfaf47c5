//! Compressed messages.
//!
//! This module has two implementations: `on` with the feature `deflate`, `off` without it. Both
//! have these methods of [`Incoming`](crate::connection::assembly::Incoming). They are called if
//! RSV1 marks the message as compressed:
//!
//! * `take_inflated` takes a message, `take_inflated_part` a part of one. The rest of it is in the
//!   input.
//! * `keep_inflated` inflates the received bytes of a message into the inbox.
//!
//! In `off` a header with RSV1 is an error, so that none of them is called.

#[cfg(not(feature = "deflate"))]
mod off;
#[cfg(feature = "deflate")]
mod on;
