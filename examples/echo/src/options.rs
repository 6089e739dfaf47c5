//! The command line.

use core::time::Duration;

/// What the usage says.
pub(crate) const USAGE: &str = "\
usage: echo [ADDR] [OPTIONS]

  ADDR                               where to listen (default 127.0.0.1:9001)
  --any-origin                       accept pages of other sites too (default: only this host's)
  --max-message BYTES                the longest message that is received (default 67108864)
  --keep-alive SECONDS[,TIMEOUT]     ping or pong interval; with a timeout, a peer that doesn't
                                     answer in time is given up (default 30, no timeout)
  --deflate on|off|SERVER[,CLIENT]   compression for whoever offers it (default on); SERVER and CLIENT,
                                     9 to 15, are the bits of the largest windows that the messages of
                                     each side are compressed in: fewer bits, less memory
  --no-context-takeover              compress each message by itself, in both directions: less memory
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
    /// `None`: off.
    pub(crate) compression: Option<Compression>,
    pub(crate) parts: bool,
    pub(crate) blocking: bool,
    pub(crate) threads: Option<usize>,
}

/// How to compress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Compression {
    /// The largest windows of the server and of the client, in bits; `None`: the library's choice.
    pub(crate) windows: Option<(u8, u8)>,
    /// Whether messages may refer to those before them.
    pub(crate) context_takeover: bool,
}

impl Options {
    /// Reads the arguments behind the program's name. An error says what to change.
    pub(crate) fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let mut options = Self {
            address: "127.0.0.1:9001".into(),
            any_origin: false,
            max_message_len: 64 << 20,
            keep_alive: (Duration::from_secs(30), None),
            compression: Some(Compression { windows: None, context_takeover: true }),
            parts: false,
            blocking: false,
            threads: None,
        };
        let mut arguments = arguments.into_iter();
        let mut address = None;
        let mut no_context_takeover = false;
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
                "--deflate" => {
                    options.compression = compression(&value("on, off, or 9 to 15 bits")?)?;
                }
                "--no-context-takeover" => no_context_takeover = true,
                "--parts" => options.parts = true,
                "--blocking" => options.blocking = true,
                "--threads" => options.threads = Some(number(&argument, &value("a number")?)?),
                "--tls" => return Err("--tls is not supported yet: leave it out".into()),
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
        if no_context_takeover {
            let Some(compression) = &mut options.compression else {
                return Err("--no-context-takeover is for compression: leave it out with \
                            --deflate off"
                    .into());
            };
            compression.context_takeover = false;
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

fn compression(text: &str) -> Result<Option<Compression>, String> {
    let windows = match (text, text.split_once(',')) {
        ("off", _) => return Ok(None),
        ("on", _) => None,
        (_, Some((server, client))) => Some((window_bits(server)?, window_bits(client)?)),
        (server, None) => Some((window_bits(server)?, MAX_WINDOW_BITS)),
    };
    Ok(Some(Compression { windows, context_takeover: true }))
}

fn window_bits(text: &str) -> Result<u8, String> {
    match text.parse() {
        Ok(bits @ MIN_WINDOW_BITS..=MAX_WINDOW_BITS) => Ok(bits),
        _ => Err(format!("--deflate takes on, off, or windows of 9 to 15 bits, not {text:?}")),
    }
}

/// Many peers can't do with 8 bits, which the standard would allow.
const MIN_WINDOW_BITS: u8 = 9;
const MAX_WINDOW_BITS: u8 = 15;

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
    fn options_of_compression_are_read() {
        let on = |windows, context_takeover| Some(Compression { windows, context_takeover });
        for (line, compression) in [
            ("", on(None, true)),
            ("--deflate on", on(None, true)),
            ("--deflate off", None),
            ("--deflate 9", on(Some((9, 15)), true)),
            ("--deflate 15,10", on(Some((15, 10)), true)),
            ("--no-context-takeover", on(None, false)),
            ("--no-context-takeover --deflate 12,9", on(Some((12, 9)), false)),
            ("--deflate 12,9 --no-context-takeover", on(Some((12, 9)), false)),
        ] {
            assert_eq!(parse(line).unwrap().compression, compression, "{line}");
        }
    }

    #[test]
    fn what_cannot_be_is_refused_with_a_message() {
        for (line, message) in [
            ("--deflate", "--deflate needs a value: on, off, or 9 to 15 bits"),
            ("--deflate 8", "--deflate takes on, off, or windows of 9 to 15 bits, not \"8\""),
            ("--deflate 9,16", "--deflate takes on, off, or windows of 9 to 15 bits, not \"16\""),
            ("--deflate 9,", "--deflate takes on, off, or windows of 9 to 15 bits, not \"\""),
            (
                "--no-context-takeover --deflate off",
                "--no-context-takeover is for compression: leave it out with --deflate off",
            ),
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
