//! Byte streams over a WebSocket.

use core::task::Poll;
use core::time::Duration;

use std::io::{self, Read, Write};

use crate::adapter::parts::LeftOver;
use crate::adapter::payloads::{
    CLOSE_TIMEOUT, Payloads, close_timed_out, cut_message, write_error,
};
use crate::blocking::socket::WebSocket;
use crate::blocking::transport::Transport;
use crate::close_code::CloseCode;
use crate::connection::Connection;
use crate::connection::closing::CloseStatus;
use crate::error::adapter::WebSocketError;
use crate::event::Event;
use crate::instant::Instant;
use crate::message::MessageKind;
use crate::message::options::SendOptions;

/// The messages of a WebSocket as one stream of bytes, for `std::io::copy` and protocols that run
/// over any byte stream.
///
/// **Reading** joins messages of both kinds; boundaries are not visible. The stream ends, with 0 bytes,
/// when the connection is closed in order, with any code ([`close_status`](Self::close_status)).
/// Other ends are errors: [`UnexpectedEof`](io::ErrorKind::UnexpectedEof) without a Close frame,
/// [`InvalidData`](io::ErrorKind::InvalidData) after a violation or above a limit,
/// [`TimedOut`](io::ErrorKind::TimedOut), and that of the transport, for example
/// [`ConnectionReset`](io::ErrorKind::ConnectionReset). The error inside is the
/// [`ProtocolError`](crate::error::ProtocolError) ([`io::Error::get_ref`]). Messages are received
/// as a whole by default; with [`Delivery::Parts`](crate::config::Delivery::Parts) messages of any
/// length pass through in little memory.
///
/// **Writing**: each write is one message of the kind that was given, takes at most
/// [`high_water_mark`](crate::config::ConfigBuilder::high_water_mark) bytes, and returns when the
/// transport has taken them. A flush sends no frame. Written text must be UTF-8
/// ([`InvalidData`](io::ErrorKind::InvalidData) otherwise); a write may end inside a character.
/// After the connection is closed writes return [`BrokenPipe`](io::ErrorKind::BrokenPipe). No input
/// is read meanwhile.
///
/// [`close`](Self::close) closes in order. Dropping the stream drops the transport without a Close
/// frame.
///
/// ```no_run
/// # fn f(ws: sansocket::blocking::WebSocket<std::net::TcpStream>) -> std::io::Result<()> {
/// use std::fs::File;
///
/// use sansocket::message::MessageKind;
///
/// let mut stream = ws.into_byte_stream(MessageKind::Binary);
/// std::io::copy(&mut File::open("archive.tar")?, &mut stream)?;
/// stream.close()?;
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct ByteStream<S> {
    socket: WebSocket<S>,
    payloads: Payloads,
    options: SendOptions,
    close_timeout: Duration,
}

/// One outgoing message as a stream of bytes: each write is a part of it, and
/// [`finish`](Self::finish) ends it.
///
/// A part has at most [`high_water_mark`](crate::config::ConfigBuilder::high_water_mark) bytes;
/// writes wait, and text is divided, as with [`ByteStream`]. No input is read meanwhile.
///
/// A writer that is dropped before its end leaves the message open, so that the peer does not take
/// it for complete: end it with a new writer of the same kind, or close the connection.
/// The first bytes of an incomplete character are dropped with it.
///
/// ```
/// use std::io::Read;
///
/// use sansocket::blocking::{Transport, WebSocket};
/// use sansocket::message::MessageKind;
///
/// fn send_gibibyte<S: Transport>(ws: &mut WebSocket<S>) -> std::io::Result<()> {
///     let mut message = ws.message_writer(MessageKind::Binary);
///     std::io::copy(&mut std::io::repeat(7).take(1 << 30), &mut message)?;
///     message.finish() // the end of the message; the connection stays open
/// }
/// ```
#[derive(Debug)]
pub struct MessageWriter<'a, S> {
    socket: &'a mut WebSocket<S>,
    payloads: Payloads,
    options: SendOptions,
}

/// One received message as a stream of bytes, which ends with the message.
///
/// Errors are those of [`ByteStream`]; a connection that is closed inside the message is
/// [`UnexpectedEof`](io::ErrorKind::UnexpectedEof). The next
/// [`message_reader`](WebSocket::message_reader) skips bytes that were not read.
///
/// ```
/// use std::error::Error;
/// use std::io::Read;
///
/// use sansocket::blocking::{Transport, WebSocket};
///
/// fn print<S: Transport>(ws: &mut WebSocket<S>) -> Result<(), Box<dyn Error>> {
///     while let Some(mut message) = ws.message_reader()? {
///         let mut bytes = Vec::new();
///         message.read_to_end(&mut bytes)?;
///         println!("{:?} of {} bytes", message.kind(), bytes.len());
///     }
///     Ok(())
/// }
/// ```
#[derive(Debug)]
pub struct MessageReader<'a, S> {
    socket: &'a mut WebSocket<S>,
    kind: MessageKind,
    ended: bool,
}

impl<S: Transport> WebSocket<S> {
    /// Converts it to one stream of bytes. Each write is a message of `kind`.
    pub const fn into_byte_stream(self, kind: MessageKind) -> ByteStream<S> {
        ByteStream {
            socket: self,
            payloads: Payloads::new(kind),
            options: SendOptions::new(),
            close_timeout: CLOSE_TIMEOUT,
        }
    }

    /// Returns a stream for the bytes of one outgoing message, which begins with the first write.
    pub const fn message_writer(&mut self, kind: MessageKind) -> MessageWriter<'_, S> {
        MessageWriter { socket: self, payloads: Payloads::new(kind), options: SendOptions::new() }
    }

    /// Returns a stream of the bytes of the next message; `None`: the connection was closed
    /// in order. Bytes of the last reader that were not read are skipped.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn message_reader(&mut self) -> Result<Option<MessageReader<'_, S>>, WebSocketError> {
        self.left_over = LeftOver::new();
        while let Some(event) = self.read_owned()? {
            if let Some((kind, begun)) = LeftOver::begin(event) {
                self.left_over = begun;
                return Ok(Some(MessageReader { socket: self, kind, ended: false }));
            }
        }
        Ok(None)
    }
}

impl<S: Transport> ByteStream<S> {
    /// Closes in order with 1000, and discards data that still arrives. At the
    /// [close timeout](Self::set_close_timeout) the transport is dropped.
    ///
    /// # Errors
    /// [`TimedOut`](io::ErrorKind::TimedOut) at the close timeout;
    /// [`InvalidData`](io::ErrorKind::InvalidData) if written text ends inside a character: nothing
    /// was sent then. Otherwise as a read.
    pub fn close(mut self) -> io::Result<CloseStatus> {
        self.payloads.end()?;
        let deadline = Instant::now().checked_add(self.close_timeout);
        let socket = &mut self.socket;
        socket.close_output(CloseCode::NORMAL, "").map_err(WebSocketError::from)?;
        socket.driver.flow.discard_data();
        loop {
            let now = Instant::now();
            let left = match deadline {
                Some(deadline) => deadline.saturating_duration_since(now),
                None => Duration::MAX,
            };
            match socket.read_timeout(left)? {
                // The last event.
                Poll::Ready(Some((Event::Close(_), _))) => {}
                Poll::Ready(None) => break,
                // A peer that sends pings without pause never lets the read wait.
                Poll::Ready(Some(_)) | Poll::Pending
                    if deadline.is_some_and(|deadline| Instant::now() >= deadline) =>
                {
                    return Err(close_timed_out());
                }
                Poll::Ready(Some(_)) | Poll::Pending => {}
            }
        }
        socket.close_status().ok_or_else(|| io::ErrorKind::ConnectionAborted.into())
    }
}

impl<S> ByteStream<S> {
    /// Sets the time limit of [`close`](Self::close). Default: 16 s, as in .NET. Zero: it only
    /// sends as much as the transport takes at once; [`Duration::MAX`]: the limits are those of the
    /// connection.
    pub const fn set_close_timeout(&mut self, timeout: Duration) {
        self.close_timeout = timeout;
    }

    /// Sets how messages are sent from now on: compressed or not, in which fragments.
    pub const fn set_send_options(&mut self, options: SendOptions) {
        self.options = options;
    }

    /// Returns the connection, with its state and its negotiated parameters.
    pub const fn connection(&self) -> &Connection {
        self.socket.connection()
    }

    /// Returns which end began to close, with which code and reason; `None` while the connection is
    /// open.
    pub fn close_status(&self) -> Option<CloseStatus> {
        self.socket.close_status()
    }

    /// Returns the transport, for its options and addresses. Reading or writing it, or changing its
    /// timeouts or its mode, breaks the connection.
    pub const fn get_ref(&self) -> &S {
        self.socket.get_ref()
    }

    /// Returns the WebSocket. The rest of a message that was read in part is kept for
    /// [`read_into`](WebSocket::read_into).
    /// The first bytes of an incomplete character that was written are dropped.
    pub fn into_inner(self) -> WebSocket<S> {
        self.socket
    }
}

impl<S: Transport> Read for ByteStream<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        while let Some(received) = self.socket.read_into(buffer)? {
            if received.len > 0 {
                return Ok(received.len);
            }
        }
        Ok(0)
    }
}

impl<S: Transport> Write for ByteStream<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Self { socket, payloads, options, .. } = self;
        let max = socket.connection().config().high_water_mark();
        payloads.take(bytes, max, |data| socket.send(data, *options))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.socket.flush().map_err(write_error)
    }
}

impl<S: Transport> MessageWriter<'_, S> {
    /// Ends the message, and returns when the transport has taken it.
    ///
    /// # Errors
    /// [`InvalidData`](io::ErrorKind::InvalidData) if written text ends inside a character: the
    /// message stays open then. Otherwise as a write.
    pub fn finish(self) -> io::Result<()> {
        let end = self.payloads.end()?;
        self.socket.send_part(end, true, self.options).map_err(write_error)
    }
}

impl<S> MessageWriter<'_, S> {
    /// Sets how the message is sent: compressed or not, in which fragments.
    pub const fn set_send_options(&mut self, options: SendOptions) {
        self.options = options;
    }
}

impl<S: Transport> Write for MessageWriter<'_, S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Self { socket, payloads, options } = self;
        let max = socket.connection().config().high_water_mark();
        payloads.take(bytes, max, |data| socket.send_part(data, false, *options))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.socket.flush().map_err(write_error)
    }
}

impl<S> MessageReader<'_, S> {
    /// Returns the kind of the message.
    #[must_use]
    pub const fn kind(&self) -> MessageKind {
        self.kind
    }
}

impl<S: Transport> Read for MessageReader<'_, S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        while !self.ended {
            let Some(received) = self.socket.read_into(buffer)? else {
                return Err(cut_message());
            };
            self.ended = received.end_of_message;
            if received.len > 0 {
                return Ok(received.len);
            }
        }
        Ok(0)
    }
}
