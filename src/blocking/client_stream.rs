//! The transport of a client.

use core::net::SocketAddr;
use core::time::Duration;

use std::io::{self, IoSlice, Read, Write};
use std::net::{Shutdown, TcpStream};

use crate::blocking::transport::Transport;

/// The transport of a client that [`Connector`](crate::blocking::Connector) has connected: TCP, later
/// perhaps TLS.
#[derive(Debug)]
pub struct ClientStream(TcpStream);

impl ClientStream {
    /// Returns the TCP stream; `None` if the transport is not TCP alone.
    #[must_use]
    pub const fn as_tcp(&self) -> Option<&TcpStream> {
        Some(&self.0)
    }

    /// Returns the TCP stream, owned.
    ///
    /// # Errors
    /// `self` if the transport is not TCP alone.
    pub fn into_tcp(self) -> Result<TcpStream, Self> {
        Ok(self.0)
    }

    /// Returns the address of the peer: of the server, or of the proxy.
    ///
    /// # Errors
    /// If the transport has none any more.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.0.peer_addr()
    }

    /// Returns the local address.
    ///
    /// # Errors
    /// If the transport has none any more.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

impl From<TcpStream> for ClientStream {
    fn from(stream: TcpStream) -> Self {
        Self(stream)
    }
}

impl Read for ClientStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for ClientStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.write_vectored(bufs)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

impl Transport for ClientStream {
    fn can_resume_write(&self) -> bool {
        self.0.can_resume_write()
    }

    fn set_read_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        Transport::set_read_timeout(&mut self.0, timeout)
    }

    fn set_write_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        Transport::set_write_timeout(&mut self.0, timeout)
    }

    fn set_nonblocking(&mut self, nonblocking: bool) -> io::Result<()> {
        Transport::set_nonblocking(&mut self.0, nonblocking)
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        self.0.shutdown(Shutdown::Write)
    }

    fn try_clone(&self) -> io::Result<Self> {
        self.0.try_clone().map(Self)
    }
}
