//! The translation of requests and responses.

use std::collections::BTreeMap;

use http::HeaderMap;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::setup::{Arrived, KINDS, Kind, Origin, Outer, PAIRS, bridge, head, in_time, read_head};

/// Names and values, without the fields of the version of HTTP.
fn shown(fields: &HeaderMap) -> BTreeMap<String, Vec<String>> {
    let mut shown = BTreeMap::<_, Vec<_>>::new();
    for (name, value) in fields {
        let own = ["host", "upgrade", "connection", "sec-websocket-key", "sec-websocket-accept"];
        if !own.contains(&name.as_str()) {
            let value = value.to_str().unwrap().to_owned();
            shown.entry(name.to_string()).or_default().push(value);
        }
    }
    shown
}

fn map(fields: &[(&str, &[&str])]) -> BTreeMap<String, Vec<String>> {
    let own = |values: &[&str]| values.iter().map(|&value| value.to_owned()).collect();
    fields.iter().map(|&(name, values)| (name.to_owned(), own(values))).collect()
}

#[tokio::test]
async fn end_to_end_fields_pass_in_both_directions() {
    for (outside, inside) in PAIRS {
        let mut origin = Origin::new(inside).await;
        let bridge = bridge(inside, origin.addr).await;
        let client = Outer::new(outside, bridge).await;
        let mut sent = vec![
            ("origin", "http://server.example"),
            ("sec-websocket-protocol", "chat, other"),
            ("sec-websocket-extensions", "permessage-deflate; client_max_window_bits, x-own;a=1"),
            ("cookie", "a=1"),
            ("cookie", "b=2; c=3"),
            ("authorization", "Bearer 0123"),
            ("x-many", "one"),
            ("x-many", "two"),
            ("via", "1.1 other"),
            ("proxy-authorization", "Basic eA=="),
        ];
        if outside == Kind::Http1 {
            sent.extend([
                ("Connection", "keep-alive, X-Hop"),
                ("X-Hop", "1"),
                ("Keep-Alive", "timeout=5"),
                ("TE", "trailers"),
                ("Proxy-Connection", "keep-alive"),
            ]);
        }
        let path = "/a%20b/..;/?q=%0d%0a&r=[1]";
        let serving = async {
            let arrived = origin.next().await;
            let (target, host, fields) = arrived.request();
            assert_eq!((&*target, &*host), (path, "server.example"));
            let via = match outside {
                Kind::Http1 => "1.1 other, 1.1 sansocket-bridge",
                Kind::Http2 => "1.1 other, 2 sansocket-bridge",
            };
            let expected = map(&[
                ("origin", &["http://server.example"]),
                ("sec-websocket-version", &["13"]),
                ("sec-websocket-protocol", &["chat, other"]),
                (
                    "sec-websocket-extensions",
                    &["permessage-deflate; client_max_window_bits, x-own;a=1"],
                ),
                ("cookie", &["a=1; b=2; c=3"]),
                ("authorization", &["Bearer 0123"]),
                ("x-many", &["one", "two"]),
                ("via", &[via]),
            ]);
            assert_eq!(shown(&fields), expected);
            let mut answer = vec![
                ("sec-websocket-protocol", "other"),
                ("sec-websocket-extensions", "x-own;a=1"),
                ("set-cookie", "a=1; HttpOnly"),
                ("set-cookie", "b=2"),
            ];
            if inside == Kind::Http1 {
                answer.extend([("Connection", "x-hop"), ("x-hop", "1"), ("Keep-Alive", "1")]);
            }
            arrived.open(&answer).await
        };
        let ((response, _near), _far) = tokio::join!(client.request(path, &sent), serving);
        let via = match inside {
            Kind::Http1 => "1.1 sansocket-bridge",
            Kind::Http2 => "2 sansocket-bridge",
        };
        let expected = map(&[
            ("sec-websocket-protocol", &["other"]),
            ("sec-websocket-extensions", &["x-own;a=1"]),
            ("set-cookie", &["a=1; HttpOnly", "b=2"]),
            ("via", &[via]),
        ]);
        assert_eq!(shown(response.headers()), expected);
        if outside == Kind::Http1 {
            assert_eq!(response.headers()["sec-websocket-accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        }
    }
}

/// The target of a request that is a URL, and the authority of a `Host` with a port.
#[tokio::test]
async fn a_url_as_the_target_becomes_path_and_host() {
    let mut origin = Origin::new(Kind::Http2).await;
    let bridge = bridge(Kind::Http2, origin.addr).await;
    let mut tcp = TcpStream::connect(bridge).await.unwrap();
    let head = head("http://Other.example:81/a?b", &[]);
    tcp.write_all(head.as_bytes()).await.unwrap();
    let (path, host, _) = origin.next().await.request();
    assert_eq!((&*path, &*host), ("/a?b", "Other.example:81"));
}

/// Sends a raw request, and returns the status.
async fn status_of(bridge: std::net::SocketAddr, request: &str) -> u16 {
    let mut tcp = TcpStream::connect(bridge).await.unwrap();
    tcp.write_all(request.as_bytes()).await.unwrap();
    let head = read_head(&mut tcp).await;
    let mut body = Vec::new();
    in_time(tcp.read_to_end(&mut body)).await.unwrap();
    assert!(head.contains(&format!("Content-Length: {}\r\n", body.len())), "{head}");
    head.split(' ').nth(1).unwrap().parse().unwrap()
}

#[tokio::test]
async fn requests_that_could_mislead_the_target_are_refused() {
    for inside in KINDS {
        let mut origin = Origin::new(inside).await;
        let bridge = bridge(inside, origin.addr).await;
        let via = ["1.1 a"; 16].join(", ");
        for (status, path, fields) in [
            (400, "/", &[("Connection", "Origin"), ("Origin", "http://a.example")][..]),
            (400, "/", &[("Connection", "cookie")]),
            (400, "/", &[("Connection", "Sec-WebSocket-Protocol")]),
            (400, "/", &[("Connection", "x-forwarded-for")]),
            (400, "/", &[("Connection", "host")]),
            (400, "/", &[("Host", "two.example")]),
            (400, "/", &[("Content-Length", "5")]),
            (400, "/", &[("Transfer-Encoding", "chunked")]),
            (400, "/", &[("X-A", "1\rX-B: 2")]),
            (400, "/", &[("X-A", "1\nX-B : 2")]),
            (400, "/", &[("X-A", "1\0")]),
            (400, "/a b", &[]),
            (400, "http://user@host/", &[]),
            (426, "/", &[("Sec-WebSocket-Version", "8")]),
            (508, "/", &[("Via", &via)]),
        ] {
            let mut request = head(path, fields);
            if status == 426 {
                request = request.replace("Sec-WebSocket-Version: 13\r\n", "");
            }
            assert_eq!(status_of(bridge, &request).await, status, "{path} {fields:?}");
        }
        // No request has reached the target: the next one is valid.
        let client = Outer::new(Kind::Http1, bridge).await;
        let (_near, arrived) = tokio::join!(client.open(), async {
            let arrived = origin.next().await;
            assert_eq!(arrived.request().0, "/chat");
            arrived.open(&[]).await
        });
        drop(arrived);
    }
}

/// A bridge whose target is itself.
#[tokio::test]
async fn a_loop_ends() {
    for kind in KINDS {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let own = bridge::Bridge::new(&crate::setup::options(kind, addr)).unwrap();
        tokio::spawn(async move { own.serve::<()>(listener).await });
        for outside in KINDS {
            let (response, _) = Outer::new(outside, addr).await.request("/", &[]).await;
            assert_eq!(response.status(), 508, "{kind:?}");
        }
    }
}

#[tokio::test]
async fn other_requests_are_refused() {
    let origin = Origin::new(Kind::Http1).await;
    let bridge = bridge(Kind::Http1, origin.addr).await;
    let page = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    assert_eq!(status_of(bridge, page).await, 501);
    assert_eq!(
        status_of(bridge, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc").await,
        501
    );
    assert_eq!(status_of(bridge, "nonsense\r\n\r\n").await, 400);

    let tcp = TcpStream::connect(bridge).await.unwrap();
    let (mut requests, connection) = h2::client::handshake(tcp).await.unwrap();
    tokio::spawn(connection);
    let request = http::Request::get("http://server.example/").body(()).unwrap();
    let (response, _) = requests.send_request(request, true).unwrap();
    let response = in_time(response).await.unwrap();
    assert_eq!(response.status(), 501);
    let mut body = response.into_body();
    let text = in_time(body.data()).await.unwrap().unwrap();
    assert!(text.starts_with(b"this is a bridge for WebSockets"));
    let request = http::Request::head("http://server.example/").body(()).unwrap();
    let (response, _) = requests.send_request(request, true).unwrap();
    let response = in_time(response).await.unwrap();
    assert_eq!(response.status(), 501);
    assert!(in_time(response.into_body().data()).await.is_none());
    // The session goes on.
    let mut request = http::Request::connect("http://server.example/").body(()).unwrap();
    request.extensions_mut().insert(h2::ext::Protocol::from_static("other"));
    let (response, _) = requests.send_request(request, true).unwrap();
    assert_eq!(in_time(response).await.unwrap().status(), 501);
}

/// A refusal of the target passes: status, fields and body.
#[tokio::test]
async fn refusals_pass_with_their_bodies() {
    let long = "x".repeat((64 << 10) + 1);
    for (outside, inside) in PAIRS {
        let mut origin = Origin::new(inside).await;
        let bridge = bridge(inside, origin.addr).await;
        let client = Outer::new(outside, bridge).await;
        for (status, body, expected) in [
            (403, "not you", "not you"),
            (302, "", ""),
            (503, &long[1..], &long[1..]),
            // A longer body is left out.
            (500, &long[..], ""),
        ] {
            let serving = async { refuse(origin.next().await, status, body).await };
            let ((response, mut raw), ()) = tokio::join!(client.request("/", &[]), serving);
            assert_eq!(response.status(), status);
            let via = if inside == Kind::Http1 { "1.1" } else { "2" };
            let via = format!("{via} sansocket-bridge");
            let mut fields = shown(response.headers());
            assert_eq!(fields.remove("content-length").is_some(), outside == Kind::Http1);
            let fixed = [("set-cookie", &["a=1", "b=2"][..]), ("via", &[&via])];
            let typed = ("content-type", &["text/x; charset=latin1"][..]);
            let with_type = expected.len() == body.len();
            let expected_fields: Vec<_> =
                fixed.into_iter().chain(with_type.then_some(typed)).collect();
            assert_eq!(fields, map(&expected_fields), "{outside:?} {inside:?}");
            assert!(raw.read_all().await == expected.as_bytes(), "{outside:?} {status}");
        }
    }
}

async fn refuse(arrived: Arrived, status: u16, body: &str) {
    let fields =
        [("content-type", "text/x; charset=latin1"), ("set-cookie", "a=1"), ("set-cookie", "b=2")];
    match arrived {
        Arrived::Tcp(mut tcp, _) => {
            let mut response = format!("HTTP/1.1 {status} Some Reason\r\nconnection: close\r\n");
            for (name, value) in fields {
                response += &format!("{name}: {value}\r\n");
            }
            response += "transfer-encoding: chunked\r\n\r\n";
            if !body.is_empty() {
                response += &format!("{:x}\r\n{body}\r\n", body.len());
            }
            response += "0\r\n\r\n";
            // The bridge need not read a body that is too long.
            let _ = tcp.write_all(response.as_bytes()).await;
        }
        Arrived::Http2(pending, _) => {
            let mut response = http::Response::builder().status(status);
            for (name, value) in fields {
                response = response.header(name, value);
            }
            let body = bytes::Bytes::copy_from_slice(body.as_bytes());
            pending.refuse_with(response.body(body).unwrap()).unwrap();
        }
    }
}

/// Over HTTP/2 a 426 is a 400: it has no Upgrade.
#[tokio::test]
async fn an_upgrade_required_is_a_bad_request_over_http2() {
    for outside in KINDS {
        let mut origin = Origin::new(Kind::Http1).await;
        let bridge = bridge(Kind::Http1, origin.addr).await;
        let client = Outer::new(outside, bridge).await;
        let serving = async {
            let Arrived::Tcp(mut tcp, _) = origin.next().await else { panic!("no TCP") };
            let response = "HTTP/1.1 426 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                            Sec-WebSocket-Version: 14\r\nContent-Length: 2\r\n\r\nhm";
            tcp.write_all(response.as_bytes()).await.unwrap();
            tcp
        };
        let ((response, mut raw), _tcp) = tokio::join!(client.request("/", &[]), serving);
        assert_eq!(response.status(), if outside == Kind::Http1 { 426 } else { 400 });
        assert_eq!(response.headers()["sec-websocket-version"], "14");
        assert_eq!(raw.read_all().await, b"hm");
    }
}
