//! The time that this thread has had of a core: wall time says little on a busy machine.
#![allow(unsafe_code, reason = "the standard library doesn't tell it")]

/// Nanoseconds of this thread, from an unknown start.
#[cfg(unix)]
pub(crate) fn thread_nanos() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: it writes to the struct that it is given.
    let status = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    assert_eq!(status, 0);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Elsewhere wall time has to do.
#[cfg(not(unix))]
#[expect(clippy::disallowed_methods, reason = "a bench measures time")]
pub(crate) fn thread_nanos() -> u64 {
    use std::sync::OnceLock;
    use std::time::Instant;

    static START: OnceLock<Instant> = OnceLock::new();
    START.get_or_init(Instant::now).elapsed().as_nanos() as u64
}
