//! An open connection that receives any bytes. It must not panic or exceed a limit, and the events,
//! the output and the error must not depend on the lengths of the reads. Shared by the fuzz targets
//! and the replay of their seeds.
//!
//! The first byte of the data chooses the settings, including compression, the second the lengths
//! of the reads. The rest is the peer's stream.

use bytes::BytesMut;
use sansocket::config::Delivery;
use sansocket::connection::Negotiated;
#[cfg(feature = "deflate")]
use sansocket::deflate::{Agreement, Deflate, Direction, WindowBits};
use sansocket::error::{EntropyError, ProtocolError};
use sansocket::message::Data;
use sansocket::{Config, Connection, Entropy, Event, Inbox, Input, Instant, Role};

const MAX_UNSENT: usize = 4096;

/// Checks a connection that receives `data`.
pub(crate) fn check(role: Role, data: &[u8]) {
    let [choice, seed, stream @ ..] = data else { return };
    let delivery = if choice & 1 == 0 { Delivery::Whole } else { Delivery::Parts };
    let max_message_len = match choice >> 1 & 3 {
        0 => 125,
        1 => 1000,
        2 => 70_000,
        _ => 16 << 20,
    };
    let config = match role {
        Role::Server => Config::server(),
        Role::Client => Config::client(Entropy::from_fn(not_random)),
    };
    let config = config
        .delivery(delivery)
        .max_message_len(max_message_len)
        .max_unsent(MAX_UNSENT)
        .build()
        .expect("the settings are good");
    let settings = Settings { role, config: &config, negotiated: &negotiated(role, *choice) };
    let unsought = run(settings, stream, false, |_| usize::MAX);
    let whole = run(settings, stream, true, |_| usize::MAX);
    assert_eq!(whole, unsought, "without seek");
    let bytewise = run(settings, stream, true, |_| 1);
    assert_eq!(whole, bytewise, "cut into single bytes");
    let mut state = u32::from(*seed) | 1;
    let random = run(settings, stream, true, |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as usize % 23 + 1
    });
    assert_eq!(whole, random, "cut at random");
}

/// Chooses no compression, or compression with or without context takeover and a window of 8, 9, 12
/// or 15 bits.
#[cfg(feature = "deflate")]
fn negotiated(role: Role, choice: u8) -> Negotiated {
    if choice & 0x08 == 0 {
        return Negotiated::new();
    }
    let bits = match choice >> 5 & 3 {
        0 => 15,
        1 => 12,
        2 => 9,
        _ => 8,
    };
    let window_bits = WindowBits::new(bits).expect("8 to 15");
    let direction = Direction { window_bits, context_takeover: choice & 0x10 == 0 };
    let agreement = Agreement::new(role, direction, direction, Deflate::default());
    Negotiated::new().with_deflate(agreement)
}

#[cfg(not(feature = "deflate"))]
fn negotiated(_: Role, _: u8) -> Negotiated {
    Negotiated::new()
}

#[derive(Clone, Copy)]
struct Settings<'s> {
    role: Role,
    config: &'s Config,
    negotiated: &'s Negotiated,
}

/// Generates a constant mask key, so that the output is reproducible.
fn not_random(bytes: &mut [u8]) -> Result<(), EntropyError> {
    bytes.fill(0x5a);
    Ok(())
}

/// The results. Consecutive parts of one message are joined.
#[derive(Debug, PartialEq)]
struct Trace {
    events: Vec<Seen>,
    out: Vec<u8>,
    error: Option<ProtocolError>,
}

#[derive(Debug, PartialEq)]
enum Seen {
    Message(bool, Vec<u8>),
    Part { text: bool, data: Vec<u8>, start: bool, end: bool },
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<(u16, String)>),
}

fn run(
    settings: Settings<'_>,
    stream: &[u8],
    seek: bool,
    mut cut: impl FnMut(usize) -> usize,
) -> Trace {
    let now = Instant::from_micros(0);
    let Settings { role, config, negotiated } = settings;
    let mut connection = Connection::new(role, config, negotiated, now);
    #[cfg(feature = "deflate")]
    let deflate = negotiated.deflate().is_some();
    #[cfg(not(feature = "deflate"))]
    let deflate = false;
    let (mut inbox, mut out) = (Inbox::new(), BytesMut::new());
    let mut trace = Trace { events: Vec::new(), out: Vec::new(), error: None };
    let (mut rest, mut given) = (stream, 0);
    while !rest.is_empty() {
        let (piece, behind) = rest.split_at(cut(rest.len()).min(rest.len()));
        rest = behind;
        given += piece.len();
        let mut piece = piece.to_vec();
        let mut input = Input::new(now, &mut piece);
        loop {
            let sought = seek.then(|| connection.seek(&mut input, &mut inbox, &mut out));
            match connection.receive(&mut input, &mut inbox, &mut out) {
                Ok(Some(event)) => {
                    assert!(matches!(sought, None | Some(Ok(true))), "not found: {event:?}");
                    trace.see(&event);
                }
                Ok(None) => {
                    assert!(matches!(sought, None | Some(Ok(false))), "found, but it didn't come");
                    assert!(input.is_empty(), "input was left");
                    break;
                }
                Err(error) => {
                    assert!(
                        matches!(sought, None | Some(Ok(true))) || sought == Some(Err(error)),
                        "{sought:?}"
                    );
                    assert!(input.is_empty(), "input was left");
                    let again = connection.receive(&mut input, &mut inbox, &mut out);
                    assert_eq!(again, Err(error), "the first error stays");
                    trace.fail(error);
                    break;
                }
            }
        }
        // Inflated data can be 1032 times as long as its input.
        let most = if deflate { 2 * 1032 * given + (20 << 10) } else { 33 * given + 256 };
        assert!(inbox.capacity() <= most, "{} for {given}", inbox.capacity());
        assert!(out.len() <= MAX_UNSENT + 2 * 131, "{}", out.len());
    }
    // The peer shuts down its write half: it is sent a Close frame, unless one was sent before.
    let ended = connection.receive_eof(&mut out);
    assert!(connection.is_closed());
    assert_eq!(ended.err(), connection.error());
    assert_eq!(connection.poll_timeout(), None);
    trace.out = out.to_vec();
    trace
}

impl Trace {
    /// If the first character of a message is invalid, its first bytes may have yielded an empty
    /// part before the byte that makes it invalid.
    fn fail(&mut self, error: ProtocolError) {
        self.error = Some(error);
        if matches!(
            self.events.last(),
            Some(Seen::Part { data, end: false, .. }) if data.is_empty()
        ) {
            self.events.pop();
        }
    }

    fn see(&mut self, event: &Event<'_>) {
        let seen = match *event {
            Event::Text(text) => Seen::Message(true, text.as_bytes().to_vec()),
            Event::Binary(bytes) => Seen::Message(false, bytes.to_vec()),
            Event::Part { data, start, end } => {
                let (text, data) = match data {
                    Data::Text(text) => (true, text.as_bytes()),
                    Data::Binary(bytes) => (false, bytes),
                };
                if !start
                    && let Some(Seen::Part { text: same, data: before, end: ended, .. }) =
                        self.events.last_mut()
                {
                    assert_eq!((*same, *ended), (text, false));
                    before.extend_from_slice(data);
                    *ended = end;
                    return;
                }
                Seen::Part { text, data: data.to_vec(), start, end }
            }
            Event::Ping(payload) => Seen::Ping(payload.to_vec()),
            Event::Pong(payload) => Seen::Pong(payload.to_vec()),
            Event::Close(frame) => {
                Seen::Close(frame.map(|f| (f.code.value(), f.reason.to_owned())))
            }
            _ => panic!("an unknown event: {event:?}"),
        };
        self.events.push(seen);
    }
}
