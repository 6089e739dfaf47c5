//! The cases as data, which both adapters run: messages to send, and the expected replies.

use alloc::collections::VecDeque;

use sansocket::connection::Stats;
use sansocket::handshake::ConnectResponse;
use sansocket::message::OwnedData;
use sansocket::{CloseCode, Event};

use crate::windows::Terms;

/// An action or an expectation of the client.
pub(crate) enum Step {
    Send(OwnedData),
    SendPart {
        part: OwnedData,
        end: bool,
    },
    SendPing(Vec<u8>),
    SendPong(Vec<u8>),
    /// The closing handshake, for 1005 with an empty Close frame.
    Close(CloseCode),
    Expect(Expected),
    /// Checks the statistics of all messages so far.
    Check(fn(Terms, Stats) -> Result<(), String>),
}

/// An expected message of the server. Each kind has its own order: a pong can overtake an echo.
pub(crate) enum Expected {
    Message(OwnedData),
    Pong(Vec<u8>),
    /// The code of the server's Close frame, 1005 if it has none.
    Close(CloseCode),
}

/// One connection.
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) path: String,
    /// The expected agreement on compression; `None` accepts any.
    pub(crate) agreed: Option<Terms>,
    pub(crate) steps: Vec<Step>,
}

impl Case {
    /// Returns all cases. `tests/interop/python_peer.py` describes the server.
    pub(crate) fn all() -> Vec<Self> {
        let mut cases = vec![
            Self::echo("text", vec![text("Grüße, 世界 🌍")]),
            Self::echo("binary", vec![binary((0..=u8::MAX).collect())]),
            Self::echo("empty text", vec![text("")]),
            Self::echo("empty binary", vec![binary(Vec::new())]),
        ];
        for len in LENGTHS {
            cases.push(Self::echo(&format!("text of {len}"), vec![text(&long_text(len))]));
            cases.push(Self::echo(&format!("binary of {len}"), vec![binary(long_binary(len))]));
        }
        cases.push(Self::echo(&format!("{PIPELINED} pipelined"), pipelined()));
        cases.push(Self::fragments("text fragments", text_parts(), text("Grüße")));
        cases.push(Self::fragments("binary fragments", binary_parts(), joined_binary()));
        cases.push(Self::pings());
        cases.push(Self::fragments_from_server());
        for code in CODES {
            cases.push(Self::close(code));
            cases.push(Self::close_from_server(code));
        }
        cases
    }

    /// Returns the cases for hypercorn. Applications of ASGI can't send fragments, nor a Close frame without
    /// a code; and its library for frames can't inflate a message that has a ping between its fragments.
    pub(crate) fn of_asgi(is_compressed: bool) -> Vec<Self> {
        let mut cases = Self::all();
        cases.retain(|case| {
            let has_pings_within = case.name.ends_with(" fragments");
            !matches!(&*case.path, "/fragments" | "/close/none")
                && (!is_compressed || !has_pings_within)
        });
        cases
    }

    /// Sends all messages before the first read, and expects their echoes in order.
    fn echo(name: &str, messages: Vec<OwnedData>) -> Self {
        let sends = messages.iter().cloned().map(Step::Send);
        let expects = messages.iter().cloned().map(|m| Step::Expect(Expected::Message(m)));
        Self::new(name, "/echo", sends.chain(expects).chain(normal_close()))
    }

    /// Sends a ping and an unsolicited pong between the fragments. The ping must be answered.
    fn fragments(name: &str, [first, second, third]: [OwnedData; 3], joined: OwnedData) -> Self {
        let steps = [
            Step::SendPart { part: first, end: false },
            Step::SendPing(b"between fragments".to_vec()),
            Step::SendPart { part: second, end: false },
            Step::SendPong(b"unsolicited".to_vec()),
            Step::SendPart { part: third, end: true },
            Step::Expect(Expected::Message(joined)),
            Step::Expect(Expected::Pong(b"between fragments".to_vec())),
        ];
        Self::new(name, "/echo", steps.into_iter().chain(normal_close()))
    }

    fn pings() -> Self {
        let payloads = [Vec::new(), b"p".to_vec(), long_binary(125)];
        let steps = payloads
            .into_iter()
            .flat_map(|p| [Step::SendPing(p.clone()), Step::Expect(Expected::Pong(p))])
            .chain([Step::SendPong(b"unsolicited".to_vec()), Step::Send(text("after a pong"))])
            .chain([Step::Expect(Expected::Message(text("after a pong")))]);
        Self::new("pings and pongs", "/echo", steps.chain(normal_close()))
    }

    /// The server sends the fragments, then a message with the result of its check of the pong.
    fn fragments_from_server() -> Self {
        let steps = [text("Grüße"), joined_binary(), text("pong ok")]
            .map(|message| Step::Expect(Expected::Message(message)));
        Self::new(
            "fragments from the server",
            "/fragments",
            steps.into_iter().chain(normal_close()),
        )
    }

    fn close(code: CloseCode) -> Self {
        let steps = [
            Step::Send(text("before the close")),
            Step::Expect(Expected::Message(text("before the close"))),
            Step::Close(code),
            Step::Expect(Expected::Close(code)),
        ];
        Self::new(&format!("close {}", spelled(code)), "/echo", steps)
    }

    fn close_from_server(code: CloseCode) -> Self {
        let path = match code {
            CloseCode::NO_STATUS => "/close/none".into(),
            code => format!("/close/{code}"),
        };
        let steps = [Step::Send(text("please close")), Step::Expect(Expected::Close(code))];
        Self::new(&format!("close {} by the server", spelled(code)), &path, steps)
    }

    fn new(name: &str, path: &str, steps: impl IntoIterator<Item = Step>) -> Self {
        let steps = steps.into_iter().collect();
        Self { name: name.into(), path: path.into(), agreed: None, steps }
    }

    /// Checks the agreement in the response of the server.
    pub(crate) fn check_answer(&self, answer: &ConnectResponse) -> Result<(), String> {
        let Some(agreed) = self.agreed else { return Ok(()) };
        let value = answer.fields().get("Sec-WebSocket-Extensions").unwrap_or_default();
        let value = String::from_utf8_lossy(value);
        let got = Terms::read(&value)?;
        if got != agreed {
            return Err(format!("expected {agreed:?}, got {value:?}"));
        }
        Ok(())
    }

    /// Executes a [`Step::Check`].
    pub(crate) fn check(
        &self,
        check: fn(Terms, Stats) -> Result<(), String>,
        stats: Option<Stats>,
    ) -> Result<(), String> {
        match (self.agreed, stats) {
            (Some(agreed), Some(stats)) => check(agreed, stats),
            _ => Err("no statistics".into()),
        }
    }
}

/// Received events that no step has expected yet.
#[derive(Default)]
pub(crate) struct Received {
    messages: VecDeque<OwnedData>,
    pongs: VecDeque<Vec<u8>>,
    close: Option<CloseCode>,
    ended: bool,
}

impl Received {
    pub(crate) fn event(&mut self, event: Event<'_>) {
        #[expect(clippy::wildcard_enum_match_arm, reason = "no case expects other events")]
        match event {
            Event::Text(message) => self.messages.push_back(text(message)),
            Event::Binary(message) => self.messages.push_back(binary(message.into())),
            Event::Pong(payload) => self.pongs.push_back(payload.into()),
            Event::Close(frame) => self.close(frame.map_or(CloseCode::NO_STATUS, |f| f.code)),
            _ => {}
        }
    }

    /// The code of the server's Close frame.
    pub(crate) fn close(&mut self, code: CloseCode) {
        self.close = Some(code);
    }

    /// Records the end of the connection.
    pub(crate) fn end(&mut self) {
        self.ended = true;
    }

    /// Compares an expectation with the received events. Returns `None` if it may still arrive.
    pub(crate) fn take(&mut self, expected: &Expected) -> Option<Result<(), String>> {
        let found = match expected {
            Expected::Message(wanted) => self.messages.pop_front().map(|got| {
                (got == *wanted, format!("expected {}, got {}", brief(wanted), brief(&got)))
            }),
            Expected::Pong(wanted) => self.pongs.pop_front().map(|got| {
                (got == *wanted, format!("expected the pong {wanted:02x?}, got {got:02x?}"))
            }),
            Expected::Close(wanted) => self
                .close
                .map(|got| (got == *wanted, format!("expected close {wanted}, got {got}"))),
        };
        match found {
            Some((true, _)) => Some(Ok(())),
            Some((false, why)) => Some(Err(why)),
            None if self.ended || self.close.is_some() => {
                Some(Err(format!("the connection has ended (close: {:?})", self.close)))
            }
            None => None,
        }
    }
}

fn brief(message: &OwnedData) -> String {
    match message {
        OwnedData::Binary(bytes) => format!("binary of {}", bytes.len()),
        OwnedData::Text(text) => {
            format!("text of {}: {:?}", text.len(), text.chars().take(40).collect::<String>())
        }
    }
}

fn normal_close() -> [Step; 2] {
    [Step::Close(CloseCode::NORMAL), Step::Expect(Expected::Close(CloseCode::NORMAL))]
}

fn spelled(code: CloseCode) -> String {
    match code {
        CloseCode::NO_STATUS => "without a code (1005)".into(),
        code => code.to_string(),
    }
}

pub(crate) fn text(text: &str) -> OwnedData {
    OwnedData::text(text.to_owned())
}

fn binary(bytes: Vec<u8>) -> OwnedData {
    OwnedData::binary(bytes)
}

fn long_text(len: usize) -> String {
    "0123456789abcdef".chars().cycle().take(len).collect()
}

fn long_binary(len: usize) -> Vec<u8> {
    (0..=u8::MAX).map(|i| i.wrapping_mul(7)).cycle().take(len).collect()
}

/// Returns short text and binary messages in turn, with increasing lengths.
fn pipelined() -> Vec<OwnedData> {
    (0..PIPELINED)
        .map(|i| if i % 2 == 0 { binary(long_binary(i)) } else { text(&format!("message {i}")) })
        .collect()
}

/// One part is empty, and the text is split inside a word.
fn text_parts() -> [OwnedData; 3] {
    [text("Grü"), text(""), text("ße")]
}

fn binary_parts() -> [OwnedData; 3] {
    [binary(vec![0; 70_000]), binary(vec![1]), binary(Vec::new())]
}

fn joined_binary() -> OwnedData {
    let mut bytes = vec![0; 70_000];
    bytes.push(1);
    binary(bytes)
}

/// Lengths around the limits of each form of the length field, and one that takes many reads.
const LENGTHS: [usize; 6] = [1, 125, 126, 65_535, 65_536, 1 << 20];
const PIPELINED: usize = 300;
const CODES: [CloseCode; 4] =
    [CloseCode::NORMAL, CloseCode::GOING_AWAY, CloseCode::new(3000), CloseCode::NO_STATUS];
