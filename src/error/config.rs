//! The error of a setting.

use core::fmt;

/// A setting can't work. The text of the error names the correction.
///
/// ```
/// use sansocket::Config;
/// use sansocket::error::ConfigError;
///
/// let error = Config::server().max_unsent(1024).high_water_mark(1000).build().unwrap_err();
/// assert_eq!(error, ConfigError::HighWaterMark { high_water_mark: 1000, max_unsent: 1024 });
/// assert!(error.to_string().contains("set max_unsent to at least twice high_water_mark"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ConfigError {
    /// The named limit is 0, which every value exceeds.
    ZeroLimit(&'static str),
    /// The named duration is shorter than a microsecond. `None` switches keep-alive and the message
    /// timeout off.
    ZeroDuration(&'static str),
    /// A keep-alive timeout without an interval: no ping is ever sent.
    TimeoutWithoutInterval,
    /// `high_water_mark` is more than half of `max_unsent`, or half of `max_unsent` is less than 1
    /// byte: replies and unsolicited output each need a share of `max_unsent`.
    HighWaterMark {
        /// The high-water mark, in bytes.
        high_water_mark: usize,
        /// The limit of unsent output, in bytes.
        max_unsent: usize,
    },
    /// The named limit is too large for the address space of this machine.
    LimitTooLarge(&'static str),
    /// The named number of window bits is not from 9 to 15.
    WindowBits(&'static str, u8),
    /// The named setting is not from `least` to `most`.
    OutOfRange {
        /// The name of the setting.
        name: &'static str,
        /// The smallest value.
        least: u32,
        /// The largest value.
        most: u32,
    },
    /// The window of an HTTP/2 session is less than those of all its streams together, or larger than
    /// HTTP/2 permits: streams that are not read would stop the others.
    SessionWindow {
        /// The window of the session, in bytes.
        session_window: u32,
        /// The largest number of streams.
        max_streams: u32,
        /// The window of a stream, in bytes.
        stream_window: u32,
    },
    /// The window is smaller than the smallest window of the chosen compression engine, in bits.
    EngineWindowBits(u8),
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ZeroLimit(name) => write!(f, "{name} is 0: set at least 1"),
            Self::ZeroDuration(name) => {
                let is_optional = *name == "message_timeout" || name.contains("keep_alive");
                let or_none = if is_optional { ", or None to switch it off" } else { "" };
                write!(f, "{name} is shorter than a microsecond: set a longer one{or_none}")
            }
            Self::TimeoutWithoutInterval => f.write_str(
                "keep_alive has a timeout but no interval: set the interval after which to ping",
            ),
            Self::HighWaterMark { max_unsent: ..2, .. } => {
                f.write_str("max_unsent has no room for a high_water_mark: set at least 2")
            }
            Self::HighWaterMark { high_water_mark, max_unsent } => write!(
                f,
                "high_water_mark ({high_water_mark}) is more than half of max_unsent ({max_unsent}): \
                 set max_unsent to at least twice high_water_mark"
            ),
            Self::LimitTooLarge(name) => {
                write!(f, "{name} is larger than this machine's memory can be: set a smaller one")
            }
            Self::WindowBits(name, bits) => write!(f, "{name} is {bits}: set 9 to 15"),
            Self::OutOfRange { name, least, most } => write!(f, "{name}: set {least} to {most}"),
            Self::SessionWindow { session_window, max_streams, stream_window } => {
                let (streams, window) = (max_streams, stream_window);
                if *session_window >= 1 << 31 {
                    return write!(
                        f,
                        "session_window, by default max_streams ({streams}) times stream_window \
                         ({window}), is larger than 2147483647: set fewer streams, smaller windows"
                    );
                }
                write!(
                    f,
                    "session_window ({session_window}) is less than max_streams ({streams}) times \
                     stream_window ({window}): set a larger one, fewer streams, or smaller windows"
                )
            }
            Self::EngineWindowBits(least) => write!(
                f,
                "the engine can't keep to windows of less than {least} bits: leave them at {least}, \
                 or choose another engine"
            ),
        }
    }
}

impl core::error::Error for ConfigError {}
