#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing)]
use bytes::BytesMut;
use sansocket::*;
#[test]
fn both_sides() {
    let server = Config::server().build().unwrap();
    let client = Config::client(Entropy::from_fn(|b| {
        b.fill(7);
        Ok(())
    }))
    .build()
    .unwrap();
    let now = Instant::from_micros(0);
    let mut out = BytesMut::new();
    let request = ConnectRequest::new("ws://example.com:8080/chat?x=1")
        .unwrap()
        .subprotocols(["a", "b"])
        .unwrap()
        .origin("http://example.com:8080")
        .unwrap();
    let mut c = ClientHandshake::new(&request, &client, now, &mut out).unwrap();
    let mut wire = out.to_vec();
    let mut s = ServerHandshake::new(&server, now);
    let mut input = Input::new(now, &mut wire);
    let head = s.receive(&mut input).unwrap().unwrap();
    let up = head.as_request().upgrade().unwrap();
    let acc = up
        .accept(&AcceptOptions::new().subprotocols(["b"]).unwrap().with_field("X-A", "1").unwrap())
        .unwrap();
    out.clear();
    acc.write(&mut out);
    let mut conn = acc.into_connection(&server, now);
    conn.send_text("hi", &mut out).unwrap();
    let mut wire = out.to_vec();
    let mut input = Input::new(now, &mut wire);
    let (mut conn, response) = c.receive(&mut input).unwrap().unwrap();
    assert_eq!(response.fields().get("x-a"), Some(&b"1"[..]));
    let mut inbox = Inbox::new();
    assert!(matches!(conn.receive(&mut input, &mut inbox, &mut out), Ok(Some(Event::Text("hi")))));
}
