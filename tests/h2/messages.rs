//! Both ends of this crate.

use sansocket::deflate::Deflate;
use sansocket::h2::{Client, Incoming, Session};
use sansocket::{AcceptOptions, CloseCode, Event};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

use super::{TRANSPORT, client_config, echo, in_time, open, options, pair, request, server_config};
use crate::common::tasks::spawn;

#[tokio::test(start_paused = true)]
async fn e5_messages_in_both_directions_and_a_close() {
    let (mut server, client) = pair(options(), options()).await;
    assert!(client.allows_web_sockets());
    let mut ws = open(&client).await;
    let mut far = server.next().await;
    let echoes = spawn(async move {
        let result = echo(&mut far).await;
        (result, far.close_status())
    });
    for len in [0, 1, 200_000, 1 << 20] {
        let text = "x".repeat(len);
        in_time(ws.send_text(&text)).await.unwrap();
        let (event, _) = in_time(ws.read()).await.unwrap().unwrap();
        assert!(matches!(event, Event::Text(echo) if echo == text));
    }
    let status = in_time(ws.close(CloseCode::new(4001), "bye")).await.unwrap();
    assert_eq!((status.code.value(), &*status.reason), (4001, "bye"));
    let (result, status) = in_time(echoes).await.unwrap();
    result.unwrap();
    assert_eq!(status.unwrap().code.value(), 4001);
    // The session goes on.
    let mut ws = open(&client).await;
    let mut far = server.next().await;
    in_time(far.send_text("from the server")).await.unwrap();
    assert!(matches!(in_time(ws.read()).await.unwrap(), Some((Event::Text("from the server"), _))));
}

#[tokio::test(start_paused = true)]
async fn e5_compression_is_negotiated() {
    let (near, far) = duplex(TRANSPORT);
    spawn(async move {
        let mut session = Session::handshake(far, &options()).await.unwrap();
        while let Some(Incoming::WebSocket(request)) = session.accept().await.unwrap() {
            let options = AcceptOptions::new().deflate(Deflate::default());
            let mut ws = request.accept(&options, &server_config()).unwrap();
            spawn(async move { echo(&mut ws).await });
        }
    });
    let (client, session) = in_time(Client::handshake(near, &options())).await.unwrap();
    spawn(session);
    let request = request().deflate(Deflate::default());
    let (mut ws, response) = in_time(client.open(&request, &client_config())).await.unwrap();
    assert_eq!(response.status(), 200);
    assert!(response.deflate().is_some());
    let text = "compressed ".repeat(10_000);
    in_time(ws.send_text(&text)).await.unwrap();
    let (event, _) = in_time(ws.read()).await.unwrap().unwrap();
    assert!(matches!(event, Event::Text(echo) if echo == text));
}

#[tokio::test(start_paused = true)]
async fn e5_halves_and_byte_streams() {
    let (mut server, client) = pair(options(), options()).await;
    let (ws, far) = (open(&client).await, server.next().await);
    let (mut reader, sender) = far.split();
    spawn(async move {
        while let Some((event, _)) = reader.read().await.unwrap() {
            if let Event::Binary(bytes) = event {
                sender.send_binary(bytes).await.unwrap();
            }
        }
    });
    let (mut reader, mut writer) =
        tokio::io::split(ws.into_byte_stream(sansocket::message::MessageKind::Binary));
    let bytes: Vec<u8> = (0..3_000_000_u32).map(|i| i.to_le_bytes()[1]).collect();
    let sent = bytes.clone();
    let writing = spawn(async move {
        writer.write_all(&sent).await.unwrap();
        writer.flush().await.unwrap();
        writer
    });
    let mut received = vec![0; bytes.len()];
    in_time(reader.read_exact(&mut received)).await.unwrap();
    assert!(received == bytes);
    drop(in_time(writing).await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn e5_many_web_sockets_on_a_session() {
    let (mut server, client) = pair(options(), options()).await;
    let mut all = Vec::new();
    for i in 0..200_u32 {
        let ws = open(&client).await;
        let mut far = server.next().await;
        spawn(async move { echo(&mut far).await });
        all.push((i.to_string(), ws));
    }
    for (text, ws) in &mut all {
        ws.feed_text(text).unwrap();
        in_time(ws.flush()).await.unwrap();
    }
    for (text, ws) in &mut all {
        let (event, _) = in_time(ws.read()).await.unwrap().unwrap();
        assert!(matches!(event, Event::Text(echo) if echo == text));
    }
}
