use core::time::Duration;

use crate::entropy::{Entropy, EntropyError};

/// The shortest span after the first one, in microseconds. A span of 0 could not be doubled.
const MIN_SPAN: u64 = 1000;

/// The delay before a reconnect. It is random, so that the clients of a restarted server don't all
/// reconnect at once
/// ([RFC 6455 section 7.2.3](https://www.rfc-editor.org/rfc/rfc6455#section-7.2.3)).
///
/// The first delay is random, from 0 to the first span. Each later delay is random, from half of
/// its span to its full span. Spans double up to a maximum. With the RFC's 5 s and a maximum of
/// 60 s the delays are 0 to 5 s, 5 to 10 s, 10 to 20 s, 20 to 40 s, and from then on 30 to 60 s.
///
/// Retry after an error of the network or the resolver, a timeout, an end of the transport before
/// the response was complete, or a status of 500 or more. Don't retry after an invalid URL or a
/// 401, 403 or 404: time doesn't change these.
///
/// ```
/// # #[cfg(feature = "std")]
/// # fn main() -> Result<(), sansocket::error::EntropyError> {
/// use core::time::Duration;
/// use sansocket::Entropy;
/// use sansocket::handshake::Backoff;
///
/// let mut backoff = Backoff::new(Duration::from_secs(5), Duration::from_secs(60));
/// let entropy = Entropy::os();
/// assert!(backoff.next_delay(&entropy)? <= Duration::from_secs(5));
/// assert!(backoff.next_delay(&entropy)? >= Duration::from_secs(5));
/// backoff.reset(); // after a connection that has lasted
/// assert!(backoff.next_delay(&entropy)? <= Duration::from_secs(5));
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "std"))]
/// # fn main() {}
/// ```
///
/// A client that reconnects, on threads (feature `std`):
///
/// ```no_run
/// # #[cfg(feature = "std")]
/// # fn f(request: sansocket::ConnectRequest, config: sansocket::Config)
/// #     -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
///
/// use sansocket::Entropy;
/// use sansocket::blocking::WebSocket;
/// use sansocket::error::ConnectErrorKind;
/// use sansocket::handshake::{Backoff, HandshakeError};
///
/// let mut backoff = Backoff::new(Duration::from_secs(5), Duration::from_secs(60));
/// loop {
///     match WebSocket::connect(&request, &config) {
///         Ok((mut ws, _)) => {
///             while let Ok(Some((event, _))) = ws.read() {
///                 if event.data().is_some() {
///                     backoff.reset(); // the connection is of use: it is not just closed again
///                 }
///                 println!("{event:?}");
///             }
///         }
///         Err(error) => match error.kind() {
///             ConnectErrorKind::Io(_) | ConnectErrorKind::Timeout => {}
///             ConnectErrorKind::Handshake(
///                 HandshakeError::Timeout | HandshakeError::ClosedWithoutResponse,
///             ) => {}
///             ConnectErrorKind::Handshake(HandshakeError::Status(response))
///                 if response.status() >= 500 => {}
///             _ => return Err(error.into()),
///         },
///     }
///     std::thread::sleep(backoff.next_delay(&Entropy::os())?);
/// }
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The first span. All spans are in microseconds.
    first: u64,
    max: u64,
    /// The span of the last delay; `None` before the first one.
    last: Option<u64>,
}

impl Backoff {
    /// Creates a backoff in the state without failures: the first delay is at most `first`, and no
    /// delay is longer than `max`.
    ///
    /// RFC 6455 suggests 5 s for `first`. A shorter span reconnects a client sooner, but
    /// concentrates the reconnects of all clients of a restarted server in a shorter time.
    #[must_use]
    pub fn new(first: Duration, max: Duration) -> Self {
        Self { first: micros(first), max: micros(max), last: None }
    }

    /// Returns the delay before the next attempt.
    ///
    /// # Errors
    /// [`EntropyError`] if the source of randomness fails.
    pub fn next_delay(&mut self, entropy: &Entropy) -> Result<Duration, EntropyError> {
        let mut random = [0; 8];
        entropy.fill(&mut random)?;
        let span = match self.last {
            None => self.first,
            Some(last) => last.saturating_mul(2).max(MIN_SPAN),
        };
        let span = span.min(self.max);
        let least = if self.last.is_none() { 0 } else { span / 2 };
        let delay = least + u64::from_ne_bytes(random) % (span - least).saturating_add(1);
        self.last = Some(span);
        Ok(Duration::from_micros(delay))
    }

    /// Returns to the state without failures.
    pub const fn reset(&mut self) {
        self.last = None;
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
