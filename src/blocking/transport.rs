//! What a blocking adapter needs of a transport.

use core::time::Duration;

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};

/// A byte stream in blocking mode whose calls can be told how long they may take.
///
/// Implemented for [`TcpStream`] and, on Unix, for `UnixStream`. For a type of your own:
///
/// * `read` returns 0 at the peer's end. It and `write` return
///   [`WouldBlock`](io::ErrorKind::WouldBlock) or [`TimedOut`](io::ErrorKind::TimedOut) when their
///   timeout has passed and nothing was moved. A transport that says so at once keeps its thread busy
///   with asking again: the adapter sets it to blocking mode by
///   [`set_nonblocking`](Self::set_nonblocking), if that is implemented.
/// * A timeout that runs out early does no harm: the adapter asks again. If a `write` can't promise
///   that nothing was moved then, [`can_resume_write`](Self::can_resume_write) says so.
/// * If it buffers, `flush` writes what it holds: the adapter calls it before it waits.
/// * [`try_clone`](Self::try_clone) can stay as it is: then the transport can't be
///   [`split`](crate::blocking::WebSocket::split). A TLS stream has one state for both directions
///   and stays whole.
///
/// ```
/// use std::io::{self, Read, Write};
/// use std::net::{Shutdown, TcpStream};
/// use std::time::Duration;
///
/// use sansocket::blocking::Transport;
///
/// /// Counts the bytes that are read. A TLS stream looks the same: it passes the timeouts on to
/// /// the TCP stream below it, and sends close_notify in `shutdown_write`.
/// struct Counting {
///     tcp: TcpStream,
///     read: u64,
/// }
///
/// impl Read for Counting {
///     fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
///         let n = self.tcp.read(buffer)?;
///         self.read += n as u64;
///         Ok(n)
///     }
/// }
///
/// impl Write for Counting {
///     fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
///         self.tcp.write(bytes)
///     }
///
///     fn flush(&mut self) -> io::Result<()> {
///         self.tcp.flush()
///     }
/// }
///
/// impl Transport for Counting {
///     fn set_read_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
///         self.tcp.set_read_timeout(timeout)
///     }
///
///     fn set_write_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
///         self.tcp.set_write_timeout(timeout)
///     }
///
///     fn shutdown_write(&mut self) -> io::Result<()> {
///         self.tcp.shutdown(Shutdown::Write)
///     }
/// }
/// ```
pub trait Transport: Read + Write {
    /// Sets how long a `read` may wait; `None`: for ever. Never zero.
    ///
    /// # Errors
    /// If the transport can't.
    fn set_read_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()>;

    /// Sets how long a `write` or `flush` may wait; `None`: for ever. Never zero.
    ///
    /// # Errors
    /// If the transport can't.
    fn set_write_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()>;

    /// Sets whether `read` and `write` return at once, with
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) where they would wait; for
    /// [`poll_read`](crate::blocking::WebSocket::poll_read). The other methods that wait set blocking
    /// mode.
    ///
    /// # Errors
    /// [`Unsupported`](io::ErrorKind::Unsupported) unless it is implemented.
    fn set_nonblocking(&mut self, nonblocking: bool) -> io::Result<()> {
        let _ = nonblocking;
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Returns whether a `write` that has run out of its time has moved nothing, so that it can be
    /// done again. TCP on Windows can't tell.
    ///
    /// If it can't be resumed, a write gets all the time there is, the connection fails if that is
    /// over, and nothing is read beside a write.
    fn can_resume_write(&self) -> bool {
        true
    }

    /// Ends the writing half, behind what was written: the peer reads the end of the stream.
    /// Reading goes on.
    ///
    /// # Errors
    /// If the transport can't, or has ended.
    fn shutdown_write(&mut self) -> io::Result<()>;

    /// Makes a second handle of the same stream, so that one thread can read while another writes.
    ///
    /// # Errors
    /// [`Unsupported`](io::ErrorKind::Unsupported) unless it is implemented.
    fn try_clone(&self) -> io::Result<Self>
    where
        Self: Sized,
    {
        let message = "this transport has no second handle, so it can't be split";
        Err(io::Error::new(io::ErrorKind::Unsupported, message))
    }
}

impl Transport for TcpStream {
    /// On Windows a send that has timed out may have sent a part, and nobody knows how much.
    fn can_resume_write(&self) -> bool {
        !cfg!(windows)
    }

    fn set_read_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        Self::set_read_timeout(self, timeout)
    }

    fn set_write_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        Self::set_write_timeout(self, timeout)
    }

    fn set_nonblocking(&mut self, nonblocking: bool) -> io::Result<()> {
        Self::set_nonblocking(self, nonblocking)
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }

    fn try_clone(&self) -> io::Result<Self> {
        Self::try_clone(self)
    }
}

#[cfg(unix)]
impl Transport for std::os::unix::net::UnixStream {
    fn set_read_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        Self::set_read_timeout(self, timeout)
    }

    fn set_write_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        Self::set_write_timeout(self, timeout)
    }

    fn set_nonblocking(&mut self, nonblocking: bool) -> io::Result<()> {
        Self::set_nonblocking(self, nonblocking)
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }

    fn try_clone(&self) -> io::Result<Self> {
        Self::try_clone(self)
    }
}
