//! Compressed messages, made by the encoder of another project.

use miniz_oxide::DataFormat;
use miniz_oxide::deflate::core::{CompressionStrategy, CompressorOxide, TDEFLFlush, compress};
use sansocket::connection::Negotiated;
use sansocket::deflate::{Agreement, Deflate, Direction, Engine, WindowBits};
use sansocket::{Config, Role};

use super::{End, Frame, Pair, preset};

/// RSV1 among the reserved bits.
pub const RSV1: u8 = 0b100;

/// The end of a compressed message before it is removed.
pub const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

/// The compressed payloads of messages, with context takeover, window bits 15.
pub struct Foreign(Box<CompressorOxide>);

impl core::fmt::Debug for Foreign {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Foreign")
    }
}

impl Default for Foreign {
    fn default() -> Self {
        Self::new()
    }
}

impl Foreign {
    pub fn new() -> Self {
        let mut compressor = CompressorOxide::default();
        compressor.set_format_and_level(DataFormat::Raw, 6);
        Self(Box::new(compressor))
    }

    pub fn with(strategy: CompressionStrategy) -> Self {
        let flags =
            miniz_oxide::deflate::core::create_comp_flags_from_zip_params(6, 0, strategy as i32);
        Self(Box::new(CompressorOxide::new(flags)))
    }

    /// The payload of the next message, with its tail removed.
    pub fn payload(&mut self, message: &[u8]) -> Vec<u8> {
        let mut payload = Vec::new();
        let mut buffer = vec![0; message.len() / 8 + 4096];
        let (mut rest, mut flush) = (message, TDEFLFlush::Sync);
        loop {
            let (_, read, written) = compress(&mut self.0, rest, &mut buffer, flush);
            payload.extend_from_slice(&buffer[..written]);
            rest = &rest[read..];
            if written < buffer.len() && rest.is_empty() {
                break;
            }
            // Another call with Sync would add a second marker.
            if rest.is_empty() {
                flush = TDEFLFlush::None;
            }
        }
        assert!(payload.ends_with(&TAIL));
        payload.truncate(payload.len() - TAIL.len());
        payload
    }
}

/// The payload of a message that is compressed on its own.
pub fn payload(message: &[u8]) -> Vec<u8> {
    Foreign::new().payload(message)
}

/// A message in one frame whose payload is compressed already.
pub fn compressed(opcode: u8, payload: impl AsRef<[u8]>) -> Frame {
    Frame::new(opcode, payload).rsv(RSV1)
}

/// Texts with much in common, as in a connection.
pub fn chat(n: usize) -> String {
    format!(
        "{{\"type\":\"message\",\"id\":{n},\"room\":\"general\",\"text\":\"hello number {n}, nice to \
         meet you\"}}"
    )
}

/// Incompressible bytes.
pub fn noise(n: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (0..n)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 32) as u8
        })
        .collect()
}

/// The negotiated parameters: window bits of the server and of the client, and their context
/// takeover.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    pub server_bits: u8,
    pub client_bits: u8,
    pub server_takeover: bool,
    pub client_takeover: bool,
    pub engine: Engine,
}

impl Default for Terms {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl Terms {
    pub const DEFAULT: Self = Self {
        server_bits: 15,
        client_bits: 15,
        server_takeover: true,
        client_takeover: true,
        engine: Engine::Native,
    };

    pub fn bits(self, bits: u8) -> Self {
        Self { server_bits: bits, client_bits: bits, ..self }
    }

    pub fn takeover(self, takeover: bool) -> Self {
        Self { server_takeover: takeover, client_takeover: takeover, ..self }
    }

    /// The result of a handshake with these parameters. The encoder uses all of its window.
    pub fn negotiated(self, role: Role) -> Negotiated {
        let direction = |bits, context_takeover| Direction {
            window_bits: WindowBits::new(bits).unwrap(),
            context_takeover,
        };
        let server = direction(self.server_bits, self.server_takeover);
        let client = direction(self.client_bits, self.client_takeover);
        let options = Deflate::options().encoder_window_bits(15).engine(self.engine);
        let agreement = Agreement::new(role, server, client, options.build().unwrap());
        Negotiated::new().with_deflate(agreement)
    }

    /// An end after a handshake with these parameters.
    pub fn end(self, role: Role, config: &Config) -> End {
        End::agreed(role, config, &self.negotiated(role))
    }

    pub fn preset(self, role: Role) -> End {
        self.end(role, &preset(role).build().unwrap())
    }

    pub fn pair(self) -> Pair {
        Pair {
            client: self.preset(Role::Client),
            server: self.preset(Role::Server),
            chunk_len: usize::MAX,
        }
    }
}

/// Text that compresses 4 : 1.
pub fn prose(len: usize) -> String {
    let mut text = String::new();
    let random = noise(len / 8 + 1, 7);
    for byte in random {
        text.push_str(["alpha ", "beta, ", "gamma\n", "delta 12345 "][usize::from(byte) % 4]);
        text.push(char::from(b'a' + byte % 26));
        text.push('.');
        if text.len() >= len {
            break;
        }
    }
    text.truncate(len);
    text
}
