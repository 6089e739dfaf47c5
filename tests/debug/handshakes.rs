//! Heads, requests, responses and errors of the handshakes.

use core::fmt::Debug;

use bytes::BytesMut;
use sansocket::handshake::{
    ClientHandshake, ExtendedConnect, Fields, HandshakeError, HttpResponse, HttpVersion, Refusal,
    RequestHead, ServerHandshake,
};
use sansocket::{AcceptOptions, Config, ConnectRequest, Input};

use crate::common::at_ms;
use crate::common::head::{Lines, client_config, client_for, read_head, receive_chunks};
use crate::common::shown::note_type;

/// The text at every position where a program may have a credential.
pub(crate) const SECRET: &str = "hunter2";

/// Checks both forms, and returns the short one.
#[track_caller]
pub(crate) fn shown(value: &impl Debug) -> String {
    note_type(value);
    let (short, long) = (format!("{value:?}"), format!("{value:#?}"));
    for text in [&short, &long] {
        assert!(text.len() > 5 && !text.contains(SECRET), "{text}");
        // Nor as numbers.
        assert!(!text.contains("104, 117, 110"), "{text}");
    }
    short
}

fn request_lines() -> Lines {
    Lines::request()
        .first(&format!("GET http://u:{SECRET}@a/chat?token={SECRET} HTTP/1.1"))
        .with("Authorization", &format!("Bearer {SECRET}"))
        .with("Cookie", &format!("session={SECRET}"))
        .with("Origin", &format!("https://{SECRET}.example"))
        .with("Sec-WebSocket-Protocol", &format!("chat, token.{SECRET}"))
        .with("Sec-WebSocket-Extensions", SECRET)
}

/// The request above without the userinfo, which no valid one has.
pub(crate) fn valid_lines() -> Lines {
    request_lines().first(&format!("GET /chat?token={SECRET} HTTP/1.1"))
}

#[test]
pub(crate) fn heads_show_paths_names_and_lengths() {
    let config = Config::server().build().unwrap();
    for lines in [request_lines(), valid_lines()] {
        let (head, _) = read_head(&[&lines.bytes()], &config);
        let head = head.unwrap().unwrap();
        let fields = head.fields();
        for text in [
            shown(&head),
            shown(&head.as_head()),
            shown(&head.as_head().into_owned()),
            shown(&fields),
            shown(&fields.iter()),
        ] {
            assert!(text.contains("\"Authorization\": 14 bytes"), "{text}");
        }
        let text = shown(&head);
        assert!(text.contains("GET") && text.contains("\"/chat\"") && text.contains("13 bytes"));
    }
    // Targets that are no paths.
    for target in [&format!("u:{SECRET}@a:80"), SECRET, ""] {
        shown(&RequestHead::new("CONNECT", target, Fields::new(&[])));
    }
    let pairs = [("authorization", SECRET.as_bytes())];
    let authority = format!("u:{SECRET}@a");
    let path = format!("/x?{SECRET}");
    let fields = Fields::new(&pairs);
    let head = RequestHead::extended_connect("websocket", "https", &authority, &path, fields);
    assert!(shown(&head).contains("\"authorization\": 7 bytes"));
    shown(&head.into_owned());
}

#[test]
pub(crate) fn requests_and_responses_of_a_server_show_names_and_lengths() {
    let config = Config::server().build().unwrap();
    let (head, _) = read_head(&[&valid_lines().bytes()], &config);
    let head = head.unwrap().unwrap();
    let request = head.upgrade().unwrap();
    shown(&request);
    shown(&request.into_owned());
    shown(&head.clone().into_upgrade().unwrap());
    // A 403, whose body names the origin.
    let refusal = request.accept(&AcceptOptions::new()).unwrap_err();
    assert!(refusal.to_string().contains(SECRET), "for people: {refusal}");
    shown(&refusal);

    let options = AcceptOptions::new()
        .origins(sansocket::handshake::OriginPolicy::Any)
        .subprotocols(["chat"])
        .unwrap()
        .field("Set-Cookie", SECRET)
        .unwrap();
    assert!(shown(&options).contains("\"Set-Cookie\": 7 bytes"));
    let accepted = request.accept(&options).unwrap().with_field("X-Token", SECRET).unwrap();
    let text = shown(&accepted);
    assert!(text.contains("\"Set-Cookie\", 7 bytes") && text.contains("X-Token"), "{text}");

    let refusal = Refusal::new(401)
        .unwrap()
        .with_field("WWW-Authenticate", SECRET)
        .unwrap()
        .with_body("text/plain", SECRET)
        .unwrap();
    assert!(shown(&refusal).contains("401"));
    shown(&refusal.with_version(HttpVersion::Http2));
    let page = HttpResponse::new(200).unwrap().with_field("Set-Cookie", SECRET).unwrap();
    let page = page.with_body("text/html", SECRET).unwrap();
    let text = shown(&page);
    assert!(text.contains("200") && text.contains("body: 7 bytes"), "{text}");
}

#[test]
pub(crate) fn unfinished_handshakes_show_lengths() {
    let config = Config::server().build().unwrap();
    let bytes = request_lines().bytes();
    for len in 0..=bytes.len() {
        let mut handshake = ServerHandshake::new(&config, at_ms(0));
        let mut chunk = bytes[..len].to_vec();
        let _ = handshake.receive(&mut Input::new(at_ms(0), &mut chunk));
        shown(&handshake);
        // And after it has failed.
        let _ = handshake.receive(&mut Input::new(at_ms(0), &mut [0]));
        shown(&handshake);
    }
}

pub(crate) fn client_request() -> ConnectRequest {
    ConnectRequest::new(&format!("wss://a.example/chat?token={SECRET}"))
        .unwrap()
        .origin(&format!("https://{SECRET}.example"))
        .unwrap()
        .subprotocols(["chat", "token.hunter2"])
        .unwrap()
        .field("Authorization", SECRET)
        .unwrap()
}

#[test]
pub(crate) fn a_clients_request_shows_its_host_and_path() {
    let request = client_request();
    let text = shown(&request);
    assert!(text.contains("a.example") && text.contains("\"/chat\""), "{text}");
    assert!(text.contains("\"Authorization\": 7 bytes"), "{text}");
    let extended = ExtendedConnect::new(&request, &client_config()).unwrap();
    shown(&extended);
    let mut out = BytesMut::new();
    shown(&ClientHandshake::new(&request, &client_config(), at_ms(0), &mut out).unwrap());
}

#[test]
pub(crate) fn responses_and_errors_of_a_client_show_lengths_in_debug_and_values_in_display() {
    let request = client_request();
    let (_, accept) = client_for(&request, &client_config());
    let right = Lines::response(&accept).first("HTTP/1.1 101 hunter2").with("Set-Cookie", SECRET);
    let bytes = right.bytes();
    for len in 0..bytes.len() {
        let (mut handshake, _) = client_for(&request, &client_config());
        let mut chunk = bytes[..len].to_vec();
        let _ = handshake.receive(&mut Input::new(at_ms(0), &mut chunk));
        shown(&handshake);
    }
    let opened = right.clone().with("Sec-WebSocket-Protocol", "token.hunter2");
    let response = receive_chunks(client_for(&request, &client_config()).0, &[&opened.bytes()]).0;
    let response = response.unwrap().unwrap();
    assert_eq!(response.subprotocol(), Some("token.hunter2"));
    assert!(shown(&response).contains("\"Set-Cookie\": 7 bytes"));

    for (lines, is_told) in [
        (right.clone().first("HTTP/1.1 401 hunter2").with("Content-Length", "7"), true),
        (right.clone().set("Sec-WebSocket-Accept", SECRET), true),
        (right.clone().set("Upgrade", SECRET), true),
        (right.clone().set("Connection", SECRET), true),
        (right.clone().with("Sec-WebSocket-Protocol", SECRET), true),
        (right.clone().with("Sec-WebSocket-Extensions", SECRET), true),
        (right.clone().with("Upgrade", SECRET), true),
        (right.first("hunter2"), false),
    ] {
        let (mut handshake, _) = client_for(&request, &client_config());
        let mut bytes = [&lines.bytes()[..], SECRET.as_bytes()].concat();
        let error = handshake.receive(&mut Input::new(at_ms(0), &mut bytes)).unwrap_err();
        shown(&error);
        shown(&handshake);
        assert_eq!(error.to_string().contains(SECRET), is_told, "{error}");
        if let Some(response) = error.response() {
            shown(response);
        }
        if let HandshakeError::BadAccept(error) = &error {
            shown(&**error);
        }
        if let HandshakeError::UnofferedSubprotocol(error) = &error {
            shown(&**error);
        }
    }
    let extended = ExtendedConnect::new(&request, &client_config()).unwrap();
    for (status, name) in [(401, "x-token"), (200, "connection"), (200, "sec-websocket-protocol")] {
        let fields = [(name, SECRET.as_bytes())];
        let error = extended.receive_response(status, Fields::new(&fields), at_ms(0)).unwrap_err();
        shown(&error);
    }
}
