//! One stream of a session as a transport.

use core::fmt;
use core::pin::Pin;
use core::task::{Context, Poll, ready};

use alloc::sync::Arc;
use std::io;

use bytes::Bytes;
use h2::{FlowControl, Reason, SendStream};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::h2::error::stream_error;
use crate::h2::progress::{Mark, Progress};
use crate::h2::pump::Mailbox;

/// The stream of a WebSocket over HTTP/2.
///
/// The ends of a stream: END_STREAM is the end of the input, RST_STREAM an error of the kind
/// [`ConnectionReset`](io::ErrorKind::ConnectionReset), the end of the session one of the kind
/// [`ConnectionAborted`](io::ErrorKind::ConnectionAborted) or
/// [`BrokenPipe`](io::ErrorKind::BrokenPipe). The session writes the output of a dropped stream,
/// then resets it (CANCEL), unless it has ended. [`poll_shutdown`](AsyncWrite::poll_shutdown) ends the output, and is ready when the
/// session has written it.
pub struct Stream {
    input: Input,
    output: SendStream<Bytes>,
    progress: Arc<Progress>,
    /// The end of the output.
    end: Option<Mark>,
    /// The largest amount of output that is passed to the session at once.
    send_buffer: usize,
}

/// The input of a stream. Dropping it ends the pump.
#[derive(Debug)]
pub(super) struct Input {
    pub(super) mailbox: Arc<Mailbox>,
    /// The window of the stream; `None` before the response.
    pub(super) flow: Option<FlowControl>,
    /// Set when a stream with output is dropped.
    pub(super) unwritten: Option<(Arc<Progress>, Mark)>,
}

impl Input {
    /// Reads data, and returns their number.
    pub(super) fn poll_read(
        &mut self,
        cx: &Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<usize>> {
        let len = ready!(self.mailbox.poll_read(cx, buf))?;
        if let Some(flow) = &mut self.flow
            && len > 0
        {
            // It fails only if the stream has ended: then there is no window to return.
            let _ = flow.release_capacity(len);
        }
        Poll::Ready(Ok(len))
    }
}

impl Drop for Input {
    fn drop(&mut self) {
        self.mailbox.end(self.unwritten.take());
    }
}

impl Stream {
    pub(super) const fn new(
        input: Input,
        output: SendStream<Bytes>,
        progress: Arc<Progress>,
        send_buffer: usize,
    ) -> Self {
        Self { input, output, progress, end: None, send_buffer }
    }

    /// Returns the number of the stream on its session.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.output.stream_id().as_u32()
    }

    /// Resets the stream with this error code
    /// ([RFC 9113 section 7](https://www.rfc-editor.org/rfc/rfc9113#section-7)): the counterpart of a
    /// reset of TCP, for tunnels. Output that the session has not written is discarded.
    pub fn reset(mut self, code: u32) {
        self.output.send_reset(Reason::from(code));
    }

    /// Ready with the error code when the peer has reset the stream, even if its input has ended before,
    /// or with the one of the GOAWAY that has ended the session. Input before it may be unread.
    ///
    /// Poll it from the task that writes: the stream keeps one waker for both.
    ///
    /// # Errors
    /// The session was lost.
    pub fn poll_reset(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<u32>> {
        self.output.poll_reset(cx).map_ok(u32::from).map_err(stream_error)
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream").field("id", &self.id()).finish_non_exhaustive()
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.input.poll_read(cx, buf).map_ok(|_| ())
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        // A session may send 100 empty frames in all.
        if buf.is_empty() {
            return Poll::Ready(Ok(0));
        }
        if self.end.is_some() {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let wanted = buf.len().min(self.send_buffer);
        let output = &mut self.output;
        output.reserve_capacity(wanted);
        while output.capacity() == 0 {
            // h2 assigns the window of the session to the streams that have reserved it. A stream whose
            // task writes no more would keep it from the others: wait for one byte, then reserve again.
            output.reserve_capacity(1);
            match output.poll_capacity(cx) {
                Poll::Ready(Some(Ok(_))) => output.reserve_capacity(wanted),
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(stream_error(error))),
                Poll::Ready(None) => return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
                Poll::Pending => return Poll::Pending,
            }
        }
        let data = buf.get(..output.capacity().min(wanted)).unwrap_or_default();
        output.send_data(Bytes::copy_from_slice(data), false).map_err(stream_error)?;
        if data.len() < wanted {
            output.reserve_capacity(0);
        }
        Poll::Ready(Ok(data.len()))
    }

    /// The session flushes.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mark = match self.end {
            Some(mark) => mark,
            None => {
                // A reset stream has no end to send.
                let sent = self.output.send_data(Bytes::new(), true).map_err(stream_error);
                let mark = self.progress.mark();
                self.end = Some(mark);
                sent?;
                mark
            }
        };
        self.progress.poll_written(mark, cx)
    }
}

/// h2 resets the stream when the pump has dropped it, too.
impl Drop for Stream {
    fn drop(&mut self) {
        let mark = self.end.unwrap_or_else(|| self.progress.mark());
        self.input.unwritten = Some((self.progress.clone(), mark));
    }
}
