use core::time::Duration;

/// A point in time: microseconds since an origin that the caller chooses.
///
/// The core reads no clock. With the feature `std`, `Instant::now()` and `From<std::time::Instant>`
/// count from the first use of either in the process. An embedded caller can count from boot.
///
/// ```
/// use core::time::Duration;
///
/// use sansocket::Instant;
///
/// let start = Instant::from_micros(0);
/// let deadline = start.checked_add(Duration::from_secs(30));
/// assert_eq!(deadline, Some(Instant::from_micros(30_000_000)));
/// assert_eq!(start.checked_add(Duration::MAX), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(u64);

impl Instant {
    /// Creates an instant from microseconds since the caller's origin.
    #[must_use]
    pub const fn from_micros(us: u64) -> Self {
        Self(us)
    }

    /// Returns the microseconds since the caller's origin.
    #[must_use]
    pub const fn as_micros(self) -> u64 {
        self.0
    }

    /// Returns the instant `d` later, or `None` if it overflows. A deadline that overflows is never
    /// reached.
    #[must_use]
    pub fn checked_add(self, d: Duration) -> Option<Self> {
        let us = u64::try_from(d.as_micros()).ok()?;
        self.0.checked_add(us).map(Self)
    }

    /// Returns the time from `earlier` to this instant, or zero if `earlier` is later.
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

    /// The origin of all instants of this process. `std::time::Instant` has no value of its own to
    /// count from, so the first call sets the origin.
    fn start() -> StdInstant {
        static START: OnceLock<StdInstant> = OnceLock::new();
        #[expect(clippy::disallowed_methods, reason = "the one place that reads the clock")]
        let start = *START.get_or_init(StdInstant::now);
        start
    }

    impl Instant {
        /// Returns the time of the operating system's monotonic clock.
        #[must_use]
        pub fn now() -> Self {
            let start = start();
            #[expect(clippy::disallowed_methods, reason = "the one place that reads the clock")]
            let now = StdInstant::now();
            Self::from_duration(now.saturating_duration_since(start))
        }

        /// Returns the same point in time as the standard library's type, for the timers of a
        /// runtime. `None` if that type can't represent it.
        #[must_use]
        pub fn into_std(self) -> Option<StdInstant> {
            start().checked_add(Duration::from_micros(self.as_micros()))
        }

        fn from_duration(d: Duration) -> Self {
            Self(u64::try_from(d.as_micros()).unwrap_or(u64::MAX))
        }
    }

    impl From<StdInstant> for Instant {
        /// Converts an instant. One before the first use of the clock becomes the origin.
        fn from(t: StdInstant) -> Self {
            Self::from_duration(t.saturating_duration_since(start()))
        }
    }
}

/// Returns the earlier of two deadlines, either of which may be absent.
pub(crate) fn earlier(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}
