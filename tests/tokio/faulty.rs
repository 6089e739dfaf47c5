//! A transport with faults.

use core::pin::Pin;
use core::task::{Context, Poll};
use std::io;

use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};

/// A duplex with faults in the calls of its output.
#[derive(Debug)]
pub struct Faulty {
    io: DuplexStream,
    write: Fault,
    flush: Fault,
    shutdown: Fault,
}

/// The fault of all calls of one kind.
#[derive(Clone, Copy, Debug)]
enum Fault {
    None,
    /// The error `BrokenPipe`.
    Error,
    /// A panic after the complete effect of the call.
    Panic,
    /// The call never ends.
    Pending,
}

impl Faulty {
    /// Every write fails, and so does the shutdown.
    pub fn writes_fail(io: DuplexStream) -> Self {
        Self { io, write: Fault::Error, flush: Fault::None, shutdown: Fault::Error }
    }

    /// Every write panics, after it has moved its bytes.
    pub fn writes_panic(io: DuplexStream) -> Self {
        Self { io, write: Fault::Panic, flush: Fault::None, shutdown: Fault::None }
    }

    /// No flush ends, and no shutdown.
    pub fn flush_never_ends(io: DuplexStream) -> Self {
        Self { io, write: Fault::None, flush: Fault::Pending, shutdown: Fault::Pending }
    }

    /// No shutdown ends, as is possible for a TLS stream.
    pub fn shutdown_never_ends(io: DuplexStream) -> Self {
        Self { io, write: Fault::None, flush: Fault::None, shutdown: Fault::Pending }
    }
}

impl Fault {
    fn apply<T>(self, call: impl FnOnce() -> Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        match self {
            Self::None => call(),
            Self::Error => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
            Self::Panic => {
                let _ = call();
                panic!("a transport that panics");
            }
            Self::Pending => Poll::Pending,
        }
    }
}

impl AsyncRead for Faulty {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Faulty {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.write.apply(|| Pin::new(&mut self.io).poll_write(cx, bytes))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.flush.apply(|| Pin::new(&mut self.io).poll_flush(cx))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.shutdown.apply(|| Pin::new(&mut self.io).poll_shutdown(cx))
    }
}
