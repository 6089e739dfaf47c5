//! HTTP/2 and HTTP/1.1 on one port without TLS: the first bytes show which one a client uses.

use core::pin::Pin;
use core::task::{Context, Poll};
use core::time::Duration;
use std::io;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::time::timeout;

/// Reads until the input is the preface of HTTP/2, or differs from it. Returns the version and the
/// transport, which returns the same bytes again. `None` if it was not known within `limit`.
pub(crate) async fn detect<S: AsyncRead + Unpin>(
    mut stream: S,
    limit: Duration,
) -> io::Result<Option<(Version, Rewound<S>)>> {
    let mut read = BytesMut::new();
    let detected = timeout(limit, async {
        loop {
            if read.starts_with(PREFACE) {
                return Ok(Version::Http2);
            }
            if !PREFACE.starts_with(&read) || stream.read_buf(&mut read).await? == 0 {
                return Ok(Version::Http1);
            }
        }
    });
    match detected.await {
        Ok(Ok(version)) => Ok(Some((version, Rewound { read, stream }))),
        Ok(Err(error)) => Err(error),
        Err(_) => Ok(None),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    Http1,
    Http2,
}

/// A transport whose first bytes were read before.
#[derive(Debug)]
pub(crate) struct Rewound<S> {
    read: BytesMut,
    stream: S,
}

impl<S: AsyncRead + Unpin> AsyncRead for Rewound<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.read.is_empty() {
            return Pin::new(&mut self.stream).poll_read(cx, buf);
        }
        let len = self.read.len().min(buf.remaining());
        self.read.copy_to_slice(buf.initialize_unfilled_to(len));
        buf.advance(len);
        if self.read.is_empty() {
            // Frees the buffer.
            self.read = BytesMut::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Rewound<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// RFC 9113 section 3.4: the first bytes of a client that uses HTTP/2.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncWriteExt, duplex};
    use tokio::time::{Instant, sleep};

    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);

    /// Sends the input in chunks with a pause after each one, then keeps the transport open if it is
    /// `open`. Returns the version, and all bytes that the detected transport returns.
    async fn run(
        input: &[u8],
        chunk: usize,
        pause: Duration,
        open: bool,
    ) -> Option<(Version, Vec<u8>)> {
        let (mut near, far) = duplex(64);
        let input = input.to_vec();
        tokio::spawn(async move {
            for chunk in input.chunks(chunk) {
                near.write_all(chunk).await.unwrap();
                sleep(pause).await;
            }
            if open {
                sleep(Duration::from_secs(3600)).await;
            }
        });
        let (version, mut stream) = detect(far, LIMIT).await.unwrap()?;
        let mut all = Vec::new();
        stream.read_to_end(&mut all).await.unwrap();
        Some((version, all))
    }

    #[tokio::test(start_paused = true)]
    async fn the_version_is_detected_and_no_byte_is_lost() {
        let preface = [PREFACE, b"\0\0\0\x04\0\0\0\0\0"].concat();
        for (input, version) in [
            (&preface[..], Version::Http2),
            (PREFACE, Version::Http2),
            (b"GET / HTTP/1.1\r\n\r\n", Version::Http1),
            (b"PROPFIND / HTTP/1.1\r\n\r\n", Version::Http1),
            (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\rx", Version::Http1),
            // The end of the input.
            (b"PRI", Version::Http1),
            (b"", Version::Http1),
        ] {
            for chunk in [1, 3, 24, 64] {
                let detected = run(input, chunk, Duration::from_millis(10), false).await;
                assert_eq!(detected, Some((version, input.to_vec())), "{chunk}");
            }
        }
    }

    /// The clock advances only while no task runs: a loop that does not wait would not end.
    #[tokio::test(start_paused = true)]
    async fn a_preface_that_is_not_complete_ends_at_the_deadline() {
        for (input, pause) in [
            (&b""[..], Duration::ZERO),
            (b"PRI", Duration::ZERO),
            (PREFACE, Duration::from_secs(1)),
        ] {
            let start = Instant::now();
            assert_eq!(run(input, 1, pause, true).await, None);
            assert_eq!(start.elapsed(), LIMIT);
        }
    }
}
