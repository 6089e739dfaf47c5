//! WebSockets that their application does not read: they delay only themselves.
//!
//! Nothing is echoed on the other streams before the stall, since window updates that are late could
//! hide it.

use core::time::Duration;

use bytes::Bytes;
use sansocket::h2::{SessionOptions, Stream};
use sansocket::tokio::WebSocket;
use sansocket::{CloseCode, Event};
use tokio::io::duplex;
use tokio::time::timeout;

use super::{
    Server, TRANSPORT, client_config, echo, frame, in_time, open, options, pair, raw_client,
    raw_request, request,
};

/// The echo of a further WebSocket, within half a second.
async fn another_echoes(server: &mut Server, requests: &mut h2::client::SendRequest<Bytes>) {
    let (response, mut output) = requests.send_request(raw_request(), false).unwrap();
    let mut ws = server.next().await;
    let echoing = tokio::spawn(async move { echo(&mut ws).await });
    output.send_data(frame(0x81, b"echo"), false).unwrap();
    let body = async {
        let mut body = response.await.unwrap().into_body();
        body.data().await.unwrap().unwrap()
    };
    let limit = Duration::from_millis(500);
    let data = timeout(limit, body).await.expect("the other stream is stalled");
    assert_eq!(data, &b"\x81\x04echo"[..]);
    echoing.abort();
}

/// Sends as much as the windows allow.
async fn fill(output: &mut h2::SendStream<Bytes>, payload: &[u8], most: usize) {
    let frame = frame(0x82, payload);
    for _ in 0..most {
        output.reserve_capacity(frame.len());
        let room = async {
            while output.capacity() < frame.len() {
                core::future::poll_fn(|cx| output.poll_capacity(cx)).await.unwrap().unwrap();
            }
        };
        if timeout(Duration::from_millis(200), room).await.is_err() {
            return;
        }
        output.send_data(frame.clone(), false).unwrap();
    }
}

/// The smallest session: its window is that of one stream.
fn smallest() -> SessionOptions {
    SessionOptions::builder().max_streams(2).stream_window(32 << 10).build().unwrap()
}

#[tokio::test(start_paused = true)]
async fn small_messages_to_a_task_that_does_not_poll() {
    for options in [options(), smallest()] {
        let (near, far) = duplex(TRANSPORT);
        let mut server = Server::start(far, options);
        let mut requests = in_time(raw_client(near)).await;
        let (_response, mut output) = requests.send_request(raw_request(), false).unwrap();
        let unread = server.next().await;
        in_time(fill(&mut output, b"ten bytes!", 20_000)).await;
        another_echoes(&mut server, &mut requests).await;
        drop(unread);
    }
}

/// The smallest window of a session that has a stream of 64 KiB: no small message is lost, and the session
/// lives, whether the task of the WebSocket sleeps or waits in `flush`.
#[tokio::test(start_paused = true)]
async fn small_messages_in_the_window_of_one_stream() {
    for waits_in_flush in [false, true] {
        let options = SessionOptions::builder().max_streams(1).stream_window(64 << 10);
        let (near, far) = duplex(TRANSPORT);
        let mut server = Server::start(far, options.build().unwrap());
        let mut builder = h2::client::Builder::new();
        builder.initial_window_size(1000).initial_connection_window_size((1 << 31) - 1);
        let (mut requests, connection) = in_time(builder.handshake(near)).await.unwrap();
        tokio::spawn(connection);
        tokio::time::sleep(Duration::from_millis(10)).await;
        let (response, mut output) = requests.send_request(raw_request(), false).unwrap();
        let mut ws: WebSocket<Stream> = server.next().await;
        let reading = tokio::spawn(async move {
            if waits_in_flush {
                ws.send_binary(&[0; 2000]).await.unwrap();
            } else {
                tokio::time::sleep(Duration::from_secs(5)).await;
            }
            for _ in 0..3000 {
                let read = ws.read().await.unwrap();
                assert!(matches!(read, Some((Event::Binary(b"ten bytes!"), _))));
            }
        });
        for _ in 0..3000 {
            output.send_data(frame(0x82, b"ten bytes!"), false).unwrap();
        }
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert!(!reading.is_finished() || !waits_in_flush);
        let mut body = response.await.unwrap().into_body();
        while waits_in_flush && !reading.is_finished() {
            // The window of the peer opens.
            if let Ok(data) = timeout(Duration::from_millis(100), body.data()).await {
                let len = data.unwrap().unwrap().len();
                body.flow_control().release_capacity(len).unwrap();
            }
        }
        in_time(reading).await.unwrap();
        assert!(!server.session.is_finished());
    }
}

/// The peer does not read the echoes.
#[tokio::test(start_paused = true)]
async fn small_messages_to_a_task_that_waits_for_the_peer() {
    let (near, far) = duplex(TRANSPORT);
    let mut server = Server::start(far, options());
    let mut builder = h2::client::Builder::new();
    // The window of the stream is too small for all echoes.
    builder.initial_window_size(1000).initial_connection_window_size((1 << 31) - 1);
    let (mut requests, connection) = in_time(builder.handshake(near)).await.unwrap();
    tokio::spawn(connection);
    tokio::time::sleep(Duration::from_millis(10)).await;
    let (_response, mut output) = requests.send_request(raw_request(), false).unwrap();
    let mut ws: WebSocket<Stream> = server.next().await;
    let echoing = tokio::spawn(async move { echo(&mut ws).await });
    in_time(fill(&mut output, b"ten bytes!", 20_000)).await;
    another_echoes(&mut server, &mut requests).await;
    echoing.abort();
}

#[tokio::test(start_paused = true)]
async fn all_other_streams_are_full() {
    let (near, far) = duplex(TRANSPORT);
    let mut server = Server::start(far, options());
    let mut requests = in_time(raw_client(near)).await;
    let mut unread = Vec::new();
    for _ in 0..255 {
        let (response, mut output) = requests.send_request(raw_request(), false).unwrap();
        let ws = server.next().await;
        in_time(fill(&mut output, &[0; 16_000], 10)).await;
        unread.push((response, output, ws));
    }
    another_echoes(&mut server, &mut requests).await;
}

/// After a violation the input of a stream is discarded: its window returns to the session.
#[tokio::test(start_paused = true)]
async fn the_windows_of_discarded_data_return() {
    let (near, far) = duplex(TRANSPORT);
    let mut server = Server::start(far, smallest());
    let mut requests = in_time(raw_client(near)).await;
    for _ in 0..40 {
        let (response, mut output) = requests.send_request(raw_request(), false).unwrap();
        let mut ws = server.next().await;
        let reading = tokio::spawn(async move {
            while ws.read().await?.is_some() {}
            Ok(())
        });
        // A reserved opcode, then data.
        output.send_data(frame(0x83, b""), false).unwrap();
        in_time(fill(&mut output, &[0; 10_000], 2)).await;
        let result: Result<(), sansocket::WebSocketError> = in_time(reading).await.unwrap();
        assert!(result.is_err());
        drop((response, output));
    }
    another_echoes(&mut server, &mut requests).await;
}

/// A stream whose write was given up keeps no window of the session from the others.
#[tokio::test(start_paused = true)]
async fn a_write_that_is_not_polled_holds_no_window_of_the_session() {
    const LEN: usize = 1 << 20;

    let (near, far) = duplex(TRANSPORT);
    let mut server = Server::start(far, options());
    // The window of the session is 65,535 bytes.
    let mut builder = h2::client::Builder::new();
    builder.initial_window_size(1 << 24);
    let (mut requests, connection) = in_time(builder.handshake::<_, Bytes>(near)).await.unwrap();
    tokio::spawn(connection);
    tokio::time::sleep(Duration::from_millis(10)).await;
    let (response, _output) = requests.send_request(raw_request(), false).unwrap();
    let mut stalled = server.next().await;
    let mut body = in_time(response).await.unwrap().into_body();
    let (response, _output) = requests.send_request(raw_request(), false).unwrap();
    let mut other = server.next().await;
    let mut other_body = in_time(response).await.unwrap().into_body();

    let sent = timeout(Duration::from_millis(100), stalled.send_binary(&[0; LEN])).await;
    assert!(sent.is_err());
    // All windows return.
    let mut received = 0;
    while received < 65_535 {
        let data = in_time(body.data()).await.unwrap().unwrap();
        received += data.len();
        body.flow_control().release_capacity(data.len()).unwrap();
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    in_time(other.send_text("hello")).await.unwrap();
    let data = in_time(other_body.data()).await.unwrap().unwrap();
    assert_eq!(data, &b"\x81\x05hello"[..]);
    // The message goes on when the WebSocket is polled again.
    let flushing = tokio::spawn(async move { stalled.flush().await.map(|()| stalled) });
    while received < LEN {
        let data = in_time(body.data()).await.unwrap().unwrap();
        received += data.len();
        body.flow_control().release_capacity(data.len()).unwrap();
    }
    in_time(flushing).await.unwrap().unwrap();
}

/// The server allows more streams than the window of the client's session has room for.
#[tokio::test(start_paused = true)]
async fn a_client_opens_as_many_streams_as_its_windows_allow() {
    let (mut server, client) = pair(options(), smallest()).await;
    let mut full = open(&client).await;
    let mut far = server.next().await;
    // One WebSocket is not read.
    let filling = tokio::spawn(async move { far.send_binary(&[0; 200_000]).await.map(|()| far) });
    let mut ws = open(&client).await;
    let mut far = server.next().await;
    let echoing = tokio::spawn(async move { echo(&mut far).await });
    let third = tokio::spawn({
        let client = client.clone();
        async move { client.open(&request(), &client_config()).await.map(|(ws, _)| ws) }
    });
    // A further one that waits, and is given up.
    let (to, config) = (request(), client_config());
    assert!(timeout(Duration::from_secs(1), client.open(&to, &config)).await.is_err());
    for _ in 0..10 {
        in_time(ws.send_binary(&[0; 10_000])).await.unwrap();
        assert!(in_time(ws.read()).await.unwrap().is_some());
    }
    assert!(!third.is_finished());
    in_time(ws.close(CloseCode::NORMAL, "")).await.unwrap();
    in_time(echoing).await.unwrap().unwrap();
    drop(ws);
    let third = in_time(third).await.unwrap().unwrap();
    let fourth = in_time(client.open(&to, &config)).await.unwrap_err();
    assert!(fourth.is_timeout(), "{fourth:?}");
    assert!(in_time(full.read()).await.unwrap().is_some());
    drop(in_time(filling).await.unwrap().unwrap());
    drop((full, third));
    let _ws = open(&client).await;
}
