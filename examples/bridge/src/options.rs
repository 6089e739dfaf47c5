//! The command line.

use core::time::Duration;
use std::ffi::OsString;

/// The text of `--help`.
pub const USAGE: &str = "\
usage: bridge LISTEN TARGET [OPTIONS]

  LISTEN               the address to listen on, for example 127.0.0.1:8080: clients use HTTP/1.1
                       or HTTP/2 (with prior knowledge), both on this port
  TARGET               ws://HOST[:PORT]   the target uses HTTP/1.1
                       h2c://HOST[:PORT]  the target uses HTTP/2 (with prior knowledge); all
                                          WebSockets share one session
  --timeout SECONDS    time for the opening handshake with the client, and again with the
                       target (default 10)
  --keep-alive SECONDS time after which a silent peer is probed (PING of HTTP/2, keep-alive of
                       TCP); without an answer for as long again it is lost. On Linux a TCP peer
                       that reads nothing for four times as long is lost, too (default 30)

Forwards WebSockets, and translates their opening handshakes: GET with Upgrade (HTTP/1.1) is CONNECT
with :protocol websocket (HTTP/2, RFC 8441). Path, host and end-to-end fields pass unchanged, with a
Via field. The data pass byte for byte, with any extension. FIN becomes END_STREAM, and a reset a
reset. A refusal of the target passes with its body; one of more than 64 KiB is left out. The bridge
itself answers

  400, 405, 426, 431   an invalid request
  408                  a request that is not complete in time
  501                  a request that is not for a WebSocket: the bridge forwards no others
  502                  the target is unreachable or violates a rule
  504                  the target does not answer in time
  508                  a request that has passed 16 proxies

TLS is the task of other programs: use the bridge on the loopback or in a trusted network. The exit
status is 1 after a failure, 2 after a wrong argument.";

/// The parsed command line.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Options {
    /// The address to listen on.
    pub listen: String,
    /// The server of the WebSockets.
    pub target: Target,
    /// The time for an opening handshake, with the client and again with the target.
    pub timeout: Duration,
    /// The time after which a silent peer is probed, and the time for its answer.
    pub keep_alive: Duration,
}

/// The server of the WebSockets.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Target {
    /// HTTP/2 instead of HTTP/1.1.
    pub is_http2: bool,
    /// A name or an address, without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl Options {
    /// Parses the arguments after the name of the program.
    ///
    /// # Errors
    /// A text that describes the correction.
    pub fn parse(arguments: impl IntoIterator<Item = impl Into<OsString>>) -> Result<Self, String> {
        let mut arguments = arguments.into_iter().map(|argument| {
            let argument = argument.into().into_string();
            argument.map_err(|argument| format!("the argument {argument:?} is not UTF-8"))
        });
        let (mut listen, mut target) = (None, None);
        let (mut timeout, mut keep_alive) = (Duration::from_secs(10), Duration::from_secs(30));
        while let Some(argument) = arguments.next().transpose()? {
            let mut seconds = || {
                let value = arguments.next().transpose()?;
                let seconds = value.and_then(|value| value.parse().ok()).filter(|&value| value > 0);
                let wrong = || format!("{argument} needs a value: seconds, at least 1");
                seconds.map(|value: u32| Duration::from_secs(value.into())).ok_or_else(wrong)
            };
            match argument.as_str() {
                "--timeout" => timeout = seconds()?,
                "--keep-alive" => keep_alive = seconds()?,
                option if option.starts_with('-') => {
                    return Err(format!("unknown option {option:?}"));
                }
                _ if listen.is_none() => listen = Some(argument),
                _ if target.is_none() => target = Some(Target::parse(&argument)?),
                other => return Err(format!("more than two arguments: {other:?}")),
            }
        }
        let listen = listen.ok_or("no LISTEN")?;
        let target = target.ok_or("no TARGET")?;
        Ok(Self { listen, target, timeout, keep_alive })
    }
}

impl Target {
    /// Parses `ws://HOST[:PORT]` or `h2c://HOST[:PORT]`. The default port is 80.
    ///
    /// # Errors
    /// A text that describes the correction.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = |problem: &str| {
            format!("TARGET {text:?} {problem}: use ws://HOST[:PORT] or h2c://HOST[:PORT]")
        };
        let (is_http2, authority) = match text.split_once("://") {
            Some(("ws", rest)) => (false, rest),
            Some(("h2c", rest)) => (true, rest),
            Some(("wss" | "https", _)) => return Err(wrong("needs TLS, which the bridge lacks")),
            _ => return Err(wrong("has another scheme")),
        };
        let authority = authority.strip_suffix('/').unwrap_or(authority);
        let parsed: Result<http::uri::Authority, _> = authority.parse();
        match parsed {
            Ok(parsed) if !authority.contains('@') => {
                let host = parsed.host().trim_start_matches('[').trim_end_matches(']');
                let port = match parsed.port() {
                    None if authority.len() > parsed.host().len() => {
                        return Err(wrong("has no valid port"));
                    }
                    None => 80,
                    Some(port) => port.as_u16(),
                };
                if host.is_empty() || port == 0 {
                    return Err(wrong("has no host or port"));
                }
                Ok(Self { is_http2, host: host.to_owned(), port })
            }
            Ok(_) => Err(wrong("has a user")),
            Err(_) if authority.contains('/') => Err(wrong("has a path, and paths pass unchanged")),
            Err(_) => Err(wrong("has no valid host and port")),
        }
    }
}
