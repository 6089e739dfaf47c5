//! Connections in memory, with a virtual clock.

use core::time::Duration;

use bytes::BytesMut;
use sansocket::connection::{Negotiated, OwnedEvent};
use sansocket::error::{PeerError, ProtocolError};
use sansocket::{Config, Connection, Event, Inbox, Input, Instant, Role};

use super::{at_ms, preset};

/// One end: a connection with its buffers and its events so far.
#[derive(Debug)]
pub struct End {
    pub conn: Connection,
    pub inbox: Inbox,
    pub out: BytesMut,
    pub events: Vec<OwnedEvent>,
    pub error: Option<ProtocolError>,
    pub now: Instant,
}

impl End {
    pub fn new(role: Role, config: &Config) -> Self {
        Self::agreed(role, config, &Negotiated::new())
    }

    /// After a handshake that has negotiated more than the protocol.
    pub fn agreed(role: Role, config: &Config, negotiated: &Negotiated) -> Self {
        Self {
            conn: Connection::new(role, config, negotiated, at_ms(0)),
            inbox: Inbox::new(),
            out: BytesMut::new(),
            events: Vec::new(),
            error: None,
            now: at_ms(0),
        }
    }

    /// With the role's preset.
    pub fn preset(role: Role) -> Self {
        Self::new(role, &preset(role).build().unwrap())
    }

    /// Feeds the bytes of one read. Calls `seek` before each `receive` and checks its result, and
    /// that all of the input is read.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<(), ProtocolError> {
        let mut bytes = bytes.to_vec();
        let mut input = Input::new(self.now, &mut bytes);
        loop {
            let sought = self.seek(&mut input);
            let result = self.conn.receive(&mut input, &mut self.inbox, &mut self.out);
            match (sought, &result) {
                (Ok(true), Ok(Some(_))) | (Ok(false), Ok(None)) => {}
                (Err(sought), Err(error)) => assert_eq!(sought, *error),
                // Only an error inside the payload may be unexpected.
                (Ok(true), Err(error)) => assert!(
                    matches!(
                        error,
                        ProtocolError::Peer(
                            PeerError::InvalidUtf8
                                | PeerError::CorruptDeflate
                                | PeerError::InvalidClosePayload
                                | PeerError::InvalidCloseCode(_)
                                | PeerError::InvalidCloseReason(_)
                        ) | ProtocolError::Limit(_)
                            | ProtocolError::Misuse(_)
                    ),
                    "seek promised an event: {error:?}"
                ),
                (sought, result) => panic!("seek: {sought:?}, receive: {result:?}"),
            }
            match result {
                Ok(Some(event)) => self.events.push(event.into()),
                Ok(None) => break,
                Err(error) => {
                    assert!(self.conn.is_closed());
                    assert_eq!(self.error.unwrap_or(error), error, "the first error stays");
                    self.error = Some(error);
                    return Err(error);
                }
            }
        }
        assert!(input.is_empty(), "all of an input is used up");
        Ok(())
    }

    /// Seeks the next event: the rest of the input is unchanged, and seeking again has no effect.
    fn seek(&mut self, input: &mut Input<'_>) -> Result<bool, ProtocolError> {
        let before = input.as_bytes().to_vec();
        let sought = self.conn.seek(input, &mut self.inbox, &mut self.out);
        let (left, out) = (input.len(), self.out.len());
        assert_eq!(input.as_bytes(), &before[before.len() - left..], "still masked");
        let again = self.conn.seek(input, &mut self.inbox, &mut self.out);
        assert_eq!((again, input.len(), self.out.len()), (sought, left, out));
        sought
    }

    /// The same without seeking.
    pub fn feed_without_seek(&mut self, bytes: &[u8]) -> Result<(), ProtocolError> {
        self.receive_all(bytes, |end, input| {
            let event = end.conn.receive(input, &mut end.inbox, &mut end.out)?;
            Ok(event.map(OwnedEvent::from))
        })
    }

    /// The same without seeking, by `receive_owned`.
    pub fn feed_owned(&mut self, bytes: &[u8]) -> Result<(), ProtocolError> {
        self.receive_all(bytes, |end, input| {
            end.conn.receive_owned(input, &mut end.inbox, &mut end.out)
        })
    }

    fn receive_all(
        &mut self,
        bytes: &[u8],
        receive: fn(&mut Self, &mut Input<'_>) -> Result<Option<OwnedEvent>, ProtocolError>,
    ) -> Result<(), ProtocolError> {
        let mut bytes = bytes.to_vec();
        let mut input = Input::new(self.now, &mut bytes);
        while let Some(event) =
            receive(self, &mut input).inspect_err(|error| self.error = Some(*error))?
        {
            self.events.push(event);
        }
        assert!(input.is_empty(), "all of an input is used up");
        Ok(())
    }

    /// Feeds the bytes in parts that end at `cuts`.
    pub fn feed_cut(&mut self, bytes: &[u8], cuts: &[usize]) -> Result<(), ProtocolError> {
        let mut from = 0;
        for &cut in cuts.iter().chain([&bytes.len()]) {
            self.feed(&bytes[from..cut])?;
            from = cut;
        }
        Ok(())
    }

    /// Feeds the bytes in chunks of `chunk_len` bytes.
    pub fn feed_in_chunks(&mut self, bytes: &[u8], chunk_len: usize) -> Result<(), ProtocolError> {
        bytes.chunks(chunk_len).try_for_each(|bytes| self.feed(bytes))
    }

    /// Feeds byte by byte; returns the index of the byte that shows an error, too.
    pub fn feed_bytes(&mut self, bytes: &[u8]) -> Result<(), (usize, ProtocolError)> {
        for (i, byte) in bytes.iter().enumerate() {
            self.feed(&[*byte]).map_err(|error| (i, error))?;
        }
        Ok(())
    }

    /// The events for a reader with a callback for each event.
    pub fn feed_with(
        &mut self,
        bytes: &[u8],
        mut on: impl FnMut(&mut Connection, Event<'_>, &mut BytesMut),
    ) -> Result<(), ProtocolError> {
        let mut bytes = bytes.to_vec();
        let mut input = Input::new(self.now, &mut bytes);
        while let Some(event) = self.conn.receive(&mut input, &mut self.inbox, &mut self.out)? {
            on(&mut self.conn, event, &mut self.out);
        }
        Ok(())
    }

    pub fn timeout(&mut self) -> Result<(), ProtocolError> {
        self.conn.handle_timeout(self.now, &mut self.out)
    }

    /// Notifies the connection that output was taken.
    pub fn written(&mut self) {
        self.conn.output_written(self.now, &mut self.out);
    }

    /// Takes the output.
    pub fn take_out(&mut self) -> Vec<u8> {
        self.out.split().to_vec()
    }

    pub fn take_events(&mut self) -> Vec<OwnedEvent> {
        core::mem::take(&mut self.events)
    }
}

/// A client and a server, joined without a socket.
#[derive(Debug)]
pub struct Pair {
    pub client: End,
    pub server: End,
    /// Reads are at most this long.
    pub chunk_len: usize,
}

impl Pair {
    pub fn new(client: &Config, server: &Config) -> Self {
        Self {
            client: End::new(Role::Client, client),
            server: End::new(Role::Server, server),
            chunk_len: usize::MAX,
        }
    }

    pub fn preset() -> Self {
        Self {
            client: End::preset(Role::Client),
            server: End::preset(Role::Server),
            chunk_len: usize::MAX,
        }
    }

    pub fn now(&self) -> Instant {
        self.client.now
    }

    /// Carries the output across, once in each direction; returns whether there was any.
    pub fn step(&mut self) -> bool {
        let (up, down) = (self.client.take_out(), self.server.take_out());
        let chunk_len = self.chunk_len.max(1);
        let _ = self.server.feed_in_chunks(&up, chunk_len);
        let _ = self.client.feed_in_chunks(&down, chunk_len);
        !up.is_empty() || !down.is_empty()
    }

    /// Steps until both have no more output.
    pub fn drive(&mut self) {
        for _ in 0..1000 {
            if !self.step() {
                return;
            }
        }
        panic!("the two never fall silent");
    }

    /// Sets the clock of both, without handling timers.
    pub fn set_now(&mut self, now: Instant) {
        self.client.now = now;
        self.server.now = now;
    }

    /// Advances the time: the clock jumps from one deadline to the next, each is handled, and the
    /// resulting output is carried across.
    pub fn advance(&mut self, time: Duration) {
        let end = self.now().checked_add(time).unwrap();
        for _ in 0..100_000 {
            self.drive();
            let timeouts = [self.client.conn.poll_timeout(), self.server.conn.poll_timeout()];
            let Some(next) = timeouts.into_iter().flatten().min().filter(|next| *next <= end)
            else {
                self.set_now(end);
                return;
            };
            self.set_now(next.max(self.now()));
            for end in [&mut self.client, &mut self.server] {
                if let Err(error) = end.timeout() {
                    end.error = Some(error);
                }
            }
        }
        panic!("the timers never fall silent");
    }
}
