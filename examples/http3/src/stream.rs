//! One stream of QUIC as the transport of a WebSocket.

use core::future::{Future, poll_fn};
use core::pin::Pin;
use core::task::{Context, Poll, ready};
use std::io;

use bytes::{Buf, BytesMut};
use quinn::{Connection, RecvStream, SendStream};
use shiguredo_http3::frame::{FrameType, encode_frame_header};
use shiguredo_http3::{ErrorCode, VarInt};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::fault::{Fault, quic};
use crate::frames::{FrameReader, Part};

/// The bytes that one read takes from the window of a stream.
const READ_LEN: usize = 8 * 1024;
/// The longest payload of a DATA frame, and so the bound of the output that a stream buffers.
const MAX_DATA: usize = 64 * 1024;

/// The frames that a stream receives.
#[derive(Debug)]
pub(crate) struct Input {
    pub(crate) recv: RecvStream,
    frames: FrameReader,
    /// Bytes that were received and not read. No memory while the stream is idle.
    buffer: BytesMut,
}

impl Input {
    /// Creates the input from a stream and from the bytes that were read from it.
    pub(crate) fn new(recv: RecvStream, buffer: BytesMut) -> Self {
        Self { recv, frames: FrameReader::default(), buffer }
    }

    /// Reads the next part; `None` at the end of the stream.
    pub(crate) async fn read(&mut self) -> Result<Option<Part>, Fault> {
        poll_fn(|cx| self.poll_read(cx, usize::MAX)).await
    }

    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        max_data: usize,
    ) -> Poll<Result<Option<Part>, Fault>> {
        loop {
            if let Some(part) = self.frames.read(&mut self.buffer, max_data)? {
                return Poll::Ready(Ok(Some(part)));
            }
            if ready!(self.poll_fill(cx))? == 0 {
                return Poll::Ready(if self.frames.is_between_frames() {
                    Ok(None)
                } else {
                    // RFC 9114 section 7.1
                    Err(Fault::Connection(ErrorCode::FrameError))
                });
            }
        }
    }

    /// Fills the empty buffer. Returns the number of bytes, 0 at the end of the stream.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<Result<usize, Fault>> {
        self.buffer.resize(READ_LEN, 0);
        let read = self.recv.poll_read(cx, &mut self.buffer);
        match read {
            Poll::Ready(Ok(len)) => self.buffer.truncate(len),
            _ => self.buffer = BytesMut::new(),
        }
        read.map_err(Fault::from)
    }
}

/// A stream after its CONNECT request was accepted: DATA frames only in both directions (RFC 9114 section
/// 4.4).
///
/// FIN is the end of the input, RESET_STREAM and STOP_SENDING are errors of the kind `ConnectionReset`, a lost
/// connection is one of the kind `ConnectionAborted`. Dropping the stream resets it with
/// H3_REQUEST_CANCELLED, unless it was shut down.
pub(crate) struct Stream {
    connection: Connection,
    input: Input,
    send: SendStream,
    /// A DATA frame, or the rest of it.
    output: BytesMut,
    /// After FIN: ready when the peer has received all output.
    received: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl Stream {
    pub(crate) fn new(connection: Connection, input: Input, send: SendStream) -> Self {
        Self { connection, input, send, output: BytesMut::new(), received: None }
    }

    fn fail(&mut self, fault: Fault) -> io::Error {
        fault.report(&self.connection, &mut self.send, &mut self.input.recv);
        fault.into()
    }

    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.output.has_remaining() {
            let len = ready!(Pin::new(&mut self.send).poll_write(cx, &self.output))
                .map_err(Fault::from)?;
            self.output.advance(len);
        }
        // An idle WebSocket has no buffer.
        self.output = BytesMut::new();
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while buf.remaining() > 0 {
            let fault = match ready!(self.input.poll_read(cx, buf.remaining())) {
                Ok(None) => break,
                Ok(Some(Part::Data(data))) if data.is_empty() => continue,
                Ok(Some(Part::Data(data))) => {
                    buf.put_slice(&data);
                    break;
                }
                Ok(Some(Part::Unknown)) => continue,
                Ok(Some(Part::Frame(..))) => Fault::Connection(ErrorCode::FrameUnexpected),
                Err(fault) => fault,
            };
            return Poll::Ready(Err(self.fail(fault)));
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.received.is_some() {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        ready!(self.poll_drain(cx))?;
        let data = buf.get(..MAX_DATA).unwrap_or(buf);
        if !data.is_empty() {
            put_frame(FrameType::Data, data, &mut self.output)?;
            // The rest is written by the next write or flush.
            if let Poll::Ready(Err(error)) = self.poll_drain(cx) {
                return Poll::Ready(Err(error));
            }
        }
        Poll::Ready(Ok(data.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_drain(cx)
    }

    /// Ends the output. Ready when the peer has received it.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_drain(cx))?;
        if self.received.is_none() {
            // Fails if the peer has stopped the stream: then there is no end to send.
            let _ = self.send.finish();
            let stopped = self.send.stopped();
            self.received = Some(Box::pin(async move { drop(stopped.await) }));
        }
        match &mut self.received {
            Some(received) => received.as_mut().poll(cx).map(Ok),
            None => Poll::Ready(Ok(())),
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let code = if self.received.is_some() {
            ErrorCode::NoError
        } else {
            // quinn sends FIN for a stream that is dropped, which would be an orderly end.
            let _ = self.send.reset(quic(ErrorCode::RequestCancelled));
            ErrorCode::RequestCancelled
        };
        // Fails if the input has ended.
        let _ = self.input.recv.stop(quic(code));
    }
}

/// Appends a frame.
pub(crate) fn put_frame(kind: FrameType, payload: &[u8], out: &mut BytesMut) -> io::Result<()> {
    let mut head = [0; 16];
    let head = VarInt::new(payload.len() as u64)
        .ok()
        .and_then(|len| encode_frame_header(&mut head, VarInt::from(kind as u8), len))
        .and_then(|len| head.get(..len))
        .ok_or(io::ErrorKind::InvalidInput)?;
    out.reserve(head.len() + payload.len());
    out.extend_from_slice(head);
    out.extend_from_slice(payload);
    Ok(())
}

#[cfg(test)]
mod tests {
    use core::net::Ipv4Addr;
    use std::sync::Arc;

    use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
    use quinn::{ClientConfig, Endpoint, ReadError, ServerConfig};
    use rustls::RootCertStore;
    use rustls::crypto::aws_lc_rs::default_provider;
    use rustls::version::TLS13;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    /// The two ends of a stream.
    struct Pair {
        stream: Stream,
        send: SendStream,
        recv: RecvStream,
        client: Connection,
        /// They end the connection when they are dropped.
        _others: (Connection, [Endpoint; 2]),
    }

    async fn pair() -> Pair {
        let made = rcgen::generate_simple_self_signed(["localhost".into()]).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(made.cert.der().clone()).unwrap();
        let provider = Arc::new(default_provider());
        let server = rustls::ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&[&TLS13])
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.into()], made.signing_key.into())
            .unwrap();
        let server = Arc::new(QuicServerConfig::try_from(server).unwrap());
        let client = rustls::ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let client = ClientConfig::new(Arc::new(QuicClientConfig::try_from(client).unwrap()));

        let any = (Ipv4Addr::LOCALHOST, 0).into();
        let listener = Endpoint::server(ServerConfig::with_crypto(server), any).unwrap();
        let connector = Endpoint::client(any).unwrap();
        let address = listener.local_addr().unwrap();
        let connecting = connector.connect_with(client, address, "localhost").unwrap();
        let accepting = async { listener.accept().await.unwrap().await };
        let (client, server) = tokio::try_join!(connecting, accepting).unwrap();
        let (mut send, recv) = client.open_bi().await.unwrap();
        // A frame of an unknown type.
        send.write_all(&[0x21, 0]).await.unwrap();
        let (output, input) = server.accept_bi().await.unwrap();
        let stream = Stream::new(server.clone(), Input::new(input, BytesMut::new()), output);
        Pair { stream, send, recv, client, _others: (server, [listener, connector]) }
    }

    #[tokio::test]
    async fn a_dropped_stream_is_reset() {
        let Pair { mut stream, send, mut recv, client: _client, _others } = pair().await;
        stream.write_all(b"abc").await.unwrap();
        drop(stream);
        let code = quic(ErrorCode::RequestCancelled);
        assert_eq!(recv.read_to_end(100).await, Err(ReadError::Reset(code).into()));
        assert_eq!(send.stopped().await, Ok(Some(code)));
    }

    #[tokio::test]
    async fn a_stream_that_was_shut_down_ends_in_order() {
        let Pair { mut stream, send, mut recv, client: _client, _others } = pair().await;
        stream.write_all(b"abc").await.unwrap();
        stream.shutdown().await.unwrap();
        assert!(stream.write_all(b"d").await.is_err());
        drop(stream);
        assert_eq!(recv.read_to_end(100).await.unwrap(), b"\x00\x03abc");
        assert_eq!(send.stopped().await, Ok(Some(quic(ErrorCode::NoError))));
    }

    #[tokio::test]
    async fn the_ends_of_the_input() {
        let Pair { mut stream, mut send, client: _client, _others, .. } = pair().await;
        send.write_all(b"\x00\x03abc").await.unwrap();
        send.finish().unwrap();
        let mut all = Vec::new();
        stream.read_to_end(&mut all).await.unwrap();
        assert_eq!(all, b"abc");

        let Pair { mut stream, mut send, client: _client, _others, .. } = pair().await;
        send.reset(quic(ErrorCode::RequestCancelled)).unwrap();
        let error = stream.read_u8().await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        assert_eq!(error.to_string(), "RESET_STREAM from the peer: H3_REQUEST_CANCELLED");

        let Pair { mut stream, client, _others, .. } = pair().await;
        client.close(quic(ErrorCode::NoError), b"");
        let error = stream.read_u8().await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionAborted);
    }
}
