use core::time::Duration;

/// A point in time: microseconds since a start that the caller chooses.
///
/// The core reads no clock. Under `std`, `Instant::now()` and `From<std::time::Instant>` count from
/// the process's first use of either; an embedded caller counts from boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(u64);

impl Instant {
    /// Makes an instant from microseconds since the caller's start.
    #[must_use]
    pub const fn from_micros(us: u64) -> Self {
        Self(us)
    }

    /// Returns microseconds since the caller's start.
    #[must_use]
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// Returns the instant `d` later, `None` where that can't be told: such a deadline never comes.
    #[must_use]
    pub fn checked_add(self, d: Duration) -> Option<Self> {
        let us = u64::try_from(d.as_micros()).ok()?;
        self.0.checked_add(us).map(Self)
    }

    /// Returns how long after `earlier` this is, zero if it is before.
    #[must_use]
    pub const fn saturating_duration_since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

#[cfg(feature = "std")]
mod clock {
    use core::time::Duration;
    use std::sync::OnceLock;
    use std::time::Instant as StdInstant;

    use super::Instant;

    /// The zero of all instants of this process.
    fn start() -> StdInstant {
        static START: OnceLock<StdInstant> = OnceLock::new();
        #[expect(clippy::disallowed_methods, reason = "the clock's one place")]
        let start = *START.get_or_init(StdInstant::now);
        start
    }

    impl Instant {
        /// Reads the operating system's monotonic clock.
        #[must_use]
        pub fn now() -> Self {
            let start = start();
            #[expect(clippy::disallowed_methods, reason = "the clock's one place")]
            let now = StdInstant::now();
            Self::from_duration(now.saturating_duration_since(start))
        }

        /// Returns the same point on the standard library's scale, for timers of a runtime.
        #[must_use]
        pub fn into_std(self) -> Option<StdInstant> {
            start().checked_add(Duration::from_micros(self.as_micros()))
        }

        fn from_duration(d: Duration) -> Self {
            Self(u64::try_from(d.as_micros()).unwrap_or(u64::MAX))
        }
    }

    impl From<StdInstant> for Instant {
        /// An instant before the process's first use of the clock becomes the start.
        fn from(t: StdInstant) -> Self {
            Self::from_duration(t.saturating_duration_since(start()))
        }
    }
}
