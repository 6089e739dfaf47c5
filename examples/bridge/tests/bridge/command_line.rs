//! The arguments.

use std::time::Duration;

use bridge::{Options, Target};

#[test]
fn targets() {
    for (text, is_http2, host, port) in [
        ("ws://127.0.0.1:9001", false, "127.0.0.1", 9001),
        ("h2c://server.example", true, "server.example", 80),
        ("ws://[::1]:8080/", false, "::1", 8080),
    ] {
        let target = Target::parse(text).unwrap();
        assert_eq!((target.is_http2, &*target.host, target.port), (is_http2, host, port));
    }
    for (text, problem) in [
        ("127.0.0.1:9001", "has another scheme"),
        ("http://a", "has another scheme"),
        ("wss://a", "needs TLS"),
        ("ws://", "has no valid host"),
        ("ws://:80", "has no host"),
        ("ws://a:", "has no valid port"),
        ("ws://a:0", "has no host or port"),
        ("ws://a:99999", "has no valid port"),
        ("ws://user@a", "has a user"),
        ("ws://a/path", "has a path"),
        ("ws://a b", "has no valid host"),
    ] {
        let error = Target::parse(text).unwrap_err();
        assert!(error.contains(problem), "{text}: {error}");
    }
}

#[test]
fn arguments() {
    let options = Options::parse(["127.0.0.1:0", "--timeout", "3", "ws://a"]).unwrap();
    assert_eq!((&*options.listen, options.timeout), ("127.0.0.1:0", Duration::from_secs(3)));
    assert_eq!(options.keep_alive, Duration::from_secs(30));
    for (arguments, problem) in [
        (&[][..], "no LISTEN"),
        (&["a:1"], "no TARGET"),
        (&["a:1", "ws://a", "b"], "more than two"),
        (&["a:1", "ws://a", "--tls"], "unknown option"),
        (&["a:1", "ws://a", "--timeout"], "needs a value"),
        (&["a:1", "ws://a", "--timeout", "0"], "needs a value"),
    ] {
        let error = Options::parse(arguments).unwrap_err();
        assert!(error.contains(problem), "{arguments:?}: {error}");
    }
}
