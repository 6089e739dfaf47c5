//! Requests of a client, and the responses that it checks.

use bytes::BytesMut;
use http::{Request, Response, Version};
use sansocket::deflate::Deflate;
use sansocket::error::SendError;
use sansocket::handshake::{ClientHandshake, HandshakeError};
use sansocket::http::{Handshake, accept};
use sansocket::{AcceptOptions, Config, ConnectRequest, Entropy, Instant, Role};

const NOW: Instant = Instant::from_micros(0);

fn config() -> Config {
    Config::client(Entropy::os()).build().unwrap()
}

fn connect_request() -> ConnectRequest {
    ConnectRequest::new("wss://example.com:8443/chat?room=1")
        .unwrap()
        .origin("https://example.com:8443")
        .unwrap()
        .subprotocols(["v2", "v1"])
        .unwrap()
        .deflate(Deflate::default())
        .field("Authorization", "Bearer 1")
        .unwrap()
        .field("Cookie", b"a=\xff")
        .unwrap()
        .field("Cookie", "b")
        .unwrap()
}

fn handshakes(request: &ConnectRequest) -> [Handshake; 2] {
    [
        Handshake::upgrade(request, &config()).unwrap(),
        Handshake::extended_connect(request, &config()).unwrap(),
    ]
}

#[test]
fn hc2_the_request_has_the_lines_of_our_own_client() {
    let mut out = BytesMut::new();
    drop(ClientHandshake::new(&connect_request(), &config(), NOW, &mut out).unwrap());
    let request = Handshake::upgrade(&connect_request(), &config()).unwrap().to_request().unwrap();
    let mut lines = vec![format!("{} {} HTTP/1.1", request.method(), request.uri()).into_bytes()];
    for (name, value) in request.headers() {
        lines.push([name.as_str().as_bytes(), b": ", value.as_bytes()].concat());
    }
    // Everything except the key, which is random, and the case of names.
    let forms = |line: &[u8]| {
        let (name, value) = line.split_at(line.iter().position(|&b| b == b':').unwrap_or(0));
        let name = name.to_ascii_lowercase();
        let value = if name == b"sec-websocket-key" { b"" } else { value };
        [&name, value].concat()
    };
    let lines: Vec<Vec<u8>> = lines.iter().map(|line| forms(line)).collect();
    let own: Vec<Vec<u8>> = out[..]
        .split(|&byte| byte == b'\n')
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
        .filter(|line| !line.is_empty())
        .map(forms)
        .collect();
    assert_eq!(lines, own);
}

#[test]
fn e2_e4_the_extended_connect_has_pseudo_headers_in_its_uri() {
    let handshake = Handshake::extended_connect(&connect_request(), &config()).unwrap();
    assert_eq!(handshake.protocol(), Some("websocket"));
    let request = handshake.to_request().unwrap();
    assert_eq!((request.method().as_str(), request.version()), ("CONNECT", Version::HTTP_2));
    assert_eq!(request.uri(), "https://example.com:8443/chat?room=1");
    for name in ["Host", "Upgrade", "Connection", "Sec-WebSocket-Key"] {
        assert!(!request.headers().contains_key(name), "{name}");
    }
    assert_eq!(request.headers()["Sec-WebSocket-Version"], "13");
    assert_eq!(request.headers()["Sec-WebSocket-Protocol"], "v2, v1");
    assert_eq!(request.headers().get_all("Cookie").iter().count(), 2);
}

/// A server on `accept` opens the request of a client on `Handshake`.
#[test]
fn e5_hc6_our_server_opens_the_connection() {
    let options = AcceptOptions::new().subprotocols(["v1"]).unwrap().deflate(Deflate::default());
    for handshake in handshakes(&connect_request()) {
        let request = handshake.to_request().unwrap();
        let accepted = accept(&request, handshake.protocol(), &options).unwrap();
        let response = Response::from(&accepted);
        let (connection, response) = handshake.receive_response(&response, NOW).unwrap();
        assert_eq!((connection.role(), connection.is_open()), (Role::Client, true));
        assert_eq!(response.subprotocol(), Some("v1"));
        assert!(response.deflate().is_some());
        assert_eq!(response.negotiated(), accepted.negotiated());
    }
}

fn response_result(
    handshake: &Handshake,
    change: impl FnOnce(&mut Response<()>),
) -> Result<(), HandshakeError> {
    let request: Request<()> = handshake.to_request().unwrap();
    let accepted = accept(&request, handshake.protocol(), &AcceptOptions::new()).unwrap();
    let mut response = Response::from(&accepted);
    change(&mut response);
    handshake.receive_response(&response, NOW).map(|_| ())
}

#[test]
fn hc5_hc6_hc7_wrong_responses_are_typed_errors() {
    let [upgrade, connect] = handshakes(&connect_request());
    let set = |name: &'static str, value: &'static str| {
        move |response: &mut Response<()>| {
            response.headers_mut().insert(name, value.parse().unwrap());
        }
    };
    let error = response_result(&upgrade, set("Sec-WebSocket-Accept", "AAAA")).unwrap_err();
    assert!(matches!(error, HandshakeError::BadAccept(_)), "{error}");
    let error = response_result(&upgrade, set("Upgrade", "h2c")).unwrap_err();
    assert!(matches!(error, HandshakeError::BadUpgrade(_)), "{error}");
    let error = response_result(&upgrade, set("Connection", "close")).unwrap_err();
    assert!(matches!(error, HandshakeError::BadConnection(_)), "{error}");
    let error = response_result(&connect, set("Upgrade", "websocket")).unwrap_err();
    assert!(matches!(error, HandshakeError::ForbiddenField("Upgrade", _)), "{error}");
    let error = response_result(&upgrade, |response| *response.version_mut() = Version::HTTP_10);
    assert!(matches!(error, Err(HandshakeError::BadHead(_))), "{error:?}");
    for handshake in [&upgrade, &connect] {
        response_result(handshake, |_| {}).unwrap();
        let error = response_result(handshake, set("Sec-WebSocket-Protocol", "v3")).unwrap_err();
        assert!(matches!(error, HandshakeError::UnofferedSubprotocol(_)), "{error}");
        for status in [302, 401, 500] {
            let error = response_result(handshake, |response| {
                *response.status_mut() = status.try_into().unwrap();
                response.headers_mut().insert("Location", "/".parse().unwrap());
            });
            let Err(HandshakeError::Status(response)) = error else { panic!("{error:?}") };
            assert_eq!(
                (response.status(), response.fields().get("location")),
                (status, Some(&b"/"[..]))
            );
        }
    }
    // The success of the other version.
    let error =
        response_result(&upgrade, |response| *response.status_mut() = 200.try_into().unwrap());
    assert!(matches!(error, Err(HandshakeError::Status(_))), "{error:?}");
    let error =
        response_result(&connect, |response| *response.status_mut() = 101.try_into().unwrap());
    assert!(matches!(error, Err(HandshakeError::Status(_))), "{error:?}");
}

#[test]
fn hc2_a_servers_config_has_no_entropy_and_keys_are_fresh() {
    let server = Config::server().build().unwrap();
    let request = connect_request();
    assert_eq!(Handshake::upgrade(&request, &server).unwrap_err(), SendError::Entropy);
    assert_eq!(Handshake::extended_connect(&request, &server).unwrap_err(), SendError::Entropy);
    let key = || {
        let request = Handshake::upgrade(&request, &config()).unwrap().to_request().unwrap();
        request.headers()["Sec-WebSocket-Key"].clone()
    };
    assert_ne!(key(), key());
}

/// `http::Uri` accepts fewer characters than a URL of this crate: an error, not a panic.
#[test]
fn a_url_that_http_rejects_is_an_error() {
    let mut refused = 0;
    for character in 0x21..0x7f_u8 {
        let character = char::from(character);
        let Ok(request) = ConnectRequest::new(&format!("ws://a/x{character}y")) else { continue };
        for handshake in handshakes(&request) {
            match handshake.to_request() {
                Ok(made) => {
                    assert_eq!(made.uri().path_and_query().unwrap().as_str(), request.target());
                }
                Err(_) => refused += 1,
            }
        }
    }
    assert_eq!(refused, 0, "characters of ConnectRequest that http::Uri refuses");
}
