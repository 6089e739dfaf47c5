//! Accepting and connecting.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sansocket::blocking::{PendingRequest, WebSocket};
use sansocket::error::{AcceptError, ConnectErrorKind, ConnectStep, PeerError, SendError};
use sansocket::handshake::{HandshakeError, HttpResponse, Refusal};
use sansocket::{AcceptOptions, CloseCode, ConnectRequest, Event, Role};

use crate::blocking::support::*;
use crate::blocking::transports::*;
use crate::common::thread;

const REQUEST: &str = "GET /chat HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\n\r\n";

fn read_head(raw: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        raw.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

#[test]
fn accepts_and_connects() {
    with_timeout(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let serving = thread::spawn(move || {
            let config = preset(Role::Server).build().unwrap();
            let options = AcceptOptions::new().subprotocols(["b"]).unwrap();
            for stream in listener.incoming().take(2) {
                let mut ws = WebSocket::accept(stream.unwrap(), &config, &options).unwrap();
                assert_eq!(ws.subprotocol(), Some("b"));
                echo(&mut ws).unwrap();
            }
        });
        for host in ["127.0.0.1", "localhost"] {
            let request = ConnectRequest::new(&format!("ws://{host}:{port}/chat"))
                .unwrap()
                .subprotocols(["a", "b"])
                .unwrap();
            let config = preset(Role::Client).build().unwrap();
            let (mut ws, response) = WebSocket::connect(&request, &config).unwrap();
            assert_eq!(response.status(), 101);
            assert_eq!(response.fields().get("Sec-WebSocket-Protocol"), Some(&b"b"[..]));
            assert_eq!(ws.subprotocol(), Some("b"));
            assert!(ws.get_ref().as_tcp().unwrap().nodelay().unwrap());
            ws.feed_text("Hello").unwrap();
            assert_eq!(ws.read().unwrap().unwrap().0, Event::Text("Hello"));
            assert!(ws.close(CloseCode::NORMAL, "").unwrap().clean);
        }
        serving.join().unwrap();
    });
}

#[test]
fn v46_frames_in_the_same_packet_as_the_heads_are_the_first_frames() {
    with_timeout(|| {
        let (a, mut raw) = tcp();
        let packet = [REQUEST.as_bytes(), &frame(0x81, b"early"), &frame(0x89, b"!")].concat();
        raw.write_all(&packet).unwrap();
        let serving = thread::spawn(move || {
            let config = preset(Role::Server).build().unwrap();
            echo(&mut WebSocket::accept(a, &config, &AcceptOptions::new()).unwrap())
        });
        assert!(read_head(&mut raw).starts_with("HTTP/1.1 101 "));
        let mut answers = [0; 10];
        raw.read_exact(&mut answers).unwrap();
        assert_eq!(&answers, b"\x81\x05early\x8a\x01!");
        drop(raw);
        assert_protocol(serving.join().unwrap(), PeerError::ClosedWithoutHandshake);

        let (mut raw, b) = tcp();
        let serving = thread::spawn(move || {
            let head = read_head(&mut raw);
            let key = head.lines().find_map(|l| l.strip_prefix("Sec-WebSocket-Key: ")).unwrap();
            let accept = sansocket::handshake::accept_key(key);
            let answer = format!(
                "HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                 Sec-WebSocket-Accept: {accept}\r\n\r\n\x01\x03ear"
            );
            raw.write_all(answer.as_bytes()).unwrap();
            raw.write_all(b"\x80\x02ly").unwrap();
            raw.write_all(b"\x88\0").unwrap();
            let _ = raw.read_to_end(&mut Vec::new());
        });
        let request = ConnectRequest::new("ws://example.com/").unwrap();
        let config = preset(Role::Client).linger_timeout(100 * MS).build().unwrap();
        let (mut ws, _) = WebSocket::client(b, &request, &config).unwrap();
        assert_eq!(ws.read().unwrap().unwrap().0, Event::Text("early"));
        assert_eq!(ws.read().unwrap().unwrap().0, Event::Close(None));
        assert!(ws.read().unwrap().is_none());
        drop(ws);
        serving.join().unwrap();
    });
}

#[test]
fn v50_every_refusal_is_a_response_followed_by_the_end() {
    with_timeout(|| {
        let other_origin = REQUEST.replace("Host:", "Origin: http://evil.example\r\nHost:");
        for (request, status) in [
            (REQUEST.replace("Version: 13", "Version: 8"), 426),
            (REQUEST.replace("websocket", "notupgrade"), 426),
            (REQUEST.replace("GET", "POST"), 405),
            (REQUEST.replace("Host: ", "Host : "), 400),
            (REQUEST.replace("HTTP/1.1", "HTTP/2.0"), 505),
            (REQUEST.replace("Host:", &format!("X: {}\r\nHost:", "x".repeat(20_000))), 431),
            (other_origin, 403),
        ] {
            let (a, mut raw) = tcp();
            raw.write_all(request.as_bytes()).unwrap();
            // Unread at the end, it would cause a reset.
            raw.write_all(&[b'x'; 100_000]).unwrap();
            let serving = thread::spawn(move || {
                let config = preset(Role::Server).build().unwrap();
                WebSocket::accept(a, &config, &AcceptOptions::new()).map(drop)
            });
            let mut answer = Vec::new();
            raw.read_to_end(&mut answer).unwrap();
            let answer = String::from_utf8(answer).unwrap();
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{status}: {answer}");
            drop(raw);
            let result = serving.join().unwrap();
            let refused = matches!(&result, Err(AcceptError::Refused(r)) if r.status() == status);
            assert!(refused, "{result:?}");
        }
    });
}

#[test]
fn s14_pages_and_other_routes_can_be_served() {
    with_timeout(|| {
        let page = HttpResponse::new(200).unwrap().with_body("text/plain", "Hi").unwrap();
        for (request, status, body) in [
            ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", 200, "Hi"),
            ("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", 200, ""),
            ("GET /secret HTTP/1.1\r\nHost: a\r\n\r\n", 401, "Who are you?"),
        ] {
            let (a, mut raw) = tcp();
            let page = page.clone();
            let serving = thread::spawn(move || {
                let config = preset(Role::Server).build().unwrap();
                let request = PendingRequest::read(a, &config).unwrap();
                assert!(!request.head().is_upgrade());
                assert!(request.get_ref().peer_addr().is_ok());
                match request.head().target() {
                    "/" => request.respond(&page).unwrap(),
                    _ => {
                        let refusal = Refusal::new(401).unwrap();
                        let refusal = refusal.with_body("text/plain", "Who are you?").unwrap();
                        request.refuse(refusal).unwrap();
                    }
                }
            });
            raw.write_all(request.as_bytes()).unwrap();
            let head = read_head(&mut raw);
            assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{head}");
            let mut rest = String::new();
            raw.read_to_string(&mut rest).unwrap();
            assert_eq!(rest, body);
            drop(raw);
            serving.join().unwrap();
        }
        // A request for another route, with the input after it.
        let (a, mut raw) = tcp();
        raw.write_all(b"POST /form HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\na=1").unwrap();
        let config = preset(Role::Server).build().unwrap();
        let (stream, head, unread) = PendingRequest::read(a, &config).unwrap().into_parts();
        assert_eq!((head.method(), &*unread), ("POST", &b"a=1"[..]));
        assert_eq!(stream.read_timeout().unwrap(), None);
    });
}

#[test]
fn v35_a_request_in_slow_single_bytes_ends_at_the_deadline() {
    with_timeout(|| {
        for drip in [true, false] {
            let (a, mut raw) = tcp();
            let mut dripping = raw.try_clone().unwrap();
            let stop = Arc::new(AtomicBool::new(false));
            let stopped = stop.clone();
            let dripper = thread::spawn(move || {
                for byte in REQUEST.bytes().cycle() {
                    if !drip || stopped.load(Ordering::Relaxed) {
                        break;
                    }
                    if dripping.write_all(&[byte]).is_err() {
                        break;
                    }
                    thread::sleep(10 * MS);
                }
            });
            let config = preset(Role::Server)
                .handshake_timeout(300 * MS)
                .linger_timeout(100 * MS)
                .build()
                .unwrap();
            let (result, took) =
                timed(|| WebSocket::accept(a, &config, &AcceptOptions::new()).map(drop));
            assert!(took >= 290 * MS && took < 2500 * MS, "{took:?}");
            let refused = matches!(&result, Err(AcceptError::Refused(r)) if r.status() == 408);
            assert!(refused, "{result:?}");
            stop.store(true, Ordering::Relaxed);
            assert!(read_head(&mut raw).starts_with("HTTP/1.1 408 "));
            drop(raw);
            dripper.join().unwrap();
        }
    });
}

#[test]
fn v30_a_handshake_in_single_bytes_is_accepted() {
    with_timeout(|| {
        let (a, mut raw) = tcp();
        let (a, _) = Metered::new(a, true);
        let serving = thread::spawn(move || {
            let config = preset(Role::Server).build().unwrap();
            WebSocket::accept(a, &config, &AcceptOptions::new()).map(drop)
        });
        for byte in REQUEST.bytes() {
            raw.write_all(&[byte]).unwrap();
        }
        assert!(read_head(&mut raw).starts_with("HTTP/1.1 101 "));
        serving.join().unwrap().unwrap();
    });
}

#[test]
fn an_end_inside_the_request_is_an_error() {
    with_timeout(|| {
        let (a, mut raw) = tcp();
        raw.write_all(&REQUEST.as_bytes()[..40]).unwrap();
        drop(raw);
        let config = preset(Role::Server).build().unwrap();
        let result = PendingRequest::read(a, &config);
        let eof =
            matches!(&result, Err(AcceptError::Io(e)) if e.kind() == io::ErrorKind::UnexpectedEof);
        assert!(eof, "{result:?}");
    });
}

#[test]
fn each_failure_of_a_client_handshake_has_an_error() {
    with_timeout(|| {
        let config = preset(Role::Client).handshake_timeout(300 * MS).build().unwrap();
        // TLS.
        let request = ConnectRequest::new("wss://example.com/").unwrap();
        let error = WebSocket::connect(&request, &config).unwrap_err();
        assert!(matches!(error.kind(), ConnectErrorKind::TlsNotSupported));
        assert!(error.to_string().contains("no TLS: enable the feature `tls`"), "{error}");
        assert_eq!(
            (error.step(), error.host(), error.port()),
            (ConnectStep::Tls, "example.com", 443)
        );
        // No listener.
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("ws://{}/", listener.local_addr().unwrap());
        drop(listener);
        let request = ConnectRequest::new(&url).unwrap();
        let error = WebSocket::connect(&request, &config).unwrap_err();
        let refused = io::ErrorKind::ConnectionRefused;
        assert!(
            matches!(error.kind(), ConnectErrorKind::Io(e) if e.kind() == refused),
            "{error:?}"
        );
        let target = format!("{}:{}: TCP connection failed: ", request.host(), request.port());
        assert!(error.to_string().starts_with(&target), "{error}");
        // A name that does not exist (RFC 6761 6.4). A remote resolver can take too long.
        let request = ConnectRequest::new("ws://nowhere.invalid/").unwrap();
        let (error, took) = timed(|| WebSocket::connect(&request, &config).unwrap_err());
        let expected = matches!(error.kind(), ConnectErrorKind::Io(_) | ConnectErrorKind::Timeout);
        assert!(expected && took < 2000 * MS, "{error:?} {took:?}");
        let text = error.to_string();
        assert!(text.starts_with("nowhere.invalid:80: name resolution failed: "), "{text}");
        // A server that never replies, one that replies in slow single bytes, one that ends, and
        // one that refuses.
        for (way, answer) in [
            ("silent", &b""[..]),
            ("drips", b"HTTP/1.1 101 "),
            ("ends", b"HTTP/1.1 101"),
            ("refuses", b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno"),
            ("invalid response", b"SSH-2.0-OpenSSH\r\n"),
        ] {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let url = format!("ws://{}/", listener.local_addr().unwrap());
            let serving = thread::spawn(move || {
                let (mut raw, _) = listener.accept().unwrap();
                read_head(&mut raw);
                for byte in answer {
                    if raw.write_all(&[*byte]).is_err() {
                        break;
                    }
                    if way == "drips" {
                        thread::sleep(50 * MS);
                    }
                }
                if matches!(way, "silent" | "drips") {
                    let _ = raw.read_to_end(&mut Vec::new());
                }
            });
            let request = ConnectRequest::new(&url).unwrap();
            let (error, took) = timed(|| WebSocket::connect(&request, &config).unwrap_err());
            assert!(took < 2000 * MS, "{way}: {took:?}");
            let ConnectErrorKind::Handshake(error) = error.into_kind() else { panic!("{way}") };
            match (way, &error) {
                ("silent" | "drips", HandshakeError::Timeout) => {}
                ("ends", HandshakeError::ClosedWithoutResponse) => {}
                ("invalid response", HandshakeError::BadHead(_)) => {}
                ("refuses", HandshakeError::Status(r)) if r.status() == 404 => {}
                _ => panic!("{way}: {error:?}"),
            }
            serving.join().unwrap();
        }
        // The config of a server has no randomness.
        let (_a, b) = tcp();
        let config = preset(Role::Server).build().unwrap();
        let error = WebSocket::client(b, &request, &config).unwrap_err();
        assert!(matches!(error.kind(), ConnectErrorKind::Send(SendError::Entropy)));
    });
}
