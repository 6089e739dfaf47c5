//! The connector of the tokio adapter.

use core::net::SocketAddr;
use core::time::Duration;
use std::env;
use std::io;
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use sansocket::error::{ConnectError, ConnectErrorKind, ConnectStep, PeerError, ProtocolError};
use sansocket::handshake::proxy::Proxy;
use sansocket::tokio::{ClientStream, Connector, WebSocket};
use sansocket::{CloseCode, ConnectRequest, Event, WebSocketError};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio_rustls::rustls::crypto::{CryptoProvider, aws_lc_rs};
use tokio_rustls::rustls::{self, CertificateError, ClientConfig};

use super::{
    accept, block_on, config, echo_server, request, serve_tcp, serve_tls, silent_server,
    silent_tcp_server, trickling_server, trusting,
};
use crate::common::tasks;

fn connector() -> Connector {
    Connector::new().tls(Arc::new(trusting("ca.pem")))
}

async fn connect(address: SocketAddr) -> WebSocket<ClientStream> {
    connector().connect(&request("localhost", address), &config(5000)).await.unwrap().0
}

fn error(connector: &Connector, request: &ConnectRequest, timeout_ms: u64) -> ConnectError {
    block_on(connector.connect(request, &config(timeout_ms))).unwrap_err()
}

/// Returns the error of rustls.
#[track_caller]
fn cause(error: &ConnectError) -> &rustls::Error {
    let ConnectErrorKind::Tls(cause) = error.kind() else { panic!("{error:?}") };
    cause.get_ref().unwrap().downcast_ref().unwrap()
}

#[test]
fn t5_messages_over_wss() {
    block_on(async {
        let address = echo_server("localhost.pem");
        for host in ["localhost", "127.0.0.1"] {
            let request = request(host, address);
            let (mut ws, response) = connector().connect(&request, &config(5000)).await.unwrap();
            assert_eq!(response.status(), 101);
            assert_eq!(ws.get_ref().peer_addr().unwrap(), address);
            assert_ne!(ws.get_ref().local_addr().unwrap(), address);
            assert!(ws.get_ref().as_tcp().is_none());
            for len in [0, 5, 70_000, 1 << 20] {
                let text = "x".repeat(len);
                ws.send_text(&text).await.unwrap();
                let (event, _) = ws.read().await.unwrap().unwrap();
                assert!(matches!(event, Event::Text(echo) if echo == text));
            }
            ws.close(CloseCode::NORMAL, "").await.unwrap();
            assert!(ws.into_inner().stream.into_tcp().is_err());
        }
    });
}

#[test]
fn t5_both_directions_at_once() {
    const COUNT: usize = 100;

    block_on(async {
        let (mut reader, sender) = connect(echo_server("localhost.pem")).await.split();
        let message = vec![7; 100_000];
        let send = async {
            for _ in 0..COUNT {
                sender.send_binary(&message).await.unwrap();
            }
            sender.close_output(CloseCode::NORMAL, "").unwrap();
        };
        let receive = async {
            let mut count = 0;
            while let Some((event, _)) = reader.read().await.unwrap() {
                count += usize::from(matches!(event, Event::Binary(echo) if echo == message));
            }
            count
        };
        let ((), count) = tokio::join!(send, receive);
        assert_eq!(count, COUNT);
    });
}

/// TLS has a buffer: a send is complete only when it is flushed.
#[test]
fn t5_a_sent_message_leaves_without_a_further_call() {
    let (report, seen) = std::sync::mpsc::channel();
    let address = serve_tls("localhost.pem", move |stream| {
        let report = report.clone();
        async move {
            let mut ws = accept(stream).await;
            let (event, _) = ws.read().await.unwrap().unwrap();
            report.send(matches!(event, Event::Text("Hello"))).unwrap();
        }
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let ws = tasks::block_on(&runtime, async {
        let mut ws = connect(address).await;
        ws.send_text("Hello").await.unwrap();
        ws
    });
    assert_eq!(seen.recv_timeout(Duration::from_secs(20)), Ok(true));
    drop(ws);
}

/// RFC 6455 section 7.1.1; RFC 8446 section 6.1: a missing close_notify may be an attack that cuts the
/// stream off. It is a lost connection, after the messages that were complete.
#[test]
fn t5_the_end_of_the_transport_without_a_close_frame() {
    for close_notify in [false, true] {
        let address = serve_tls("localhost.pem", move |stream| async move {
            let mut ws = accept(stream).await;
            ws.send_text("the last").await.unwrap();
            let mut stream = ws.into_inner().stream;
            if close_notify {
                stream.shutdown().await.unwrap();
            } else {
                stream.get_mut().0.shutdown().await.unwrap();
            }
        });
        block_on(async {
            let mut ws = connect(address).await;
            let (event, _) = ws.read().await.unwrap().unwrap();
            assert!(matches!(event, Event::Text("the last")));
            match ws.read().await.map(|_| ()).unwrap_err() {
                WebSocketError::Io(error) if !close_notify => {
                    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
                }
                WebSocketError::Protocol(error) if close_notify => {
                    let expected = ProtocolError::Peer(PeerError::ClosedWithoutHandshake);
                    assert_eq!(error, expected);
                }
                error => panic!("{error:?}"),
            }
        });
    }
}

#[test]
fn t5_closing_sends_close_notify() {
    let (report, seen) = std::sync::mpsc::channel();
    let address = serve_tls("localhost.pem", move |stream| {
        let report = report.clone();
        async move {
            let mut ws = accept(stream).await;
            ws.close_output(CloseCode::GOING_AWAY, "").unwrap();
            while ws.read().await.unwrap().is_some() {}
            let end = ws.into_inner().stream.read(&mut [0]).await;
            report.send(end.map_err(|error| error.kind())).unwrap();
        }
    });
    block_on(async {
        let mut ws = connect(address).await;
        while ws.read().await.unwrap().is_some() {}
        drop(ws);
    });
    assert_eq!(seen.recv_timeout(Duration::from_secs(20)).unwrap(), Ok(0));
}

#[test]
fn t5_certificates_are_verified() {
    type Check = fn(&CertificateError) -> bool;
    let name: Check = |error| matches!(error, CertificateError::NotValidForNameContext { .. });
    let expired: Check = |error| matches!(error, CertificateError::ExpiredContext { .. });
    let unknown: Check = |error| *error == CertificateError::UnknownIssuer;
    let cases: [(&str, Check, &str); 3] = [
        ("other.pem", name, "certificate not valid for name \"localhost\""),
        ("expired.pem", expired, "certificate expired"),
        ("self_signed.pem", unknown, "invalid peer certificate"),
    ];
    for (certificate, check, text) in cases {
        let address = echo_server(certificate);
        let error = error(&connector(), &request("localhost", address), 5000);
        let cause = cause(&error);
        assert!(
            matches!(cause, rustls::Error::InvalidCertificate(cause) if check(cause)),
            "{error:?}"
        );
        assert_eq!(error.step(), ConnectStep::Tls);
        let start = format!("localhost:{}: TLS handshake failed: ", address.port());
        let shown = error.to_string();
        assert!(shown.starts_with(&start) && shown.contains(text), "{shown}");
    }
}

/// The config of the caller may be in use elsewhere: it is not changed.
#[test]
fn t5_a_config_of_the_caller() {
    let tls13 = CryptoProvider {
        cipher_suites: vec![aws_lc_rs::cipher_suite::TLS13_CHACHA20_POLY1305_SHA256],
        ..aws_lc_rs::default_provider()
    };
    let mut roots = rustls::RootCertStore::empty();
    roots.add(super::certificate("ca.pem")).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(tls13));
    let builder = builder.with_protocol_versions(&[&rustls::version::TLS13]).unwrap();
    let mut tls = builder.with_root_certificates(roots).with_no_client_auth();
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let tls = Arc::new(tls);
    let address = echo_server("localhost.pem"); // it checks the protocol
    block_on(async {
        let connector = Connector::new().tls(tls.clone());
        let connected = connector.connect(&request("localhost", address), &config(5000)).await;
        connected.unwrap().0.close(CloseCode::NORMAL, "").await.unwrap();
    });
    assert_eq!(tls.alpn_protocols.len(), 2);
}

#[test]
fn t5_one_deadline_over_all_steps() {
    let servers: [(fn() -> SocketAddr, ConnectStep); 3] = [
        (silent_tcp_server, ConnectStep::Tls),
        (trickling_server, ConnectStep::Tls),
        (|| silent_server("localhost.pem"), ConnectStep::Handshake),
    ];
    for (server, step) in servers {
        let address = server();
        let start = Instant::now();
        let error = error(&connector(), &request("localhost", address), 400);
        assert!(start.elapsed() < Duration::from_secs(5), "{error}");
        assert!(error.is_timeout(), "{error:?}");
        assert_eq!((error.step(), error.host()), (step, "localhost"));
        assert_eq!(error.port(), address.port());
    }
}

/// The server serves one connection after the other: each dropped attempt must end its transport.
#[test]
fn t5_an_attempt_dropped_at_any_poll_ends_its_connection() {
    let address = echo_server("localhost.pem");
    block_on(async {
        for polls in 1..30 {
            let (connector, to, config) =
                (connector(), request("localhost", address), config(5000));
            let mut attempt = core::pin::pin!(connector.connect(&to, &config));
            for _ in 0..polls {
                let once = core::future::poll_fn(|cx| {
                    core::task::Poll::Ready(attempt.as_mut().poll(cx).is_ready())
                });
                if once.await {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
        connect(address).await.close(CloseCode::NORMAL, "").await.unwrap();
    });
}

#[test]
fn t5_tls_and_plain_ports_mistaken_for_each_other() {
    let plain = serve_tcp(|stream| async move {
        let config = sansocket::Config::server().build().unwrap();
        let options = sansocket::AcceptOptions::new();
        let _ = WebSocket::accept(stream, &config, &options).await;
    });
    let found = error(&connector(), &request("localhost", plain), 5000);
    assert_eq!(found.step(), ConnectStep::Tls);
    assert!(matches!(cause(&found), rustls::Error::InvalidMessage(_)), "{found:?}");

    let tls = echo_server("localhost.pem");
    let request = ConnectRequest::new(&format!("ws://localhost:{}/", tls.port())).unwrap();
    let found = error(&connector(), &request, 5000);
    assert_eq!(found.step(), ConnectStep::Handshake);
    assert!(matches!(found.kind(), ConnectErrorKind::Handshake(_)), "{found:?}");
}

#[test]
fn t5_a_server_that_ends_in_the_tls_handshake() {
    let address = serve_tcp(|stream| async move { drop(stream) });
    let error = error(&connector(), &request("localhost", address), 5000);
    assert_eq!(error.step(), ConnectStep::Tls);
    assert!(matches!(error.kind(), ConnectErrorKind::Tls(_)), "{error:?}");
}

/// An HTTP proxy that connects every request to this server.
fn proxy_to(server: SocketAddr) -> SocketAddr {
    serve_tcp(move |mut stream| async move {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        assert!(head.starts_with(b"CONNECT "));
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
        let mut server = tokio::net::TcpStream::connect(server).await.unwrap();
        let _ = copy_bidirectional(&mut stream, &mut server).await;
    })
}

/// The certificate is that of the host in the URL, not that of the proxy.
#[test]
fn t5_hc10_wss_through_a_proxy() {
    let connector = |certificate| {
        let proxy = proxy_to(echo_server(certificate));
        connector().proxy(Proxy::http(&proxy.to_string()).unwrap())
    };
    let request = ConnectRequest::new("wss://other.example/").unwrap();
    block_on(async {
        let (mut ws, _) = connector("other.pem").connect(&request, &config(5000)).await.unwrap();
        ws.send_text("Hello").await.unwrap();
        assert!(matches!(ws.read().await.unwrap(), Some((Event::Text("Hello"), _))));
        ws.close(CloseCode::NORMAL, "").await.unwrap();
    });

    let found = error(&connector("localhost.pem"), &request, 5000);
    assert_eq!(
        (found.step(), found.host(), found.port()),
        (ConnectStep::Tls, "other.example", 443)
    );

    // A host that a proxy may resolve, and that no certificate can have.
    let request = ConnectRequest::new("wss://a~b.example/").unwrap();
    let found = error(&connector("localhost.pem"), &request, 5000);
    assert!(matches!(found.kind(), ConnectErrorKind::Tls(_)), "{found:?}");
    assert_eq!(found.step(), ConnectStep::Tls);
}

/// The environment of a process can't be changed safely: the default config is tested in processes
/// with their own environment. `SSL_CERT_FILE` has the place of the system's roots.
#[test]
fn t5_the_roots_of_the_system_are_the_default() {
    for (roots, outcome) in [
        ("ca.pem", "connected"),
        ("self_signed.pem", "invalid peer certificate: UnknownIssuer"),
        ("missing.pem", "No CA certificates were loaded from the system"),
    ] {
        let output = Command::new(env::current_exe().unwrap())
            .args([
                "--exact",
                "tls::connector::connects_with_the_default_roots",
                "--ignored",
                "--nocapture",
            ])
            .env("SSL_CERT_FILE", super::path(roots))
            .env("SSL_CERT_DIR", super::path("missing"))
            .output()
            .unwrap();
        let shown = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && shown.contains(outcome), "{roots}: {shown}");
    }
}

#[test]
#[ignore = "run by another test, in a process of its own"]
fn connects_with_the_default_roots() {
    let address = echo_server("localhost.pem");
    block_on(async {
        // The second connection takes the config of the first, or tries again.
        for _ in 0..2 {
            let request = request("localhost", address);
            match WebSocket::connect(&request, &config(5000)).await {
                Ok((mut ws, _)) => {
                    ws.close(CloseCode::NORMAL, "").await.unwrap();
                    println!("connected");
                }
                Err(error) => {
                    assert_eq!(error.step(), ConnectStep::Tls);
                    assert!(matches!(error.kind(), ConnectErrorKind::Tls(_)), "{error:?}");
                    println!("{error}");
                }
            }
        }
    });
}
