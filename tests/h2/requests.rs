//! Requests that are refused. The session goes on.

use http::{Method, Request};
use tokio::io::duplex;

use crate::{Server, TRANSPORT, frame, in_time, options, raw_client, raw_request};

fn with(change: impl FnOnce(&mut Request<()>)) -> Request<()> {
    let mut request = raw_request();
    change(&mut request);
    request
}

#[tokio::test(start_paused = true)]
async fn e4_e5_refused_requests_leave_the_session_open() {
    let (near, far) = duplex(TRANSPORT);
    let mut server = Server::start(far, options());
    let mut requests = in_time(raw_client(near)).await;
    let version = |value: &'static str| {
        with(|request| {
            request.headers_mut().insert("sec-websocket-version", value.parse().unwrap());
        })
    };
    let cases = [
        (version("8"), 400),
        (version("13, 8"), 400),
        (with(|request| drop(request.headers_mut().remove("sec-websocket-version"))), 400),
        (
            with(|request| {
                let protocol = h2::ext::Protocol::from_static("connect-udp");
                request.extensions_mut().insert(protocol);
            }),
            501,
        ),
        (
            with(|request| {
                request.headers_mut().insert("origin", "https://other.example".parse().unwrap());
            }),
            403,
        ),
        (with(|request| *request.method_mut() = Method::GET), 200),
    ];
    for (mut request, status) in cases {
        if request.method() == Method::GET {
            request.extensions_mut().clear();
        }
        let (response, _output) = requests.send_request(request, true).unwrap();
        let response = in_time(response).await.unwrap();
        assert_eq!(response.status(), status, "{response:?}");
        if status == 400 {
            assert_eq!(response.headers()["sec-websocket-version"], "13");
        }
        let mut body = response.into_body();
        while let Some(data) = in_time(body.data()).await {
            data.unwrap();
        }
    }
    let (response, mut output) = requests.send_request(raw_request(), false).unwrap();
    let mut ws = server.next().await;
    assert_eq!(in_time(response).await.unwrap().status(), 200);
    output.send_data(frame(0x81, b"hello"), false).unwrap();
    assert!(in_time(ws.read()).await.unwrap().is_some());
}
