//! The command line.

use core::error::Error;
use core::time::Duration;
use std::ffi::OsString;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use sansocket::ConnectRequest;
use sansocket::handshake::proxy::{Proxy, ProxyUrlError};

/// The text of `--help`.
pub(crate) const USAGE: &str = "\
usage: client URL [OPTIONS]

  URL                  ws://HOST[:PORT][/PATH] or wss://HOST[:PORT][/PATH]
  --proxy URL|env      connect through a proxy: http://[USER:PASSWORD@]HOST[:PORT] by CONNECT,
                       socks5://[USER:PASSWORD@]HOST[:PORT] by SOCKS5, or the one of the
                       environment variables HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY
  --ca PEM             a file of certificates: the only roots for wss://, in place of those of
                       the system
  --http2              prefer HTTP/2 for wss://, and print the version of HTTP on stderr
  --timeout SECONDS    time to connect, from name resolution to opening handshake (default 10)

Sends each line of stdin as a text message, and prints the messages of the server. At the end of
stdin it closes the connection. The exit status is 1 after a failure, 2 after a wrong argument.";

/// The parsed command line.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) request: ConnectRequest,
    pub(crate) proxy: Option<Proxy>,
    /// `None` for the roots of the system.
    pub(crate) tls: Option<Arc<ClientConfig>>,
    pub(crate) http2: bool,
    /// `None` for the default.
    pub(crate) timeout: Option<Duration>,
}

impl Options {
    /// Parses the arguments after the name of the program. An error describes the correction.
    pub(crate) fn parse(
        arguments: impl IntoIterator<Item = impl Into<OsString>>,
    ) -> Result<Self, String> {
        let mut arguments = arguments.into_iter().map(|argument| {
            let argument = argument.into().into_string();
            argument.map_err(|argument| format!("the argument {argument:?} is not UTF-8"))
        });
        let (mut url, mut proxy, mut tls, mut timeout) = (None, None, None, None);
        let mut http2 = false;
        while let Some(argument) = arguments.next().transpose()? {
            let mut value = |kind: &str| {
                let value = arguments.next().transpose()?;
                value.ok_or_else(|| format!("{argument} needs a value: {kind}"))
            };
            match argument.as_str() {
                "--proxy" => proxy = Some(parse_proxy(&value("a URL, or env")?)?),
                "--ca" => tls = Some(read_roots(&value("a file")?)?),
                "--http2" => http2 = true,
                "--timeout" => timeout = Some(parse_timeout(&value("seconds")?)?),
                option if option.starts_with('-') => {
                    return Err(format!("unknown option {option:?}"));
                }
                other if url.is_some() => return Err(format!("more than one URL: {other:?}")),
                _ => url = Some(argument),
            }
        }
        let url = url.ok_or("no URL")?;
        let request = ConnectRequest::new(&url).map_err(|error| error.to_string())?;
        if tls.is_some() && !request.is_secure() {
            return Err("--ca has no effect with ws://: use wss://, or omit it".into());
        }
        if http2 && !request.is_secure() {
            return Err("--http2 has no effect with ws://: use wss://, or omit it".into());
        }
        Ok(Self { request, proxy, tls, http2, timeout })
    }
}

/// The errors don't have the URL, which can contain a password.
fn parse_proxy(text: &str) -> Result<Proxy, String> {
    if text == "env" {
        return Proxy::from_env().map_err(|error| format!("--proxy: {error}"));
    }
    match Proxy::http(text) {
        Err(ProxyUrlError::Scheme) => Proxy::socks5(text),
        parsed => parsed,
    }
    .map_err(|error| format!("--proxy: {error}"))
}

/// Returns a config that trusts only the certificates of the file.
fn read_roots(file: &str) -> Result<Arc<ClientConfig>, String> {
    let failed = |error: &dyn Error| format!("--ca: {file:?}: {error}");
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(file).map_err(|error| failed(&error))? {
        let certificate = certificate.map_err(|error| failed(&error))?;
        roots.add(certificate).map_err(|error| failed(&error))?;
    }
    if roots.is_empty() {
        return Err(format!("--ca: {file:?} has no certificate"));
    }
    let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    Ok(Arc::new(config))
}

fn parse_timeout(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    // Deadlines are counted in microseconds.
    seconds.filter(|timeout| timeout.as_micros() > 0).ok_or_else(|| {
        format!("--timeout needs a number of seconds above 0, such as 2.5, not {text:?}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options, String> {
        Options::parse(line.split_whitespace())
    }

    #[test]
    fn options_are_parsed() {
        let options = parse("--timeout 2.5 ws://[::1]:81/a --proxy http://localhost:3128").unwrap();
        assert_eq!((options.request.host(), options.request.port()), ("::1", 81));
        assert_eq!(options.timeout, Some(Duration::from_millis(2500)));
        let options = parse("ws://example.com").unwrap();
        assert!(options.proxy.is_none() && options.tls.is_none() && options.timeout.is_none());
        assert!(!options.http2 && parse("wss://example.com --http2").unwrap().http2);
    }

    #[test]
    fn the_scheme_of_a_proxy_selects_its_protocol() {
        for (url, expected) in [
            ("http://user:password@localhost:3128", "Http localhost:3128"),
            ("localhost:3128", "Http localhost:3128"),
            ("socks5://user:password@localhost", "Socks5 localhost:1080"),
            ("SOCKS5h://[::1]:1081/", "Socks5 ::1:1081"),
        ] {
            let options = parse(&format!("ws://example.com --proxy {url}")).unwrap();
            let server = options.proxy.as_ref().unwrap().server(&options.request).unwrap();
            let seen = format!("{:?} {}:{}", server.protocol(), server.host(), server.port());
            assert_eq!(seen, expected);
        }
    }

    #[test]
    fn invalid_arguments_are_refused_with_a_message() {
        for (line, message) in [
            ("", "no URL"),
            ("--timeout 1", "no URL"),
            ("ws://a ws://b", "more than one URL: \"ws://b\""),
            ("ws://a --unknown", "unknown option \"--unknown\""),
            ("ws://a --proxy", "--proxy needs a value: a URL, or env"),
            ("ws://a --timeout", "--timeout needs a value: seconds"),
            ("wss://a --ca", "--ca needs a value: a file"),
        ] {
            assert_eq!(parse(line).unwrap_err(), message);
        }
        for (line, part) in [
            ("ftp://a", "the URL doesn't begin with ws:// or wss://"),
            ("ws://a#b", "the URL has a fragment"),
            ("ws://a --http2", "--http2 has no effect with ws://"),
            ("ws://a --proxy https://localhost", "--proxy: the proxy's scheme is not supported"),
            ("ws://a --proxy socks5://user@localhost", "--proxy: the proxy's user or password"),
            ("ws://a --proxy http://localhost:0", "--proxy: the proxy's port is not"),
        ] {
            let message = parse(line).unwrap_err();
            assert!(message.starts_with(part), "{line}: {message}");
        }
    }

    #[test]
    fn a_timeout_is_a_positive_number() {
        for text in ["0", "0.0", "-1", "-0", "NaN", "inf", "1e-9", "1e300", "abc", "1s", "\u{661}"]
        {
            assert_eq!(
                parse(&format!("ws://a --timeout {text}")).unwrap_err(),
                format!("--timeout needs a number of seconds above 0, such as 2.5, not {text:?}")
            );
        }
    }

    #[test]
    fn roots_are_read_from_a_file() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/tls/certificates");
        assert!(parse(&format!("wss://a --ca {folder}/ca.pem")).unwrap().tls.is_some());
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
        for (line, part) in [
            (format!("ws://a --ca {folder}/ca.pem"), "--ca has no effect with ws://"),
            (format!("wss://a --ca {folder}/key.pem"), "key.pem\" has no certificate"),
            (format!("wss://a --ca {source}"), "Cargo.toml\" has no certificate"),
            (format!("wss://a --ca {folder}/none.pem"), "none.pem\": "),
            (format!("wss://a --ca {folder}"), "certificates\": "),
        ] {
            let message = parse(&line).unwrap_err();
            assert!(message.starts_with("--ca") && message.contains(part), "{message}");
        }
    }

    #[test]
    fn a_password_is_not_shown() {
        for url in ["https://user:secret@localhost", "socks5://:secret@localhost"] {
            assert!(!parse(&format!("ws://a --proxy {url}")).unwrap_err().contains("secret"));
        }
    }

    #[cfg(unix)]
    #[test]
    fn an_argument_must_be_utf8() {
        use std::os::unix::ffi::OsStringExt;

        let message = Options::parse([OsString::from_vec(b"ws://\xff".to_vec())]).unwrap_err();
        assert_eq!(message, "the argument \"ws://\\xFF\" is not UTF-8");
    }
}
