//! The blocking adapter over a TLS stream of the caller.

use core::net::SocketAddr;
use core::time::Duration;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::Instant;

use sansocket::blocking::{Connector, Transport, WebSocket};
use sansocket::error::{ConnectError, ConnectErrorKind, ConnectStep};
use sansocket::handshake::HandshakeError;
use sansocket::{CloseCode, Event, WebSocketError};
use tokio::io::AsyncWriteExt;
use tokio_rustls::rustls::ClientConnection;
use tokio_rustls::rustls::pki_types::ServerName;

use super::{
    accept, config, echo, echo_server, request, serve_tcp, serve_tls, silent_server,
    silent_tcp_server, trickling_server, trusting,
};

/// The transport of the cookbook. Each call reads and writes TCP at most once, so that the deadlines of
/// the adapter also apply to the TLS handshake.
#[derive(Debug)]
struct Tls {
    tls: ClientConnection,
    tcp: TcpStream,
    /// The output of the TLS handshake is not written yet: `read` writes it.
    opening: bool,
}

impl Tls {
    fn write_tls(&mut self) -> io::Result<()> {
        while self.tls.wants_write() {
            self.tls.write_tls(&mut self.tcp)?;
        }
        Ok(())
    }
}

impl Read for Tls {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.tls.reader().read(buffer) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            done => return done,
        }
        if self.opening {
            self.write_tls()?;
            self.opening = self.tls.is_handshaking();
        }
        self.tls.read_tls(&mut self.tcp)?;
        if let Err(error) = self.tls.process_new_packets() {
            let _ = self.write_tls(); // the alert
            return Err(io::Error::other(error));
        }
        // `WouldBlock` for a part of a record: the adapter checks its deadlines and calls again.
        self.tls.reader().read(buffer)
    }
}

impl Write for Tls {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_tls()?;
        self.tls.writer().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.write_tls()
    }
}

impl Transport for Tls {
    fn set_read_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.tcp.set_read_timeout(timeout)
    }

    fn set_write_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.tcp.set_write_timeout(timeout)
    }

    fn set_nonblocking(&mut self, nonblocking: bool) -> io::Result<()> {
        self.tcp.set_nonblocking(nonblocking)
    }

    fn can_resume_write(&self) -> bool {
        self.tcp.can_resume_write()
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        self.tls.send_close_notify();
        self.write_tls()?;
        self.tcp.shutdown(Shutdown::Write)
    }
}

fn connect(address: SocketAddr, timeout_ms: u64) -> Result<WebSocket<Tls>, ConnectError> {
    let (request, config) = (request("localhost", address), config(timeout_ms));
    let tcp = Connector::new().dial(&request, &config)?;
    let name = ServerName::try_from(request.host().to_owned()).unwrap();
    let mut tls = trusting("ca.pem");
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    let tls = ClientConnection::new(Arc::new(tls), name).unwrap();
    Ok(WebSocket::client(Tls { tls, tcp, opening: true }, &request, &config)?.0)
}

#[test]
fn b5_messages_over_wss() {
    let address = echo_server("localhost.pem");
    let mut ws = connect(address, 5000).unwrap();
    for len in [0, 5, 70_000, 1 << 20] {
        let text = "x".repeat(len);
        ws.send_text(&text).unwrap();
        assert!(matches!(ws.read().unwrap(), Some((Event::Text(echo), _)) if echo == text));
    }
    ws.close(CloseCode::NORMAL, "").unwrap();
}

/// Neither end reads before its output is written, unless reads and writes take turns.
#[test]
fn b5_both_directions_at_once() {
    const LEN: usize = 4 << 20;

    let address = serve_tls("localhost.pem", |stream| async move {
        let mut ws = accept(stream).await;
        ws.feed_binary(&vec![1; LEN]).unwrap();
        ws.flush().await.unwrap();
        let _ = echo(&mut ws).await;
    });
    let mut ws = connect(address, 5000).unwrap();
    ws.feed_binary(&vec![2; LEN]).unwrap();
    for byte in [1, 2] {
        let (event, _) = ws.read().unwrap().unwrap();
        let Event::Binary(bytes) = event else { panic!("{event:?}") };
        assert!(bytes.len() == LEN && bytes.iter().all(|&found| found == byte));
    }
    ws.close(CloseCode::NORMAL, "").unwrap();
}

#[test]
fn b5_a_tls_stream_has_no_second_handle() {
    let ws = connect(echo_server("localhost.pem"), 5000).unwrap();
    let error = ws.split().unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::Unsupported);
    assert_eq!(error.to_string(), "this transport has no second handle, so it can't be split");
}

#[test]
fn b5_one_deadline_over_tls_and_the_opening_handshake() {
    for address in [silent_tcp_server(), trickling_server(), silent_server("localhost.pem")] {
        let start = Instant::now();
        let error = connect(address, 400).map(|_| ()).unwrap_err();
        assert!(start.elapsed() < Duration::from_secs(5), "{error}");
        assert!(error.is_timeout(), "{error:?}");
    }
}

#[test]
fn b5_errors_of_tls() {
    for certificate in ["other.pem", "expired.pem", "self_signed.pem"] {
        let address = echo_server(certificate);
        let error = connect(address, 5000).map(|_| ()).unwrap_err();
        assert_eq!(error.step(), ConnectStep::Handshake);
        assert!(matches!(error.kind(), ConnectErrorKind::Io(_)), "{error:?}");
        assert!(error.to_string().contains("certificate"), "{error}");
    }
    let address = serve_tcp(|stream| async move { drop(stream) });
    let error = connect(address, 5000).map(|_| ()).unwrap_err();
    assert!(
        matches!(
            error.kind(),
            ConnectErrorKind::Io(_)
                | ConnectErrorKind::Handshake(HandshakeError::ClosedWithoutResponse)
        ),
        "{error:?}"
    );
}

#[test]
fn b5_a_missing_close_notify_is_a_lost_connection() {
    let address = serve_tls("localhost.pem", |stream| async move {
        let mut ws = accept(stream).await;
        ws.send_text("the last").await.unwrap();
        let mut stream = ws.into_inner().stream;
        stream.get_mut().0.shutdown().await.unwrap();
    });
    let mut ws = connect(address, 5000).unwrap();
    assert!(matches!(ws.read().unwrap(), Some((Event::Text("the last"), _))));
    match ws.read().map(|_| ()).unwrap_err() {
        WebSocketError::Io(error) => assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof),
        error => panic!("{error:?}"),
    }
}
