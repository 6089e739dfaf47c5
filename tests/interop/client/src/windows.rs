//! Compression with all windows, and context takeover in both directions. The servers are
//! `tests/interop/deflate_peer.py` and `.mjs`; the query of a request has their settings.

use sansocket::CloseCode;
use sansocket::connection::Stats;
use sansocket::deflate::Deflate;
use sansocket::error::ConfigError;
use sansocket::message::OwnedData;

use crate::cases::{Case, Expected, Step, text};

/// Parameters of permessage-deflate: the settings of one end, or the agreement of both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Terms {
    pub(crate) server: Direction,
    pub(crate) client: Direction,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Direction {
    pub(crate) window_bits: u8,
    pub(crate) context_takeover: bool,
}

impl Terms {
    /// The agreement without any parameter.
    pub(crate) const ANY: Self = Self { server: Direction::ANY, client: Direction::ANY };

    /// Returns all pairs of windows of both ends, with varying context takeover.
    fn all() -> impl Iterator<Item = Self> {
        let pairs = (9..=15).flat_map(|server| (9..=15).map(move |client| (server, client)));
        pairs.map(|(server, client)| Self {
            server: Direction { window_bits: server, context_takeover: (server + client) & 1 == 0 },
            client: Direction { window_bits: client, context_takeover: (server + client) & 2 == 0 },
        })
    }

    /// Parses the response of the server. Parameters that are absent have the values of `ANY`.
    pub(crate) fn read(answer: &str) -> Result<Self, String> {
        let mut terms = Self::ANY;
        let mut parameters = answer.split(';').map(str::trim);
        if parameters.next() != Some("permessage-deflate") {
            return Err(format!("the server agreed to {answer:?}"));
        }
        for parameter in parameters {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            let (sender, rest) = name.split_once('_').unwrap_or_default();
            let direction = match sender {
                "server" => &mut terms.server,
                "client" => &mut terms.client,
                _ => return Err(format!("the server answered {parameter:?}")),
            };
            match (rest, value.parse()) {
                ("max_window_bits", Ok(bits)) => direction.window_bits = bits,
                ("no_context_takeover", Err(_)) => direction.context_takeover = false,
                _ => return Err(format!("the server answered {parameter:?}")),
            }
        }
        Ok(terms)
    }

    fn deflate(self) -> Result<Deflate, ConfigError> {
        Deflate::options()
            .server_max_window_bits(self.server.window_bits)
            .client_max_window_bits(self.client.window_bits)
            // The encoder uses the complete window.
            .encoder_window_bits(self.client.window_bits)
            .server_context_takeover(self.server.context_takeover)
            .client_context_takeover(self.client.context_takeover)
            .build()
    }

    fn query(self) -> String {
        let mut query = format!(
            "/?server_max_window_bits={}&client_max_window_bits={}",
            self.server.window_bits, self.client.window_bits
        );
        if !self.server.context_takeover {
            query.push_str("&server_no_context_takeover");
        }
        if !self.client.context_takeover {
            query.push_str("&client_no_context_takeover");
        }
        query
    }
}

impl Direction {
    const ANY: Self = Self { window_bits: 15, context_takeover: true };

    /// Checks the length of a repeated message: a short reference only with context takeover.
    fn check_repeats(self, name: &str, len: u64, wire_len: u64) -> Result<(), String> {
        let fits = if self.context_takeover { wire_len < len / 8 } else { wire_len < len };
        if fits && (self.context_takeover || wire_len > len / 4) {
            return Ok(());
        }
        Err(format!("{len} bytes {name} as {wire_len}, which contradicts {self:?}"))
    }
}

/// Returns all cases, and the offer of the client for each.
pub(crate) fn cases() -> Result<Vec<(Case, Option<Deflate>)>, ConfigError> {
    let offer = Deflate::default();
    let mut cases = vec![(case("no parameters", "/", Terms::ANY), Some(offer))];
    for terms in Terms::all() {
        let query = terms.query();
        let name = |who| format!("{who} requires {query}");
        cases.push((case(&name("the server"), &query, terms), Some(offer)));
        cases.push((case(&name("the client"), "/", terms), Some(terms.deflate()?)));
    }
    // RFC 7692 allows 8 bits too. Our settings do not offer it, but the client must obey a server.
    let mut least = Terms::ANY;
    least.client.window_bits = 8;
    let path = "/?client_max_window_bits=8";
    cases.push((case("the server requires 8 bits", path, least), Some(offer)));
    Ok(cases)
}

fn case(name: &str, path: &str, agreed: Terms) -> Case {
    let mut noise = Noise(1);
    let mut steps = Vec::new();
    // Hexadecimal digits, so that the first message shrinks too; shorter than every window.
    let again = text(&noise.characters(b"0123456789abcdef", 200));
    for _ in 0..20 {
        steps.extend(echo(again.clone()));
    }
    steps.push(Step::Check(check_repeats));
    let (bits, others) = (agreed.server.window_bits, agreed.client.window_bits);
    for bits in if bits == others { vec![bits] } else { vec![bits, others] } {
        steps.extend(echo(text(&noise.around(bits))));
        steps.extend(echo(text(&noise.letters(1 << bits).repeat(2))));
    }
    steps.extend(echo(OwnedData::binary(noise.bytes(5000))));
    steps.extend(echo(text("")));
    steps.extend(echo(OwnedData::binary(Vec::new())));
    steps.extend(echo(OwnedData::binary(vec![0; 100_000])));
    steps.extend(echo(text(&noise.record())));
    let parts = [noise.record(), String::new(), noise.record(), "ß".to_owned()];
    for (index, part) in parts.iter().enumerate() {
        steps.push(Step::SendPart { part: text(part), end: index + 1 == parts.len() });
        steps.push(Step::SendPing(vec![0; index]));
    }
    steps.push(Step::Expect(Expected::Message(text(&parts.concat()))));
    steps.extend((0..parts.len()).map(|index| Step::Expect(Expected::Pong(vec![0; index]))));
    steps.extend(echo(text(&noise.record())));
    steps.push(Step::Close(CloseCode::NORMAL));
    steps.push(Step::Expect(Expected::Close(CloseCode::NORMAL)));
    Case { name: name.into(), path: path.into(), agreed: Some(agreed), steps }
}

fn echo(message: OwnedData) -> [Step; 2] {
    [Step::Send(message.clone()), Step::Expect(Expected::Message(message))]
}

fn check_repeats(agreed: Terms, stats: Stats) -> Result<(), String> {
    agreed.client.check_repeats("went", stats.bytes_sent, stats.wire_bytes_sent)?;
    agreed.server.check_repeats("came", stats.bytes_received, stats.wire_bytes_received)
}

/// Data without repetition, the same in each run.
struct Noise(u64);

impl Noise {
    /// Executes a step of xorshift64*.
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 32
    }

    fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next().to_be_bytes()[7]).collect()
    }

    fn characters(&mut self, alphabet: &[u8], len: usize) -> String {
        let mut pick = || {
            let at = usize::try_from(self.next()).unwrap_or_default() % alphabet.len();
            char::from(alphabet.get(at).copied().unwrap_or_default())
        };
        (0..len).map(|_| pick()).collect()
    }

    fn letters(&mut self, len: usize) -> String {
        self.characters(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", len)
    }

    fn record(&mut self) -> String {
        let entry = |noise: &mut Self| {
            let (id, price, name) = (noise.next(), noise.next(), noise.letters(6));
            format!("{{\"id\": {id}, \"name\": \"{name}\", \"price\": {price}, \"open\": true}}")
        };
        (0..5).map(|_| entry(self)).collect::<Vec<_>>().join(", ")
    }

    /// Returns text that repeats at a distance of the window, of one byte less, and of one byte
    /// more.
    fn around(&mut self, bits: u8) -> String {
        let again = self.letters(40);
        let mut text = String::new();
        for len in [(1 << bits) - 1, 1 << bits, (1 << bits) + 1] {
            text.push_str(&again);
            text.push_str(&self.letters(len - again.len()));
        }
        text + &again
    }
}
