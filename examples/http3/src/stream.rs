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
