//! The command line.

use core::time::Duration;

/// What the usage says.
pub(crate) const USAGE: &str = "\
usage: echo [ADDR] [OPTIONS]

  ADDR                               where to listen (default 127.0.0.1:9001)
  --any-origin                       accept pages of other sites too (default: only this host's)
  --max-message BYTES                the longest message that is received (default 67108864)
  --keep-alive SECONDS[,TIMEOUT]     ping or pong interval; with a timeout, a peer that doesn't
                                     answer in time is given up (default 120, no timeout)
  --parts                            echo each part as it arrives, so that fragments stay fragments
  --blocking                         the std adapter, a thread for each connection, not tokio
  --threads N                        tokio's worker threads (default: one for each core)

GET / is a page to try it with, /ws the WebSocket.";

/// What was asked for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) address: String,
    pub(crate) any_origin: bool,
    pub(crate) max_message_len: u64,
    pub(crate) keep_alive: (Duration, Option<Duration>),
    pub(crate) parts: bool,
    pub(crate) blocking: bool,
    pub(crate) threads: Option<usize>,
}

impl Options {
    /// Reads the arguments behind the program's name. An error says what to change.
    pub(crate) fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let mut options = Self {
            address: "127.0.0.1:9001".into(),
            any_origin: false,
            max_message_len: 64 << 20,
            keep_alive: (Duration::from_secs(120), None),
            parts: false,
            blocking: false,
            threads: None,
        };
        let mut arguments = arguments.into_iter();
        let mut address = None;
        while let Some(argument) = arguments.next() {
            let mut value = |what: &str| {
                arguments.next().ok_or_else(|| format!("{argument} needs a value: {what}"))
            };
            match argument.as_str() {
                "--any-origin" => options.any_origin = true,
                "--max-message" => {
                    options.max_message_len = number(&argument, &value("bytes")?)?;
                }
                "--keep-alive" => {
                    options.keep_alive = keep_alive(&value("seconds[,timeout in seconds]")?)?;
                }
                "--parts" => options.parts = true,
                "--blocking" => options.blocking = true,
                "--threads" => options.threads = Some(number(&argument, &value("a number")?)?),
                "--deflate" | "--no-context-takeover" | "--tls" => {
                    return Err(format!("{argument} is not supported yet: leave it out"));
                }
                option if option.starts_with('-') => {
                    return Err(format!("unknown option {option}"));
                }
                other if address.is_some() => return Err(format!("a second address: {other}")),
                other => address = Some(other.to_owned()),
            }
        }
        if options.blocking && options.threads.is_some() {
            return Err("--threads is for tokio: leave it out with --blocking".into());
        }
        if options.threads == Some(0) {
            return Err("--threads 0 could do nothing: give at least 1".into());
        }
        options.address = address.unwrap_or(options.address);
        Ok(options)
    }
}

fn number<N: core::str::FromStr>(option: &str, text: &str) -> Result<N, String> {
    text.parse().map_err(|_| format!("{option} takes a whole number, not {text:?}"))
}

fn keep_alive(text: &str) -> Result<(Duration, Option<Duration>), String> {
    let (interval, timeout) = match text.split_once(',') {
        Some((interval, timeout)) => (interval, Some(timeout)),
        None => (text, None),
    };
    let seconds = |text| number("--keep-alive", text).map(Duration::from_secs);
    Ok((seconds(interval)?, timeout.map(seconds).transpose()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options, String> {
        Options::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn options_are_read() {
        let options =
            parse("[::1]:80 --parts --keep-alive 5,7 --max-message 9 --threads 3").unwrap();
        assert_eq!(options.address, "[::1]:80");
        assert_eq!(options.keep_alive, (Duration::from_secs(5), Some(Duration::from_secs(7))));
        assert_eq!((options.max_message_len, options.threads, options.parts), (9, Some(3), true));
        assert_eq!(parse("").unwrap().address, "127.0.0.1:9001");
    }

    #[test]
    fn what_cannot_be_is_refused_with_a_message() {
        for (line, message) in [
            ("--deflate on", "--deflate is not supported yet: leave it out"),
            ("--no-context-takeover", "--no-context-takeover is not supported yet: leave it out"),
            ("--tls", "--tls is not supported yet: leave it out"),
            ("--max-message x", "--max-message takes a whole number, not \"x\""),
            ("--max-message", "--max-message needs a value: bytes"),
            ("--what", "unknown option --what"),
            ("a b", "a second address: b"),
            ("--blocking --threads 2", "--threads is for tokio: leave it out with --blocking"),
            ("--threads 0", "--threads 0 could do nothing: give at least 1"),
        ] {
            assert_eq!(parse(line).unwrap_err(), message);
        }
    }
}
