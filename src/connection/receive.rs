//! Input to events.

use bytes::BytesMut;

use crate::connection::assembly::{Arrival, Context, Incoming};
use crate::connection::closing::CloseAction;
use crate::connection::compression::inflater::Inflater;
use crate::connection::fault::Fault;
use crate::connection::state::Connection;
use crate::error::protocol::{PeerError, ProtocolError};
use crate::event::{Event, OwnedEvent};
use crate::frame::{LEN_16, MASK};
use crate::inbox::Inbox;
use crate::input::Input;
use crate::instant::Instant;
use crate::kernel::mask::mask;
use crate::kernel::utf8::validate;
use crate::message::{Data, MessageKind, OwnedData};
use crate::opcode::OpCode;
use crate::role::Role;

/// The first byte of a complete, unfragmented, uncompressed data frame: FIN and the opcode.
const WHOLE_TEXT: u8 = 0x81;
const WHOLE_BINARY: u8 = 0x82;

impl Connection {
    /// Returns the next event; `None` if the input is consumed.
    ///
    /// Pongs, the reply to a Close frame and the Close frame of an error are appended to `out`.
    /// After the closing handshake input is dropped
    /// ([RFC 6455 section 1.4](https://www.rfc-editor.org/rfc/rfc6455#section-1.4)). Pass the same
    /// `inbox` each time: it holds the message in progress. Call it until it returns `None`, not
    /// until the input is empty: a compressed message can have further parts that need no more
    /// input.
    ///
    /// The call that fails or closes the connection frees the memory of the inbox and of
    /// compression. The next call frees the memory from which a Close event is lent, at most 125
    /// bytes.
    ///
    /// # Errors
    /// [`ProtocolError`] if the peer breaks a rule or exceeds a limit. The Close frame with the
    /// error's code is in `out`: write it, and end the transport. Each later call returns the same
    /// error.
    #[expect(single_use_lifetimes, reason = "`Input` is invariant: the bound needs the name")]
    // With a second call site the compiler would not inline it: a third more time for 16 bytes.
    #[inline(always)]
    pub fn receive<'a, 'b: 'a>(
        &mut self,
        input: &mut Input<'b>,
        inbox: &'a mut Inbox,
        out: &mut BytesMut,
    ) -> Result<Option<Event<'a>>, ProtocolError> {
        if let Some(event) = self.receive_fast(input) {
            return Ok(Some(event));
        }
        self.receive_any(input, inbox, out)
    }

    /// Returns the next event in owned form. Its data is moved out of the inbox without a copy, or
    /// copied from the input to a buffer of its exact size.
    ///
    /// # Errors
    /// As [`receive`](Self::receive).
    #[inline]
    pub fn receive_owned(
        &mut self,
        input: &mut Input<'_>,
        inbox: &mut Inbox,
        out: &mut BytesMut,
    ) -> Result<Option<OwnedEvent>, ProtocolError> {
        if self.fast_receive
            && let Some(data) = self.receive_whole(input)
        {
            return Ok(Some(OwnedEvent::Message(data.into())));
        }
        let Some(arrival) = self.advance(input, inbox, out)? else { return Ok(None) };
        Ok(Some(match arrival {
            Arrival::Message(data) => OwnedEvent::Message(data.into()),
            Arrival::Assembled { kind: MessageKind::Text, .. } => {
                OwnedEvent::Message(OwnedData::Text(inbox.take_text()))
            }
            Arrival::Assembled { kind: MessageKind::Binary, .. } => {
                OwnedEvent::Message(OwnedData::Binary(inbox.take_bytes()))
            }
            Arrival::Part { data, start, end } => {
                OwnedEvent::Part { data: data.into(), start, end }
            }
            Arrival::PartInInbox { kind, start, end, .. } => {
                let data = match kind {
                    MessageKind::Text => OwnedData::Text(inbox.take_text()),
                    MessageKind::Binary => OwnedData::Binary(inbox.take_bytes()),
                };
                OwnedEvent::Part { data, start, end }
            }
            Arrival::Control(opcode, payload) => self.control(opcode, payload, input, out)?.into(),
            Arrival::ControlInInbox(opcode) => {
                self.control(opcode, inbox.control(), input, out)?.into()
            }
        }))
    }

    /// Consumes input up to the next event, and returns true if there is one.
    ///
    /// True: the next [`receive`](Self::receive) or [`receive_owned`](Self::receive_owned) on the
    /// rest of the input returns the event, or the error of a fault in its payload, such as invalid
    /// UTF-8. The payload stays in the input, unchanged. False: the input is consumed, and there is
    /// no event. An event can need no input at all, so call `seek` before waiting for a read as
    /// well as after it.
    ///
    /// `receive` returns the same events without it. A second call finds the same event and changes
    /// nothing. The only output is the Close frame of an error, and a pong that was held back until
    /// `out` had room; other replies are appended with their event.
    ///
    /// # Errors
    /// As [`receive`](Self::receive).
    ///
    /// # Examples
    /// For functions that read in a loop and return a borrowed event. Such a loop can't call
    /// `receive`, since the returned event would be borrowed until the end of the function. It
    /// calls `seek` instead.
    ///
    /// ```
    /// use bytes::BytesMut;
    /// use sansocket::connection::Negotiated;
    /// use sansocket::error::ProtocolError;
    /// use sansocket::{Config, Connection, Event, Inbox, Input, Instant, Role};
    ///
    /// struct Socket {
    ///     connection: Connection,
    ///     inbox: Inbox,
    ///     out: BytesMut,
    ///     buffer: Vec<u8>,
    ///     /// Where in the buffer the bytes begin that are not received yet.
    ///     start: usize,
    /// }
    ///
    /// impl Socket {
    ///     /// Reads up to the next event, and lends it.
    ///     fn next(
    ///         &mut self,
    ///         now: Instant,
    ///         mut read: impl FnMut() -> Vec<u8>,
    ///     ) -> Result<Option<Event<'_>>, ProtocolError> {
    ///         let Self { connection, inbox, out, buffer, start } = self;
    ///         loop {
    ///             let mut input = Input::new(now, &mut buffer[*start..]);
    ///             let found = connection.seek(&mut input, inbox, out)?;
    ///             let left = input.len();
    ///             *start = buffer.len() - left;
    ///             if found || connection.is_closed() {
    ///                 break;
    ///             }
    ///             (*buffer, *start) = (read(), 0);
    ///         }
    ///         let end = buffer.len();
    ///         let mut input = Input::new(now, &mut buffer[*start..]);
    ///         let event = connection.receive(&mut input, inbox, out);
    ///         *start = end - input.len();
    ///         event
    ///     }
    /// }
    ///
    /// let (role, config, now) = (Role::Server, Config::server().build()?, Instant::from_micros(0));
    /// let mut socket = Socket {
    ///     connection: Connection::new(role, &config, &Negotiated::new(), now),
    ///     inbox: Inbox::new(),
    ///     out: BytesMut::new(),
    ///     buffer: Vec::new(),
    ///     start: 0,
    /// };
    /// // "Hi" in two reads, then a ping, with a mask key of zeros.
    /// let reads: [&[u8]; 2] = [&[0x81, 0x82, 0, 0, 0, 0, b'H'], &[b'i', 0x89, 0x80, 0, 0, 0, 0]];
    /// let mut reads = reads.into_iter();
    /// let mut read = || reads.next().expect("as many reads as are needed").to_vec();
    /// assert_eq!(socket.next(now, &mut read)?, Some(Event::Text("Hi")));
    /// assert_eq!(socket.next(now, &mut read)?, Some(Event::Ping(b"")));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn seek(
        &mut self,
        input: &mut Input<'_>,
        inbox: &mut Inbox,
        out: &mut BytesMut,
    ) -> Result<bool, ProtocolError> {
        if self.finds_whole(input.as_bytes()) {
            return Ok(true);
        }
        Ok(self.assemble(input, inbox, out, Incoming::seek)?.is_some())
    }

    /// Lends room for the rest of a large binary frame, for direct reads into the inbox. This
    /// avoids the copy of messages that are far larger than a read. Report the number of bytes read
    /// to [`received_direct`](Self::received_direct), then call [`receive`](Self::receive) with
    /// further input, if there is any.
    ///
    /// `None` unless such a frame is in progress and the inbox holds the first bytes of its
    /// message. All input must have been received before, and so must the event that
    /// [`seek`](Self::seek) has found. The room is at most 31 times as long as the received bytes.
    #[must_use]
    pub fn direct_room<'i>(&self, inbox: &'i mut Inbox) -> Option<&'i mut [u8]> {
        if self.closing.is_closed() {
            return None;
        }
        let delivery = self.config.settings().delivery;
        let rest = self.incoming.direct_rest(inbox, delivery)?;
        inbox.direct_room(rest).filter(|room| !room.is_empty())
    }

    /// Records that the first `n` bytes of the room that [`direct_room`](Self::direct_room) has
    /// lent were read at `now`. Call [`receive`](Self::receive) after it, which returns the event
    /// if the message is complete.
    ///
    /// If less than `n` bytes were lent, in this inbox and without other input since, some are
    /// lost: the next `receive` fails with
    /// [`MisuseError::DirectRoom`](crate::error::MisuseError::DirectRoom).
    pub fn received_direct(&mut self, n: usize, now: Instant, inbox: &mut Inbox) {
        if n > 0 && !self.closing.is_closed() {
            self.keep_alive.heard(now);
            self.incoming.received_direct(n, inbox, self.config.settings().delivery);
            self.choose_ways();
        }
    }

    /// Records the end of the transport's input, after [`receive`](Self::receive) has returned all
    /// events.
    ///
    /// The peer may have shut down only its write half. Therefore a Close frame with 1002 is
    /// appended to `out`, after the replies, unless one was sent before.
    ///
    /// # Errors
    /// [`PeerError::ClosedWithoutHandshake`] unless the closing handshake is complete
    /// ([RFC 6455 section 7.1.5](https://www.rfc-editor.org/rfc/rfc6455#section-7.1.5): 1006), or
    /// the error that has failed the connection before.
    pub fn receive_eof(&mut self, out: &mut BytesMut) -> Result<(), ProtocolError> {
        if !self.closing.is_closed() {
            self.fail(PeerError::ClosedWithoutHandshake.into(), out);
        }
        self.closing.failed().map_or(Ok(()), Err)
    }

    /// Aborts the connection at once, without a Close frame. Drop the transport and `out`. Later
    /// calls return [`ProtocolError::Aborted`], unless the connection was closed or had failed
    /// before.
    pub fn abort(&mut self) {
        self.fail(ProtocolError::Aborted, &mut BytesMut::new());
    }

    /// Returns true if [`seek`](Self::seek) finds an event on the fast path, without any change.
    #[inline]
    pub(crate) fn finds_whole(&self, bytes: &[u8]) -> bool {
        self.fast_receive && WholeFrame::find(bytes, self.role).is_some()
    }

    /// The fast path of [`receive`](Self::receive), which appends nothing to the output. `None`:
    /// continue with [`receive_any`](Self::receive_any) on the rest of the input.
    #[inline(always)]
    pub(crate) fn receive_fast<'b>(&mut self, input: &mut Input<'b>) -> Option<Event<'b>> {
        if !self.fast_receive {
            return None;
        }
        Some(match self.receive_whole(input)? {
            Data::Text(text) => Event::Text(text),
            Data::Binary(bytes) => Event::Binary(bytes),
        })
    }

    /// Takes a complete, unfragmented data frame at the start of the input, with no message in
    /// progress. `None` if the input has no such frame; then the slow path reads it from its first
    /// byte.
    #[inline(always)]
    fn receive_whole<'b>(&mut self, input: &mut Input<'b>) -> Option<Data<'b>> {
        let frame = WholeFrame::find(input.as_bytes(), self.role)?;
        let now = input.now();
        let bytes = input.take(frame.header_len + frame.len);
        let (header, payload) = bytes.split_at_mut_checked(frame.header_len)?;
        if self.role == Role::Server
            && let Some(key) = header.last_chunk()
        {
            mask(payload, *key);
        }
        self.keep_alive.heard(now);
        if frame.first == WHOLE_BINARY {
            return Some(Data::Binary(payload));
        }
        let Some(text) = validate(payload) else {
            self.fail_text();
            return None;
        };
        Some(Data::Text(text))
    }

    /// Records that the fast path has taken a text that is not UTF-8. The slow path returns the
    /// error.
    #[cold]
    #[inline(never)]
    fn fail_text(&mut self) {
        self.incoming.fail_next(Fault::InvalidUtf8);
        self.fast_receive = false;
    }

    // The slow path of `receive`. It is not inlined, to keep the fast path small.
    #[expect(single_use_lifetimes, reason = "`Input` is invariant: the bound needs the name")]
    #[inline(never)]
    pub(crate) fn receive_any<'a, 'b: 'a>(
        &mut self,
        input: &mut Input<'b>,
        inbox: &'a mut Inbox,
        out: &mut BytesMut,
    ) -> Result<Option<Event<'a>>, ProtocolError> {
        let Some(arrival) = self.advance(input, inbox, out)? else { return Ok(None) };
        Ok(Some(match arrival {
            Arrival::Message(Data::Text(text)) => Event::Text(text),
            Arrival::Message(Data::Binary(bytes)) => Event::Binary(bytes),
            Arrival::Assembled { kind: MessageKind::Text, .. } => Event::Text(inbox.text()),
            Arrival::Assembled { kind: MessageKind::Binary, .. } => Event::Binary(inbox.bytes()),
            Arrival::Part { data, start, end } => Event::Part { data, start, end },
            Arrival::PartInInbox { kind, start, end, .. } => {
                let data = match kind {
                    MessageKind::Text => Data::Text(inbox.text()),
                    MessageKind::Binary => Data::Binary(inbox.bytes()),
                };
                Event::Part { data, start, end }
            }
            Arrival::Control(opcode, payload) => self.control(opcode, payload, input, out)?,
            Arrival::ControlInInbox(opcode) => self.control(opcode, inbox.control(), input, out)?,
        }))
    }

    /// Consumes input up to the next event, and takes it.
    fn advance<'b>(
        &mut self,
        input: &mut Input<'b>,
        inbox: &mut Inbox,
        out: &mut BytesMut,
    ) -> Result<Option<Arrival<'b>>, ProtocolError> {
        let arrival = self.assemble(input, inbox, out, Incoming::next)?;
        if let Some(arrival) = &arrival {
            if let Arrival::Control(OpCode::Close, _) | Arrival::ControlInInbox(OpCode::Close) =
                arrival
            {
                // No input is processed after it. Its event may be lent from the inbox.
                self.incoming.abandon_message(inbox);
            }
            self.count_received(arrival);
        }
        Ok(arrival)
    }

    /// Runs `work` on the input, and fails the connection on an error.
    #[inline(never)]
    fn assemble<'b, T>(
        &mut self,
        input: &mut Input<'b>,
        inbox: &mut Inbox,
        out: &mut BytesMut,
        work: impl FnOnce(
            &mut Incoming,
            &mut Input<'b>,
            &mut Inbox,
            &mut Context<'_>,
        ) -> Result<Option<T>, ProtocolError>,
    ) -> Result<Option<T>, ProtocolError> {
        if self.fast_receive && input.is_empty() {
            // No message is in progress, and no pong is held back.
            return Ok(None);
        }
        if self.closing.is_closed() {
            // RFC 6455 7.1.7: it MUST NOT continue to process data.
            input.clear();
            self.incoming.abandon(inbox);
            return self.closing.failed().map_or(Ok(None), Err);
        }
        self.send_waiting_pong(out);
        if !input.is_empty() {
            self.keep_alive.heard(input.now());
        }
        let inflater = Inflater::new(&self.agreed, self.role, &mut self.rare);
        let (role, settings) = (self.role, self.config.settings());
        let mut context = Context { role, settings, inflater };
        let result = work(&mut self.incoming, input, inbox, &mut context);
        context.inflater.keep(&self.config);
        if let Err(error) = result {
            input.clear();
            self.incoming.abandon(inbox);
            self.fail(error, out);
        } else {
            self.track_message(input.now());
            self.choose_ways();
        }
        result
    }

    /// Fails the connection. The Close frame with the error's code is appended to `out`, unless a
    /// Close frame was sent before.
    #[cold]
    pub(crate) fn fail(&mut self, error: ProtocolError, out: &mut BytesMut) {
        self.drop_waits();
        if self.closing.fail(error) == CloseAction::Close {
            self.answer_close(&error.close_code().value().to_be_bytes(), out);
        }
        self.drop_compression();
        self.choose_ways();
    }

    fn count_received(&mut self, arrival: &Arrival<'_>) {
        let Some(stats) = self.rare.as_mut().and_then(|rare| rare.stats.as_mut()) else { return };
        let number = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        let (bytes, wire_bytes, whole) = match arrival {
            Arrival::Message(data) => (number(data.as_bytes().len()), None, true),
            Arrival::Assembled { len, wire_len, .. } => (*len, Some(*wire_len), true),
            Arrival::Part { data, end, .. } => (number(data.as_bytes().len()), None, *end),
            Arrival::PartInInbox { len, wire_len, end, .. } => {
                (number(*len), Some(*wire_len), *end)
            }
            Arrival::Control(..) | Arrival::ControlInInbox(_) => return,
        };
        stats.bytes_received += bytes;
        stats.wire_bytes_received += wire_bytes.unwrap_or(bytes);
        stats.messages_received += u64::from(whole);
    }
}

/// A complete, unfragmented, uncompressed data frame with a length of 7 or 16 bits.
///
/// ```text
///  byte 0     byte 1            0 or 2 bytes   0 or 4 bytes
/// ├ 81 or 82 ┼ MASK, length 7  ┼ length 16    ┼ mask key    ┼ payload: `len` bytes
/// ├────────────────── `header_len` bytes ──────────────────┤
/// ```
struct WholeFrame {
    first: u8,
    header_len: usize,
    len: usize,
}

impl WholeFrame {
    /// Returns the frame at the start of an input, if it is complete.
    #[inline]
    fn find(bytes: &[u8], receiver: Role) -> Option<Self> {
        let (&[first, second], rest) = bytes.split_first_chunk()?;
        if first != WHOLE_TEXT && first != WHOLE_BINARY {
            return None;
        }
        let masked = receiver == Role::Server;
        // XOR clears a correct mask bit. A wrong one stays set, or is set by XOR, and so makes the
        // length larger than both forms allow.
        let short = if masked { second ^ MASK } else { second };
        let (len, len_bytes) = if short < LEN_16 {
            (usize::from(short), 0)
        } else if short == LEN_16 {
            let len = u16::from_be_bytes(*rest.first_chunk()?);
            // RFC 6455 5.2: the shortest form is required. The slow path returns the error.
            if len < u16::from(LEN_16) {
                return None;
            }
            (usize::from(len), 2)
        } else {
            return None;
        };
        let header_len = 2 + len_bytes + if masked { 4 } else { 0 };
        (bytes.len() >= header_len + len).then_some(Self { first, header_len, len })
    }
}
