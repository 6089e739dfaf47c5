//! A proxy's handshake that gets any bytes: no panic, no growth past a limit, and the same outcome,
//! output and rest however the input is cut. Shared by the fuzz target and the replay of its seeds.
//!
//! The first byte of the data chooses protocol and settings, the second how the input is cut, the rest
//! is the proxy's.

use bytes::BytesMut;
use sansocket::error::EntropyError;
use sansocket::handshake::proxy::{Proxy, ProxyError, ProxyHandshake};
use sansocket::{Config, ConnectRequest, Entropy, Input, Instant};

const NOW: Instant = Instant::from_micros(0);

/// Checks the result of `data`.
pub(crate) fn check(data: &[u8]) {
    let [choice, seed, stream @ ..] = data else { return };
    let whole = run(*choice, stream, || usize::MAX);
    assert_eq!(whole, run(*choice, stream, || 1), "cut into single bytes");
    let mut state = u32::from(*seed) | 1;
    let random = run(*choice, stream, || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as usize % 40 + 1
    });
    assert_eq!(whole, random, "cut at random");
}

/// Returns the outcome, the output, and the number of bytes taken.
fn run(choice: u8, stream: &[u8], mut cut: impl FnMut() -> usize) -> (String, Vec<u8>, usize) {
    let max_body_len = if choice & 4 == 0 { 64 << 10 } else { 10 };
    let config = Config::client(Entropy::from_fn(not_random))
        .max_head_len(if choice & 8 == 0 { 16 << 10 } else { 100 })
        .max_refusal_body_len(max_body_len)
        .build()
        .expect("the settings are good");
    let request = ConnectRequest::new("wss://example.com/chat").expect("a good URL");
    let proxy = match choice & 1 {
        0 => Proxy::http("proxy.example"),
        _ => Proxy::socks5("proxy.example"),
    };
    let proxy = proxy.expect("a good URL");
    let proxy = match choice & 2 {
        0 => proxy,
        _ => proxy.credentials("user", "secret").expect("good credentials"),
    };
    let server = proxy.server(&request).expect("all hosts");
    let mut out = BytesMut::new();
    let mut handshake =
        ProxyHandshake::new(server, &request, &config, NOW, &mut out).expect("a short host");
    let text = |error: &ProxyError| {
        let body = error.response().map(|response| {
            assert!(response.body().len() <= max_body_len, "a body beyond its limit");
            (response.body().to_vec(), response.body_end())
        });
        format!("{error} {body:?}")
    };
    let mut at = 0;
    while at < stream.len() {
        let len = cut().min(stream.len() - at);
        let mut fragment = stream[at..at + len].to_vec();
        let mut input = Input::new(NOW, &mut fragment);
        let received = handshake.receive(&mut input, &mut out);
        at += len - input.len();
        assert!(out.len() < 600, "output without end");
        match received {
            Ok(false) => assert!(input.is_empty(), "more bytes are needed, and some are left"),
            Ok(true) => {
                assert!(handshake.receive_eof().is_ok() && handshake.poll_timeout().is_none());
                return ("open".to_owned(), out.to_vec(), at);
            }
            Err(error) => {
                let again = handshake.receive_eof().expect_err("it has failed");
                assert_eq!(text(&again), text(&error), "the first error stays");
                return (text(&error), out.to_vec(), at);
            }
        }
    }
    let ended = match choice >> 4 & 3 {
        0 | 1 => handshake.receive_eof(),
        2 => handshake.failed(),
        _ => handshake.handle_timeout(Instant::from_micros(u64::MAX)),
    };
    assert_eq!(handshake.poll_timeout(), None);
    let error = ended.expect_err("the tunnel is not open");
    (text(&error), out.to_vec(), at)
}

/// Nothing of it is sent to a proxy.
fn not_random(bytes: &mut [u8]) -> Result<(), EntropyError> {
    bytes.fill(0x5a);
    Ok(())
}
