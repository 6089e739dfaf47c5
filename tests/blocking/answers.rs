//! Responses to opening handshakes: their content and their delivery.

use std::io::{Read, Write};
use std::time::Instant;

use sansocket::blocking::{PendingRequest, WebSocket};
use sansocket::handshake::HttpResponse;
use sansocket::handshake::Refusal;
use sansocket::{AcceptOptions, Config, ConnectRequest, Entropy};

use crate::blocking::pipe::pipe;
use crate::blocking::support::MS;
use crate::common::thread;

const REQUEST: &[u8] =
    b"GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AQIDBAUGBwgJCgsMDQ4PEA==\r\n\r\n";

#[test]
fn both_ends_have_the_subprotocol_and_the_fields_of_a_custom_response() {
    let (io, peer) = pipe(4096);
    let serving = thread::spawn(move || {
        let request = PendingRequest::read(io, &Config::server().build().unwrap()).unwrap();
        let options = AcceptOptions::new().subprotocols(["chat.v2", "chat.v1"]).unwrap();
        let accepted = request.head().upgrade().unwrap().accept(&options).unwrap();
        let accepted = accepted.with_field("Set-Cookie", "a=1").unwrap();
        let mut ws = request.accept_with(accepted).unwrap();
        assert_eq!(ws.subprotocol(), Some("chat.v2"));
        assert_eq!(ws.connection().subprotocol(), Some("chat.v2"));
        while let Ok(Some(_)) = ws.read() {}
        assert_eq!(ws.subprotocol(), Some("chat.v2"));
    });
    let request = ConnectRequest::new("ws://a/ws").unwrap();
    let request = request.subprotocols(["chat.v1", "chat.v2"]).unwrap();
    let config = Config::client(Entropy::os()).build().unwrap();
    let (ws, response) = WebSocket::client(peer, &request, &config).unwrap();
    assert_eq!(response.fields().get("set-cookie"), Some(&b"a=1"[..]));
    assert_eq!(ws.subprotocol(), Some("chat.v2"));
    assert_eq!(ws.into_inner().connection.subprotocol(), Some("chat.v2"));
    serving.join().unwrap();
}

/// Writing the page takes several linger timeouts.
#[test]
fn a_slow_client_receives_the_complete_page() {
    const LEN: usize = 1_600_000;
    for refuses in [false, true] {
        let (io, mut peer) = pipe(8000);
        peer.write_all(REQUEST).unwrap();
        let config = Config::server().linger_timeout(800 * MS).build().unwrap();
        let request = PendingRequest::read(io, &config).unwrap();
        // At most 800 KB/s.
        let reading = thread::spawn(move || {
            let (mut all, mut buffer) = (Vec::<u8>::new(), [0; 8000]);
            loop {
                thread::sleep(10 * MS);
                match peer.read(&mut buffer) {
                    Ok(n @ 1..) => all.extend(&buffer[..n]),
                    end => break (all, end.is_ok()),
                }
            }
        });
        let start = Instant::now();
        let page = vec![b'x'; LEN];
        if refuses {
            let refusal = Refusal::new(403).unwrap().with_body("text/plain", page).unwrap();
            request.refuse(refusal).unwrap();
        } else {
            let page = HttpResponse::new(200).unwrap().with_body("text/plain", page).unwrap();
            request.respond(&page).unwrap();
        }
        assert!(start.elapsed() > 1600 * MS, "{:?}", start.elapsed());
        let (all, ended_in_order) = reading.join().unwrap();
        let body = all.iter().rev().take_while(|byte| **byte == b'x').count();
        assert_eq!((body, ended_in_order), (LEN, true));
    }
}
