//! Common closing of all connections of a server, on tokio and on threads.

use core::time::Duration;
use std::net::{TcpListener, TcpStream};

use futures_util::{SinkExt, StreamExt};
use sansocket::connection::Negotiated;
use sansocket::error::{ProtocolError, SendError};
use sansocket::message::MessageKind;
use sansocket::tokio::{Connections, WebSocket};
use sansocket::{
    CloseCode, Config, Connection, Event, Instant, Message, Role, WebSocketError, blocking,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::common::preset;
use crate::common::tasks::{boxed, spawn};
use crate::common::thread;

const SECOND: Duration = Duration::from_secs(1);

fn connection(role: Role, config: &Config) -> Connection {
    Connection::new(role, config, &Negotiated::new(), Instant::now())
}

fn socket(role: Role, io: DuplexStream, config: &Config) -> WebSocket<DuplexStream> {
    WebSocket::from_connection(io, connection(role, config), &[])
}

fn plain(role: Role, io: DuplexStream) -> WebSocket<DuplexStream> {
    socket(role, io, &preset(role).build().unwrap())
}

/// A server's connection with a long close timeout of its own, and the other end.
fn patient(len: usize) -> (WebSocket<DuplexStream>, DuplexStream) {
    let (here, there) = duplex(len);
    let config = preset(Role::Server)
        .close_timeout(600 * SECOND)
        .write_timeout(600 * SECOND)
        .build()
        .unwrap();
    (socket(Role::Server, here, &config), there)
}

#[tokio::test(start_paused = true)]
async fn tasks_wait_for_the_begin_of_a_drain() {
    let connections = Connections::new();
    let mut waits = JoinSet::new();
    for i in 0..10 {
        let connections = connections.clone();
        waits.spawn(boxed(async move {
            // A wait that was given up, and one that goes on in another task.
            let _ = tokio::time::timeout(SECOND, connections.draining()).await;
            let mut wait = Box::pin(async move { connections.draining().await });
            if i % 2 == 0 {
                let once =
                    core::future::poll_fn(|cx| core::task::Poll::Ready(wait.as_mut().poll(cx)));
                assert!(once.await.is_pending());
            }
            spawn(wait).await.unwrap();
        }));
    }
    sleep(10 * SECOND).await;
    assert!(waits.try_join_next().is_none());
    connections.drain(CloseCode::GOING_AWAY, "", SECOND).await.unwrap();
    waits.join_all().await;
    // A later call returns at once.
    connections.draining().await;
}

async fn read_to_end(mut ws: WebSocket<DuplexStream>) -> Result<(), WebSocketError> {
    while ws.read().await?.is_some() {}
    Ok(())
}

/// Serves a connection on one of the types.
async fn serve(i: usize, ws: WebSocket<DuplexStream>) -> Result<(), WebSocketError> {
    match i % 4 {
        0 => read_to_end(ws).await,
        1 => {
            let (mut reader, sender) = ws.split();
            let ended = spawn(async move { sender.closed().await });
            while reader.read().await?.is_some() {}
            assert_eq!(ended.await.unwrap().unwrap().code, CloseCode::GOING_AWAY);
            Ok(())
        }
        2 => {
            let mut messages = ws.into_messages();
            while let Some(message) = messages.next().await {
                message?;
            }
            Ok(())
        }
        _ => {
            let mut stream = ws.into_byte_stream(MessageKind::Binary);
            assert_eq!(stream.read(&mut [0; 16]).await?, 0);
            Ok(())
        }
    }
}

#[tokio::test(start_paused = true)]
async fn all_100_clients_get_1001_and_the_drain_ends_with_the_last_one() {
    let (connections, mut servers, mut clients) =
        (Connections::new(), JoinSet::new(), JoinSet::new());
    for i in 0..100 {
        let (here, there) = duplex(64);
        let (mut server, mut client) = (plain(Role::Server, here), plain(Role::Client, there));
        connections.add(&mut server);
        servers.spawn(serve(i, server));
        clients.spawn(boxed(async move {
            // The client reads the Close frame after a delay.
            sleep(Duration::from_secs(1) + Duration::from_millis(20) * u32::try_from(i).unwrap())
                .await;
            match client.read().await.unwrap() {
                Some((Event::Close(Some(frame)), _)) => {
                    assert_eq!((frame.code, frame.reason), (CloseCode::GOING_AWAY, "restart"));
                }
                other => panic!("{other:?}"),
            }
            assert!(client.read().await.unwrap().is_none());
        }));
    }
    assert_eq!(connections.len(), 100);
    // All servers wait in a read.
    tokio::task::yield_now().await;
    let started = tokio::time::Instant::now();
    let drained = connections.drain(CloseCode::GOING_AWAY, "restart", 60 * SECOND).await.unwrap();
    assert_eq!((drained.ended, drained.aborted), (100, 0));
    assert_eq!(started.elapsed().as_millis(), 2980);
    assert!(connections.is_empty() && connections.is_draining());
    servers.join_all().await.into_iter().for_each(Result::unwrap);
    clients.join_all().await;
}

#[tokio::test(start_paused = true)]
async fn a_silent_client_is_dropped_at_the_deadline() {
    let connections = Connections::new();
    let mut servers = JoinSet::new();
    // One server waits in a read, one in a read of halves, one in a send that the client does not
    // read.
    let mut ends = Vec::new();
    for i in 0..3 {
        let (mut ws, end) = patient(100);
        connections.add(&mut ws);
        ends.push(end);
        servers.spawn(boxed(async move {
            match i {
                0 => read_to_end(ws).await,
                1 => {
                    let (mut reader, _sender) = ws.split();
                    while reader.read().await?.is_some() {}
                    Ok(())
                }
                _ => ws.send_binary(&[0; 100_000]).await,
            }
        }));
    }
    let (mut ws, good) = patient(100);
    connections.add(&mut ws);
    let good = spawn(read_to_end(plain(Role::Client, good)));
    let good_server = spawn(read_to_end(ws));

    let started = tokio::time::Instant::now();
    let drained =
        connections.drain(CloseCode::SERVICE_RESTART, "", Duration::from_secs(10)).await.unwrap();
    assert_eq!((drained.ended, drained.aborted), (1, 3));
    assert_eq!(started.elapsed().as_secs(), 10);
    good.await.unwrap().unwrap();
    good_server.await.unwrap().unwrap();
    for end in servers.join_all().await {
        assert!(matches!(end, Err(WebSocketError::Protocol(ProtocolError::Aborted))), "{end:?}");
    }
    assert_eq!(started.elapsed().as_secs(), 10);
    // The transports are dropped.
    let mut wire = Vec::new();
    ends[0].read_to_end(&mut wire).await.unwrap();
    assert_eq!(wire, b"\x88\x02\x03\xf4");
}

#[tokio::test(start_paused = true)]
async fn connections_whose_output_is_blocked_when_a_drain_begins_end_at_its_deadline() {
    let connections = Connections::new();
    let (mut servers, mut ends) = (JoinSet::new(), Vec::new());
    for i in 0..6 {
        let (mut ws, end) = patient(100);
        connections.add(&mut ws);
        ends.push(end);
        servers.spawn(boxed(async move {
            let data = vec![0; 200_000];
            match i {
                0 => ws.send_binary(&data).await,
                1 => {
                    ws.feed_binary(&data).unwrap();
                    read_to_end(ws).await
                }
                2 => {
                    ws.feed_binary(&data).unwrap();
                    let (mut reader, _sender) = ws.split();
                    while reader.read().await?.is_some() {}
                    Ok(())
                }
                3 => {
                    let (_reader, sender) = ws.split();
                    sender.send_binary(&data).await
                }
                4 => {
                    let mut messages = ws.into_messages();
                    messages.send(Message::binary(data)).await
                }
                _ => {
                    let mut stream = ws.into_byte_stream(MessageKind::Binary);
                    Ok(stream.write_all(&data).await?)
                }
            }
        }));
    }
    // All of them wait.
    sleep(SECOND).await;
    assert_eq!(connections.len(), 6);
    let started = tokio::time::Instant::now();
    let drained = connections.drain(CloseCode::GOING_AWAY, "", 10 * SECOND).await.unwrap();
    assert_eq!((drained.ended, drained.aborted), (0, 6));
    assert!(servers.join_all().await.iter().all(Result::is_err));
    assert_eq!(started.elapsed().as_secs(), 10);
}

#[tokio::test(start_paused = true)]
async fn the_close_timeout_can_end_a_connection_before_the_drain_deadline() {
    let connections = Connections::new();
    let (here, _there) = duplex(100);
    let mut ws = plain(Role::Server, here);
    connections.add(&mut ws);
    let server = spawn(read_to_end(ws));
    let started = tokio::time::Instant::now();
    let drained = connections.drain(CloseCode::GOING_AWAY, "", Duration::MAX).await.unwrap();
    assert_eq!((drained.ended, drained.aborted), (1, 0));
    // The close timeout, then at most the linger timeout.
    assert!((5..=10).contains(&started.elapsed().as_secs()));
    assert!(server.await.unwrap().is_err());
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_added_during_a_drain_is_closed_at_once() {
    let connections = Connections::new();
    let (mut ws, _slow) = patient(100);
    connections.add(&mut ws);
    let server = spawn(read_to_end(ws));
    let draining = spawn({
        let connections = connections.clone();
        async move { connections.drain(CloseCode::GOING_AWAY, "", 10 * SECOND).await.unwrap() }
    });
    sleep(SECOND).await;
    assert!(connections.is_draining());
    for late in [false, true] {
        if late {
            sleep(20 * SECOND).await;
        }
        let (here, there) = duplex(100);
        let (mut new, client) = (plain(Role::Server, here), plain(Role::Client, there));
        connections.add(&mut new);
        assert!(matches!(new.feed_text("x"), Err(SendError::Closed)));
        let client = spawn(async move {
            let mut client = client;
            while client.read().await?.is_some() {}
            Ok::<_, WebSocketError>(client.close_status().unwrap().code)
        });
        read_to_end(new).await.unwrap();
        assert_eq!(client.await.unwrap().unwrap(), CloseCode::GOING_AWAY);
    }
    let drained = draining.await.unwrap();
    assert_eq!((drained.ended, drained.aborted), (1, 1));
    assert!(server.await.unwrap().is_err());
}

#[tokio::test(start_paused = true)]
async fn a_drain_can_be_dropped_or_repeated() {
    let connections = Connections::new();
    let (mut ws, _silent) = patient(100);
    connections.add(&mut ws);
    let server = spawn(read_to_end(ws));
    let timeout = tokio::time::timeout(
        SECOND,
        connections.drain(CloseCode::GOING_AWAY, "", Duration::from_secs(3)),
    );
    timeout.await.unwrap_err();
    sleep(10 * SECOND).await;
    assert_eq!(connections.len(), 1);
    let drained = connections.drain(CloseCode::NORMAL, "", SECOND).await.unwrap();
    assert_eq!((drained.ended, drained.aborted), (0, 1));
    assert!(server.await.unwrap().is_err());
    let drained = connections.drain(CloseCode::NORMAL, "", SECOND).await.unwrap();
    assert_eq!((drained.ended, drained.aborted), (0, 1));
}

#[tokio::test]
async fn dropped_or_disassembled_connections_are_removed() {
    let connections = Connections::new();
    let mut all: Vec<_> = (0..3).map(|_| plain(Role::Server, duplex(10).0)).collect();
    for ws in &mut all {
        connections.add(ws);
    }
    let other = Connections::new();
    other.add(&mut all[2]);
    assert_eq!((connections.len(), other.len()), (2, 1));
    let (reader, _sender) = all.pop().unwrap().split();
    drop(reader);
    assert_eq!((connections.len(), other.len()), (2, 0));
    let _unfinished = all.pop().unwrap().into_inner();
    assert_eq!(connections.len(), 1);
    drop(all);
    assert!(connections.is_empty());
    // No connection to wait for; an unsendable code, and a reason that is too long.
    let drain = async |code, reason: &str| connections.drain(code, reason, Duration::ZERO).await;
    assert_eq!(drain(CloseCode::NO_STATUS, "").await, Err(SendError::UnsendableCode(1005)));
    assert_eq!(drain(CloseCode::NORMAL, &"x".repeat(124)).await, Err(SendError::ReasonTooLong));
    assert!(!connections.is_draining());
    let drained = drain(CloseCode::NORMAL, &"x".repeat(123)).await.unwrap();
    assert_eq!((drained.ended, drained.aborted), (0, 0));
}

fn tcp(config: &Config) -> (blocking::WebSocket<TcpStream>, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (server, _) = listener.accept().unwrap();
    let server =
        blocking::WebSocket::from_connection(server, connection(Role::Server, config), &[]);
    (server, client)
}

#[test]
fn on_threads_clients_get_1001_and_a_silent_one_is_dropped() {
    let connections = blocking::Connections::new();
    // Reads check for a drain every 250 ms.
    let config = preset(Role::Server).close_timeout(SECOND).build().unwrap();
    let (mut servers, mut clients) = (Vec::new(), Vec::new());
    for i in 0..10 {
        let (mut ws, client) = tcp(&config);
        connections.add(&mut ws);
        servers.push(thread::spawn(move || -> Result<(), WebSocketError> {
            if i % 2 == 0 {
                while ws.read()?.is_some() {}
                return Ok(());
            }
            let (mut reader, _sender) = ws.split().unwrap();
            while reader.read()?.is_some() {}
            Ok(())
        }));
        let config = preset(Role::Client).build().unwrap();
        let connection = connection(Role::Client, &config);
        clients.push(thread::spawn(move || {
            let mut ws = blocking::WebSocket::from_connection(client, connection, &[]);
            while ws.read().unwrap().is_some() {}
            ws.close_status().unwrap().code
        }));
    }
    let drained = connections.drain(CloseCode::GOING_AWAY, "", Duration::MAX).unwrap();
    assert_eq!((drained.ended, drained.aborted), (10, 0));
    for client in clients {
        assert_eq!(client.join().unwrap(), CloseCode::GOING_AWAY);
    }
    for server in servers {
        server.join().unwrap().unwrap();
    }

    // A close timeout of an hour: the deadline of the drain is earlier.
    let config = preset(Role::Server).close_timeout(3600 * SECOND).build().unwrap();
    let connections = blocking::Connections::new();
    let mut silent = Vec::new();
    let mut servers = Vec::new();
    for i in 0..2 {
        let (mut ws, client) = tcp(&config);
        connections.add(&mut ws);
        silent.push(client);
        servers.push(thread::spawn(move || -> Result<(), WebSocketError> {
            if i == 0 {
                while ws.read()?.is_some() {}
                return Ok(());
            }
            // The client does not read.
            ws.send_binary(&vec![0; 64 << 20])
        }));
    }
    let drained = connections.drain(CloseCode::GOING_AWAY, "", Duration::from_millis(100)).unwrap();
    assert_eq!((drained.ended, drained.aborted), (0, 2));
    for server in servers {
        let end = server.join().unwrap();
        assert!(matches!(end, Err(WebSocketError::Protocol(ProtocolError::Aborted))), "{end:?}");
    }
    // Closed at once.
    let (mut ws, _client) = tcp(&config);
    connections.add(&mut ws);
    assert!(matches!(ws.feed_text("x"), Err(SendError::Closed)));
    drop(silent);
}
