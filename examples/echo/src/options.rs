//! The command line.

use core::fmt;
use core::time::Duration;

/// The text of `--help`.
pub(crate) const USAGE: &str = "\
usage: echo [ADDR] [OPTIONS]

  ADDR                               address to listen on (default 127.0.0.1:9001)
  --tls                              serve https and wss over HTTP/2 and HTTP/1.1, with a
                                     throw-away certificate for localhost, 127.0.0.1 and ::1
  --cert FILE --key FILE             the same with this certificate chain and this private key
                                     (PEM)
  --h2c                              serve HTTP/2 without TLS (prior knowledge) and HTTP/1.1 on
                                     the same port
  --any-origin                       accept pages of any site (default: this host only)
  --max-message BYTES                maximum length of a received message (default 67108864)
  --keep-alive SECONDS[,TIMEOUT]     ping or pong interval; with TIMEOUT, disconnect a peer that
                                     does not answer in time (default 30, no timeout)
  --deflate on|off|SERVER[,CLIENT]   compression for clients that offer it (default on); SERVER and
                                     CLIENT, 9 to 15, are the maximum window bits of the
                                     messages of each side: fewer bits need less memory
  --no-context-takeover              compress each message independently: less memory, lower ratio
  --parts                            echo each part as it arrives, without collecting messages
  --blocking                         use the blocking adapter, one thread per connection
  --threads N                        worker threads of tokio (default: one per core)

GET / returns a test page; /ws is the WebSocket.";

/// The parsed command line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) address: String,
    /// `None` for http and ws.
    pub(crate) tls: Option<Certificate>,
    /// HTTP/2 without TLS.
    pub(crate) h2c: bool,
    pub(crate) any_origin: bool,
    pub(crate) max_message_len: u64,
    pub(crate) keep_alive: (Duration, Option<Duration>),
    /// `None` for no compression.
    pub(crate) compression: Option<Compression>,
    pub(crate) parts: bool,
    pub(crate) blocking: bool,
    pub(crate) threads: Option<usize>,
}

/// The source of the certificate of the server, and of its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Certificate {
    /// The names of two files in PEM format.
    Files { cert: String, key: String },
    /// Made at the start of the app.
    ThrowAway,
}

impl Certificate {
    /// Parses the options: `--tls`, or `--cert` and `--key`.
    fn parse(
        tls: bool,
        cert: Option<String>,
        key: Option<String>,
    ) -> Result<Option<Self>, &'static str> {
        match (cert, key) {
            (None, None) => Ok(tls.then_some(Self::ThrowAway)),
            _ if tls => Err("--tls makes a certificate: omit it, or --cert and --key"),
            (Some(cert), Some(key)) => Ok(Some(Self::Files { cert, key })),
            (Some(_), None) => Err("--cert needs --key too"),
            (None, Some(_)) => Err("--key needs --cert too"),
        }
    }
}

impl fmt::Display for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Files { cert, key } => {
                write!(f, "the certificate of {cert} with the key of {key}")
            }
            Self::ThrowAway => f.write_str("the throw-away certificate"),
        }
    }
}

/// The settings of compression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Compression {
    /// The maximum windows of the server and of the client, in bits; `None` for the defaults.
    pub(crate) windows: Option<(u8, u8)>,
    /// Context takeover: a message may refer to earlier messages.
    pub(crate) context_takeover: bool,
}

impl Options {
    /// Parses the arguments after the name of the program. An error describes the correction.
    pub(crate) fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let mut options = Self {
            address: "127.0.0.1:9001".into(),
            tls: None,
            h2c: false,
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
        let (mut tls, mut cert, mut key) = (false, None, None);
        let mut no_context_takeover = false;
        while let Some(argument) = arguments.next() {
            let mut value = |kind: &str| {
                arguments.next().ok_or_else(|| format!("{argument} needs a value: {kind}"))
            };
            match argument.as_str() {
                "--tls" => tls = true,
                "--cert" => cert = Some(value("a PEM file")?),
                "--key" => key = Some(value("a PEM file")?),
                "--h2c" => options.h2c = true,
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
                option if option.starts_with('-') => {
                    return Err(format!("unknown option {option}"));
                }
                other if address.is_some() => {
                    return Err(format!("more than one address: {other}"));
                }
                other => address = Some(other.to_owned()),
            }
        }
        options.tls = Certificate::parse(tls, cert, key)?;
        if options.blocking && options.tls.is_some() {
            return Err(
                "TLS is not supported with --blocking: omit it, or the options of TLS".into()
            );
        }
        if options.blocking && options.h2c {
            return Err("HTTP/2 is not supported with --blocking: omit it, or --h2c".into());
        }
        if options.tls.is_some() && options.h2c {
            return Err("--h2c is HTTP/2 without TLS: omit it, or the options of TLS, with which \
                        HTTP/2 needs no option"
                .into());
        }
        if options.blocking && options.threads.is_some() {
            return Err("--threads has no effect with --blocking: omit one of them".into());
        }
        if options.threads == Some(0) {
            return Err("--threads must be at least 1".into());
        }
        if no_context_takeover {
            let Some(compression) = &mut options.compression else {
                return Err("--no-context-takeover has no effect with --deflate off: omit \
                            one of them"
                    .into());
            };
            compression.context_takeover = false;
        }
        options.address = address.unwrap_or(options.address);
        Ok(options)
    }
}

fn number<N: core::str::FromStr>(option: &str, text: &str) -> Result<N, String> {
    text.parse().map_err(|_| format!("{option} needs a number, not {text:?}"))
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
        _ => Err(format!("--deflate needs on, off, or windows of 9 to 15 bits, not {text:?}")),
    }
}

/// RFC 7692 permits 8 bits, but many peers do not support them.
const MIN_WINDOW_BITS: u8 = 9;
const MAX_WINDOW_BITS: u8 = 15;

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options, String> {
        Options::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn options_are_parsed() {
        let options =
            parse("[::1]:80 --parts --h2c --keep-alive 5,7 --max-message 9 --threads 3").unwrap();
        assert_eq!(options.address, "[::1]:80");
        assert_eq!(options.keep_alive, (Duration::from_secs(5), Some(Duration::from_secs(7))));
        assert_eq!((options.max_message_len, options.threads, options.parts), (9, Some(3), true));
        assert!(options.h2c);
        let defaults = parse("").unwrap();
        assert_eq!((&*defaults.address, defaults.h2c), ("127.0.0.1:9001", false));
    }

    #[test]
    fn options_of_compression_are_parsed() {
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
    fn options_of_tls_are_parsed() {
        let files = Certificate::Files { cert: "a.pem".into(), key: "b.pem".into() };
        for (line, tls) in [
            ("", None),
            ("--tls", Some(Certificate::ThrowAway)),
            ("--key b.pem --cert a.pem", Some(files)),
        ] {
            assert_eq!(parse(line).unwrap().tls, tls, "{line}");
        }
    }

    #[test]
    fn invalid_options_are_refused_with_a_message() {
        for (line, message) in [
            ("--deflate", "--deflate needs a value: on, off, or 9 to 15 bits"),
            ("--deflate 8", "--deflate needs on, off, or windows of 9 to 15 bits, not \"8\""),
            ("--deflate 9,16", "--deflate needs on, off, or windows of 9 to 15 bits, not \"16\""),
            ("--deflate 9,", "--deflate needs on, off, or windows of 9 to 15 bits, not \"\""),
            (
                "--no-context-takeover --deflate off",
                "--no-context-takeover has no effect with --deflate off: omit one of them",
            ),
            ("--cert a.pem", "--cert needs --key too"),
            ("--key b.pem", "--key needs --cert too"),
            ("--key", "--key needs a value: a PEM file"),
            ("--tls --key b.pem", "--tls makes a certificate: omit it, or --cert and --key"),
            (
                "--tls --cert a.pem --key b.pem",
                "--tls makes a certificate: omit it, or --cert and --key",
            ),
            (
                "--tls --blocking",
                "TLS is not supported with --blocking: omit it, or the options of TLS",
            ),
            ("--h2c --blocking", "HTTP/2 is not supported with --blocking: omit it, or --h2c"),
            (
                "--h2c --tls",
                "--h2c is HTTP/2 without TLS: omit it, or the options of TLS, with which HTTP/2 \
                 needs no option",
            ),
            ("--max-message x", "--max-message needs a number, not \"x\""),
            ("--max-message", "--max-message needs a value: bytes"),
            ("--unknown", "unknown option --unknown"),
            ("a b", "more than one address: b"),
            ("--blocking --threads 2", "--threads has no effect with --blocking: omit one of them"),
            ("--threads 0", "--threads must be at least 1"),
        ] {
            assert_eq!(parse(line).unwrap_err(), message);
        }
    }
}
