use core::time::Duration;

use crate::entropy::{Entropy, EntropyError};

/// The longest wait before the first reconnect, in microseconds: 5 s.
const FIRST: u64 = 5_000_000;

/// How long to wait before a reconnect, so that the clients of a server that went down don't all
/// come back at once
/// ([RFC 6455 section 7.2.3](https://www.rfc-editor.org/rfc/rfc6455#section-7.2.3)).
///
/// The first wait is random, up to 5 s; each one behind it is random between half and all of a span
/// that doubles, from 10 s up to a limit.
///
/// ```
/// # #[cfg(feature = "std")]
/// # fn main() -> Result<(), sansocket::EntropyError> {
/// use core::time::Duration;
/// use sansocket::Entropy;
/// use sansocket::handshake::Backoff;
///
/// let mut backoff = Backoff::new(Duration::from_secs(60));
/// let entropy = Entropy::os();
/// assert!(backoff.next_delay(&entropy)? <= Duration::from_secs(5));
/// assert!(backoff.next_delay(&entropy)? >= Duration::from_secs(5));
/// backoff.reset(); // after a connection that has lasted
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "std"))]
/// # fn main() {}
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The longest wait, in microseconds.
    max: u64,
    /// The span of the next wait, in microseconds.
    span: u64,
}

impl Backoff {
    /// Starts with no failure; no wait is longer than `max`.
    #[must_use]
    pub fn new(max: Duration) -> Self {
        Self { max: u64::try_from(max.as_micros()).unwrap_or(u64::MAX), span: FIRST }
    }

    /// Returns how long to wait before the next attempt.
    ///
    /// # Errors
    /// [`EntropyError`] if the source of randomness fails.
    pub fn next_delay(&mut self, entropy: &Entropy) -> Result<Duration, EntropyError> {
        let mut random = [0; 8];
        entropy.fill(&mut random)?;
        let random = u64::from_ne_bytes(random);
        let span = self.span.min(self.max);
        let least = if self.span == FIRST { 0 } else { span / 2 };
        let delay = least + random % (span - least).saturating_add(1);
        self.span = self.span.saturating_mul(2);
        Ok(Duration::from_micros(delay))
    }

    /// Forgets the failures.
    pub const fn reset(&mut self) {
        self.span = FIRST;
    }
}
