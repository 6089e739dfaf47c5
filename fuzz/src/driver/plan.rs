//! The start of a scenario: the settings, the opening handshake, and the peer's stream.

use core::time::Duration;

use bytes::BytesMut;
use sansocket::config::Delivery;
use sansocket::connection::Negotiated;
#[cfg(feature = "deflate")]
use sansocket::deflate::{Agreement, Deflate, Direction, WindowBits};
use sansocket::error::EntropyError;
use sansocket::handshake::OriginPolicy;
use sansocket::message::{Data, SendOptions};
use sansocket::{AcceptOptions, Config, ConnectRequest, Connection, Entropy, Instant, Role};

use super::frame::{BINARY, CLOSE, CONT, Frame, LenForm, PING, PONG, TEXT};
use super::source::Source;

/// The maximum length of the peer's stream, so that a run stays short.
const MAX_STREAM: usize = 300_000;

pub(super) const MAX_UNSENT: [usize; 8] = [2, 10, 64, 200, 1000, 4096, 70_000, 1 << 20];
const MAX_MESSAGE_LEN: [u64; 4] = [125, 1000, 70_000, 1 << 20];

const REQUEST: &[u8] = b"GET /chat HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: AQIDBAUGBwgJCgsMDQ4PEA==\r\n";

pub(super) struct Plan {
    pub(super) role: Role,
    /// The scenario includes the opening handshake.
    pub(super) opens: bool,
    pub(super) config: Config,
    pub(super) mark: usize,
    /// The negotiated options, without the opening handshake.
    pub(super) negotiated: Negotiated,
    pub(super) options: AcceptOptions,
    pub(super) request: ConnectRequest,
    pub(super) start: Instant,
    pub(super) counts: bool,
    /// Calls may violate their contracts. The results are then less predictable.
    pub(super) misuses: bool,
    /// More than one write may be in flight.
    pub(super) many_writes: bool,
    pub(super) stream: Vec<u8>,
}

impl Plan {
    pub(super) fn read(source: &mut Source<'_>) -> Self {
        let [first, second, third, fourth] = [(); 4].map(|()| source.byte());
        let role = if first & 1 == 0 { Role::Server } else { Role::Client };
        let opens = first & 2 != 0;
        let max_unsent = MAX_UNSENT[usize::from(second & 7)];
        let mark = 1 + (max_unsent / 2 - 1) * usize::from(second >> 3) / 31;
        let config = match role {
            Role::Server => Config::server(),
            Role::Client => Config::client(Entropy::from_fn(not_random)),
        };
        let [keep_alive, write, closing, message] = [(); 4].map(|()| source.byte());
        let (interval, timeout) = (duration(keep_alive), duration(keep_alive >> 4));
        let interval = interval.filter(|_| keep_alive != 0);
        let handshake_timeout = duration(write >> 4).unwrap_or(Duration::from_secs(10));
        let config = config
            .delivery(if first & 4 == 0 { Delivery::Whole } else { Delivery::Parts })
            .max_message_len(MAX_MESSAGE_LEN[usize::from(third & 3)])
            .max_unsent(max_unsent)
            .high_water_mark(mark)
            .keep_alive(interval, timeout.filter(|_| interval.is_some()))
            .write_timeout(duration(write).unwrap_or(Duration::from_secs(60)))
            .handshake_timeout(handshake_timeout)
            .close_timeout(duration(closing).unwrap_or(Duration::from_secs(5)))
            .linger_timeout(duration(closing >> 4).unwrap_or(Duration::from_secs(2)))
            .message_timeout(duration(message))
            .max_head_len(if third & 4 == 0 { 4096 } else { 250 })
            .build()
            .expect("the settings are good");
        let start = [0, 1_000_000, 1 << 40, u64::MAX - 10_000_000][usize::from(third >> 3 & 3)];
        let options = AcceptOptions::new().origins(OriginPolicy::Any);
        let request = ConnectRequest::new("ws://a/chat").expect("a good URL");
        let mut plan = Self {
            role,
            opens,
            config,
            mark,
            negotiated: Negotiated::new(),
            options,
            request,
            start: Instant::from_micros(start),
            counts: third & 0x20 != 0,
            misuses: fourth & 1 != 0,
            many_writes: fourth & 2 != 0,
            stream: Vec::new(),
        };
        #[cfg(feature = "deflate")]
        if first & 8 != 0 {
            let bits = [15, 12, 9, 8][usize::from(first >> 4 & 3)];
            plan.agree_on_deflate(bits, first & 0x40 == 0);
        }
        let deflate = first & 8 != 0 && cfg!(feature = "deflate");
        let mut section = source.section();
        let mut peer = Peer::new(&plan);
        if plan.opens {
            peer.opening(deflate, &mut section);
        }
        while !section.is_empty() && peer.stream.len() < MAX_STREAM {
            peer.send(&mut section);
        }
        plan.stream = peer.stream;
        plan
    }

    #[cfg(feature = "deflate")]
    fn agree_on_deflate(&mut self, bits: u8, context_takeover: bool) {
        let window_bits = WindowBits::new(bits).expect("8 to 15");
        let direction = Direction { window_bits, context_takeover };
        let agreement = Agreement::new(self.role, direction, direction, Deflate::default());
        self.negotiated = Negotiated::new().with_deflate(agreement);
        self.options = self.options.clone().deflate(Deflate::default());
        self.request = self.request.clone().deflate(Deflate::default());
    }
}

/// Returns the duration for the lower four bits: none, or from 1 ms to the maximum.
fn duration(choice: u8) -> Option<Duration> {
    let ms = match choice & 0x0f {
        0..=3 => return None,
        4 => return Some(Duration::MAX),
        5 => 1,
        6 | 7 => 10,
        8 | 9 => 100,
        10..=12 => 1000,
        _ => 10_000,
    };
    Some(Duration::from_millis(ms))
}

/// Generates constant mask keys and nonces, so that the output is reproducible.
fn not_random(bytes: &mut [u8]) -> Result<(), EntropyError> {
    bytes.fill(0x5a);
    Ok(())
}

/// Returns bytes that differ for each message.
pub(super) fn pattern(seed: u32, len: usize) -> Vec<u8> {
    let mut bytes = seed.to_be_bytes().to_vec();
    bytes.resize(len.max(4), seed as u8);
    bytes.truncate(len);
    bytes
}

/// Returns text of `len` bytes that differs for each message.
pub(super) fn text(seed: u32, len: usize) -> String {
    let mut text = format!("{seed} ");
    while text.len() < len {
        text.push_str("naïve Текст ");
    }
    while text.len() > len {
        text.pop();
    }
    while text.len() < len {
        text.push('.');
    }
    text
}

struct Peer {
    /// The role of the driver.
    to: Role,
    /// The other end, for messages that are compressed if compression was negotiated.
    connection: Connection,
    in_message: bool,
    /// The start of the last item in the stream.
    last: usize,
    /// The number of long messages sent.
    long: usize,
    count: u32,
    stream: Vec<u8>,
}

impl Peer {
    fn new(plan: &Plan) -> Self {
        let role = match plan.role {
            Role::Server => Role::Client,
            Role::Client => Role::Server,
        };
        let config = match role {
            Role::Server => Config::server(),
            Role::Client => Config::client(Entropy::from_fn(not_random)),
        };
        let config = config.build().expect("the presets are good");
        #[cfg(feature = "deflate")]
        let negotiated = match plan.negotiated.deflate() {
            None => Negotiated::new(),
            Some(agreement) => {
                let direction = agreement.direction(plan.role);
                let theirs = Agreement::new(role, direction, direction, Deflate::default());
                Negotiated::new().with_deflate(theirs)
            }
        };
        #[cfg(not(feature = "deflate"))]
        let negotiated = Negotiated::new();
        let connection = Connection::new(role, &config, &negotiated, Instant::from_micros(0));
        Self {
            to: plan.role,
            connection,
            in_message: false,
            last: 0,
            long: 0,
            count: 0,
            stream: Vec::new(),
        }
    }

    /// Appends the request, or the response to the request with the known nonce.
    fn opening(&mut self, deflate: bool, source: &mut Source<'_>) {
        let choice = source.byte();
        let mut head = match self.to {
            Role::Server => REQUEST.to_vec(),
            Role::Client => {
                let accept = sansocket::handshake::accept_key("WlpaWlpaWlpaWlpaWlpaWg==");
                let status = if choice & 0x10 == 0 { "101 x" } else { "403 x" };
                format!(
                    "HTTP/1.1 {status}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                     Sec-WebSocket-Accept: {accept}\r\n"
                )
                .into_bytes()
            }
        };
        if deflate && choice & 0x20 == 0 {
            head.extend(b"Sec-WebSocket-Extensions: permessage-deflate\r\n");
        }
        if choice & 8 != 0 {
            head.extend(b"X: ");
            head.extend(pattern(0x6161_6161, source.len()));
            head.extend(b"\r\n");
        }
        head.extend(b"\r\n");
        match choice & 7 {
            0..=4 => {}
            5 => {
                let at = (source.below(256) * 256 + source.below(256)) % head.len();
                head[at] = source.byte();
            }
            6 => head.truncate(source.below(256)),
            _ => head.clear(),
        }
        self.stream = head;
    }

    fn send(&mut self, source: &mut Source<'_>) {
        let begin = self.stream.len();
        self.count += 1;
        let tag = source.byte();
        match tag & 0x0f {
            0 => self.stream.extend(source.bytes((tag >> 4).into())),
            1 | 2 => self.message(BINARY, source),
            3 => self.message(TEXT, source),
            4 => {
                // A frame with any header.
                let (first, n) = (source.byte(), source.byte());
                let mut frame = Frame::new(first & 0x0f, source.bytes((n & 0x1f).into()));
                (frame.fin, frame.rsv) = (first & 0x80 != 0, first >> 4 & 7);
                self.frame(frame);
            }
            5 => {
                // A fragment of at most 255 bytes, with a valid opcode.
                let end = tag & 0x10 != 0;
                let kind = if tag & 0x20 == 0 { BINARY } else { TEXT };
                let n = source.below(256);
                let payload = source.bytes(n);
                let opcode = if self.in_message { CONT } else { kind };
                self.frame(Frame::new(opcode, payload).fin(end));
                self.in_message = !end;
            }
            6 => {
                let payload = pattern(self.count, source.below(126));
                self.frame(Frame::new(PING, payload));
            }
            7 => {
                let payload = pattern(self.count, source.below(126));
                self.frame(Frame::new(PONG, payload));
            }
            8 => self.close(source),
            9 => {
                // The last item, repeated.
                let last = self.stream[self.last..].to_vec();
                let times = if last.len() < 40 { source.below(256) * 8 } else { source.below(8) };
                self.stream.extend(last.repeat(times.min(MAX_STREAM / (last.len() + 1))));
            }
            10 | 11 => self.by_connection(tag, source),
            12 => self.fault(source),
            13 if self.long < 2 => {
                // Long enough for a direct read into the inbox.
                self.long += 1;
                let opcode = if self.in_message { CONT } else { BINARY };
                let payload = pattern(self.count, 140_000);
                self.frame(Frame::new(opcode, payload));
                self.in_message = false;
            }
            14 => {
                // Empty fragments.
                let opcode = if self.in_message { CONT } else { TEXT };
                self.frame(Frame::new(opcode, []).not_fin());
                for _ in 0..source.byte() {
                    self.frame(Frame::new(CONT, []).not_fin());
                }
                self.in_message = true;
            }
            _ => {
                // The last fragment of a message, or a short message.
                let opcode = if self.in_message { CONT } else { BINARY };
                self.frame(Frame::new(opcode, pattern(self.count, (tag >> 4).into())));
                self.in_message = false;
            }
        }
        self.last = begin;
    }

    fn frame(&mut self, frame: Frame) {
        let frame = match self.to {
            Role::Server => frame.key([0x37, 0xfa, 0x21, 0x3d]),
            Role::Client => frame,
        };
        self.stream.extend(frame.bytes());
    }

    /// Appends a message in fragments.
    fn message(&mut self, kind: u8, source: &mut Source<'_>) {
        let len = source.len();
        if len > 60_000 {
            self.long += 1;
            if self.long > 3 {
                return;
            }
        }
        let payload = match kind {
            TEXT => text(self.count, len).into_bytes(),
            _ => pattern(self.count, len),
        };
        let parts = source.below(4) + 1;
        let each = (len / parts).max(1);
        let mut rest = &payload[..];
        let mut opcode = if self.in_message { CONT } else { kind };
        loop {
            let (part, behind) = rest.split_at(each.min(rest.len()));
            self.frame(Frame::new(opcode, part).fin(behind.is_empty()));
            if behind.is_empty() {
                break;
            }
            (rest, opcode) = (behind, CONT);
        }
        self.in_message = false;
    }

    fn close(&mut self, source: &mut Source<'_>) {
        let code = source.pick(&[1000, 1001, 1002, 1005, 1006, 3000, 4999, 5000]);
        match source.byte() & 7 {
            0 => self.frame(Frame::new(CLOSE, [])),
            1 => self.frame(Frame::new(CLOSE, [3])),
            2 => self.frame(Frame::close(code, b"\xc3")),
            n => self.frame(Frame::close(code, text(self.count, usize::from(n) * 17))),
        }
    }

    /// Appends a message, or a part of one, that a connection has encoded.
    fn by_connection(&mut self, tag: u8, source: &mut Source<'_>) {
        let mut out = BytesMut::new();
        let len = source.len();
        let text = text(self.count, len);
        let mut options = SendOptions::new();
        if tag & 0x10 != 0 {
            options.max_frame_len = core::num::NonZeroUsize::new(source.len());
        }
        let end = tag & 0x20 == 0;
        // Always parts of a text, so that each part continues the same message.
        let _ = self.connection.send_part(Data::Text(&text), end, options, &mut out);
        self.in_message = !end;
        self.stream.extend(&out);
    }

    fn fault(&mut self, source: &mut Source<'_>) {
        let payload = pattern(self.count, source.below(64));
        let opcode = if self.in_message { CONT } else { TEXT };
        let frame = Frame::new(opcode, &payload);
        match source.byte() & 7 {
            0 => self.stream.extend(frame.bytes()), // unmasked: invalid for a server
            1 => self.stream.extend(frame.key([1, 2, 3, 4]).bytes()), // masked: for a client
            2 => self.frame(frame.announce(1 << 20)),
            3 => self.frame(frame.announce(1 << 40)),
            4 => self.frame(frame.announce(u64::MAX)),
            5 => self.frame(frame.len_form(LenForm::Bits64)),
            6 => self.frame(Frame::new(opcode, [b'a', 0xc3, b'b'])),
            _ => self.frame(Frame::new(PING, [7; 126])),
        }
    }
}
