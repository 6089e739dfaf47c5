//! Heads of handshakes, valid or not, and their outcomes for any split of the input.

use bytes::BytesMut;
use sansocket::handshake::{
    ClientHandshake, ConnectResponse, HandshakeError, OwnedRequestHead, Refusal, ServerHandshake,
};
use sansocket::{AcceptOptions, Config, ConnectRequest, Connection, Event, Inbox, Input};

use super::{at_ms, reseed, weak_entropy_for_tests_only};

/// A head: its first line, and its fields.
#[derive(Clone, Debug)]
pub struct Lines {
    pub first: String,
    pub fields: Vec<(String, String)>,
}

impl Lines {
    /// The request of RFC 6455 1.2, without subprotocol and origin.
    pub fn request() -> Self {
        Self::new(
            "GET /chat HTTP/1.1",
            &[
                ("Host", "server.example.com"),
                ("Upgrade", "websocket"),
                ("Connection", "Upgrade"),
                ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
                ("Sec-WebSocket-Version", "13"),
            ],
        )
    }

    /// The valid response to a request with this accept key.
    pub fn response(accept: &str) -> Self {
        Self::new(
            "HTTP/1.1 101 Switching Protocols",
            &[
                ("Upgrade", "websocket"),
                ("Connection", "Upgrade"),
                ("Sec-WebSocket-Accept", accept),
            ],
        )
    }

    pub fn new(first: &str, fields: &[(&str, &str)]) -> Self {
        let fields = fields.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        Self { first: first.to_owned(), fields }
    }

    pub fn first(mut self, line: &str) -> Self {
        self.first = line.to_owned();
        self
    }

    /// Removes the fields of this name.
    pub fn without(mut self, name: &str) -> Self {
        self.fields.retain(|(n, _)| !n.eq_ignore_ascii_case(name));
        self
    }

    /// Adds a field at the end.
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Sets the field to this one value, at its position.
    pub fn set(mut self, name: &str, value: &str) -> Self {
        for (n, v) in &mut self.fields {
            if n.eq_ignore_ascii_case(name) {
                value.clone_into(v);
                return self;
            }
        }
        self.with(name, value)
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut text = format!("{}\r\n", self.first);
        for (name, value) in &self.fields {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str("\r\n");
        text.into_bytes()
    }
}

/// The outcome of the bytes of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestOutcome {
    /// More bytes are needed.
    Waiting,
    /// A 101 with these bytes, and the subprotocol.
    Open(Vec<u8>, Option<String>),
    /// Refused with this status and body, written as these bytes; by the reader, or by a rule of
    /// the handshake.
    Refused(u16, String, Vec<u8>),
}

impl RequestOutcome {
    pub fn status(&self) -> u16 {
        match self {
            Self::Waiting => 0,
            Self::Open(..) => 101,
            Self::Refused(status, ..) => *status,
        }
    }

    pub fn text(&self) -> &str {
        match self {
            Self::Waiting => "",
            Self::Open(answer, _) | Self::Refused(_, _, answer) => {
                core::str::from_utf8(answer).unwrap()
            }
        }
    }

    /// The line that names the fault.
    pub fn hint(&self) -> &str {
        match self {
            Self::Refused(_, hint, _) => hint,
            Self::Waiting | Self::Open(..) => "",
        }
    }
}

impl From<Refusal> for RequestOutcome {
    fn from(refusal: Refusal) -> Self {
        let mut out = BytesMut::new();
        refusal.write(&mut out);
        let body = String::from_utf8(refusal.body().to_vec()).unwrap();
        Self::Refused(refusal.status(), body, out.to_vec())
    }
}

/// Splits bytes at the given positions; positions after the end don't count.
pub fn cut<'b>(bytes: &'b [u8], cuts: &[usize]) -> Vec<&'b [u8]> {
    let mut places: Vec<usize> = cuts.iter().copied().filter(|&at| at < bytes.len()).collect();
    places.sort_unstable();
    places.dedup();
    places.push(bytes.len());
    let mut start = 0;
    places.iter().map(|&end| &bytes[core::mem::replace(&mut start, end)..end]).collect()
}

/// Feeds chunks of the input to a handshake until it has a result; returns it, and the number of
/// bytes left over.
fn feed_chunks<T, E>(
    chunks: &[&[u8]],
    mut receive: impl FnMut(&mut Input<'_>) -> Result<Option<T>, E>,
) -> (Result<Option<T>, E>, usize) {
    let mut rest: usize = chunks.iter().map(|chunk| chunk.len()).sum();
    for chunk in chunks {
        let mut chunk = chunk.to_vec();
        let mut input = Input::new(at_ms(0), &mut chunk);
        let before = input.len();
        let result = receive(&mut input);
        rest -= before - input.len();
        match result {
            Ok(None) => assert!(input.is_empty(), "all bytes of an unfinished head are taken"),
            done => return (done, rest),
        }
    }
    (Ok(None), rest)
}

/// Reads the head of a request from chunks of the input; returns the number of bytes left over, too.
pub fn read_head(
    chunks: &[&[u8]],
    config: &Config,
) -> (Result<Option<OwnedRequestHead>, Refusal>, usize) {
    let mut handshake = ServerHandshake::new(config, at_ms(0));
    feed_chunks(chunks, |input| handshake.receive(input))
}

/// Serves a request that arrives in chunks; returns the number of bytes left over, too.
pub fn serve_chunks(
    chunks: &[&[u8]],
    config: &Config,
    options: &AcceptOptions,
) -> (RequestOutcome, usize) {
    let (result, rest) = read_head(chunks, config);
    let served = match result {
        Ok(None) => RequestOutcome::Waiting,
        Err(refusal) => refusal.into(),
        Ok(Some(head)) => match head.upgrade().and_then(|request| request.accept(options)) {
            Err(refusal) => refusal.into(),
            Ok(accepted) => {
                let mut out = BytesMut::new();
                accepted.write(&mut out);
                let subprotocol = accepted.negotiated().subprotocol().map(str::to_owned);
                RequestOutcome::Open(out.to_vec(), subprotocol)
            }
        },
    };
    (served, rest)
}

/// Serves a request with the presets.
pub fn serve(bytes: &[u8]) -> RequestOutcome {
    serve_with(bytes, &AcceptOptions::new())
}

pub fn serve_with(bytes: &[u8], options: &AcceptOptions) -> RequestOutcome {
    serve_chunks(&[bytes], &Config::server().build().unwrap(), options).0
}

/// A client that has requested `ws://example.com/` with the subprotocols `a` and `b`; also the
/// accept key of the valid response.
pub fn client(config: &Config) -> (ClientHandshake, String) {
    let request =
        ConnectRequest::new("ws://example.com/").unwrap().subprotocols(["a", "b"]).unwrap();
    client_for(&request, config)
}

pub fn client_for(request: &ConnectRequest, config: &Config) -> (ClientHandshake, String) {
    reseed(7);
    let mut out = BytesMut::new();
    let handshake = ClientHandshake::new(request, config, at_ms(0), &mut out).unwrap();
    (handshake, sansocket::handshake::accept_key(&key_of(&out)))
}

/// The key of a request.
pub fn key_of(request: &[u8]) -> String {
    let text = core::str::from_utf8(request).unwrap();
    let (_, rest) = text.split_once("Sec-WebSocket-Key: ").unwrap();
    rest.split_once("\r\n").unwrap().0.to_owned()
}

pub fn client_config() -> Config {
    Config::client(weak_entropy_for_tests_only()).build().unwrap()
}

/// The outcome of the bytes of a response: a text for errors, so that they can be compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResponseOutcome {
    Waiting,
    Open(Option<String>),
    Failed(String),
}

/// Feeds chunks of a response to a client; returns the number of bytes left over, too.
pub fn receive_chunks(
    mut handshake: ClientHandshake,
    chunks: &[&[u8]],
) -> (Result<Option<ConnectResponse>, HandshakeError>, usize) {
    feed_chunks(chunks, |input| Ok(handshake.receive(input)?.map(|(_, response)| response)))
}

/// Returns the outcome in a form that can be compared.
pub fn response_outcome(
    result: &Result<Option<ConnectResponse>, HandshakeError>,
) -> ResponseOutcome {
    match result {
        Ok(None) => ResponseOutcome::Waiting,
        Ok(Some(response)) => ResponseOutcome::Open(response.subprotocol().map(str::to_owned)),
        Err(error) => ResponseOutcome::Failed(error.to_string()),
    }
}

/// The payloads of the messages and pings that an input after the handshake completes.
pub fn payloads(
    connection: &mut Connection,
    input: &mut Input<'_>,
    inbox: &mut Inbox,
    out: &mut BytesMut,
) -> Vec<Vec<u8>> {
    let mut payloads = Vec::new();
    while let Some(event) = connection.receive(input, inbox, out).unwrap() {
        match event {
            Event::Text(text) => payloads.push(text.as_bytes().to_vec()),
            Event::Binary(bytes) | Event::Ping(bytes) => payloads.push(bytes.to_vec()),
            Event::Part { .. } | Event::Pong(_) | Event::Close(_) | _ => panic!("{event:?}"),
        }
    }
    payloads
}
