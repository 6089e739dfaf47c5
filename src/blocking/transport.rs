//! The requirements of the blocking adapter on a transport.

use core::time::Duration;

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};

/// A byte stream in blocking mode with timeouts for its calls.
///
/// Implemented for [`TcpStream`] and, on Unix, for `UnixStream`. An implementation must do the
/// following:
///
/// * `read` returns 0 at the end of the input. `read` and `write` return
///   [`WouldBlock`](io::ErrorKind::WouldBlock) or [`TimedOut`](io::ErrorKind::TimedOut) when their
///   timeout has passed and no byte was transferred. A transport that returns them at once keeps
///   its thread busy. To prevent that, the adapter sets blocking mode by
///   [`set_nonblocking`](Self::set_nonblocking), if that is implemented.
/// * A timeout may expire early, because the adapter calls again. If a `write` can't guarantee that
///   it has transferred no byte then, [`can_resume_write`](Self::can_resume_write) must return
///   false.
/// * If the transport has a buffer, `flush` writes its contents. The adapter calls it before each
///   wait.
/// * The default of [`try_clone`](Self::try_clone) returns an error. Then the transport can't be
///   [`split`](crate::blocking::WebSocket::split). A TLS stream, for example, has one state for
///   both directions.
///
/// ```
/// use std::io::{self, Read, Write};
/// use std::net::{Shutdown, TcpStream};
/// use std::time::Duration;
///
/// use sansocket::blocking::Transport;
///
/// /// Counts the bytes that are read. A TLS stream is implemented in the same way: it sets the
/// /// timeouts of its TCP stream, and sends close_notify in `shutdown_write`.
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
    /// Sets how long a `read` may wait; `None` for no limit. The timeout is never zero.
    ///
    /// # Errors
    /// If the transport can't set it.
    fn set_read_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()>;

    /// Sets how long a `write` or a `flush` may wait; `None` for no limit. The timeout is never
    /// zero.
    ///
    /// # Errors
    /// If the transport can't set it.
    fn set_write_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()>;

    /// Sets whether `read` and `write` return at once, with
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) if they would wait.
    /// [`poll_read`](crate::blocking::WebSocket::poll_read) sets non-blocking mode; all methods
    /// that wait set blocking mode.
    ///
    /// # Errors
    /// [`Unsupported`](io::ErrorKind::Unsupported) if it is not implemented.
    fn set_nonblocking(&mut self, nonblocking: bool) -> io::Result<()> {
        let _ = nonblocking;
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Returns true if a `write` that has timed out has transferred no byte, so that it can be
    /// repeated. TCP on Windows does not guarantee that.
    ///
    /// If it returns false, a write may last until the deadline of the connection, and the
    /// connection fails if the write times out. Writes and reads do not take turns then.
    fn can_resume_write(&self) -> bool {
        true
    }

    /// Shuts down the write half after all written bytes. The peer reads the end of the stream.
    /// Reading remains possible.
    ///
    /// # Errors
    /// If the transport can't do it, or has ended.
    fn shutdown_write(&mut self) -> io::Result<()>;

    /// Returns a second handle of the same stream, so that one thread can read while another
    /// writes.
    ///
    /// # Errors
    /// [`Unsupported`](io::ErrorKind::Unsupported) if it is not implemented.
    fn try_clone(&self) -> io::Result<Self>
    where
        Self: Sized,
    {
        let message = "this transport has no second handle, so it can't be split";
        Err(io::Error::new(io::ErrorKind::Unsupported, message))
    }
}

impl Transport for TcpStream {
    /// On Windows a send that has timed out may have sent an unknown number of bytes.
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
