//! Messages such as connections carry, made from a seed: the input of the bench of compression and
//! of its tests. The same seed gives the same messages on every machine: integers only.
//!
//! It compresses like real traffic: words by Zipf's law, increasing ids and times, prices as random
//! walks, markup around text. zlib at level 6 with 15 bits and context takeover compresses 2.9 : 1
//! at 64 bytes, and 4 : 1 at 4 KiB (geometric mean over [`KINDS`]).

#![allow(
    dead_code,
    missing_docs,
    unreachable_pub,
    clippy::cast_possible_truncation,
    clippy::exhaustive_enums,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    clippy::must_use_candidate,
    clippy::panic,
    reason = "test helper: every file uses a part of it, and a panic is a failed test"
)]

mod words;

use core::fmt::Write as _;

use self::words::Prose;

/// The content of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// JSON: a message of a chat, or a page of them.
    Chat,
    /// JSON: prices and trades of a market.
    Ticks,
    /// HTML fragments of a page that is updated by its server.
    Html,
    /// English prose.
    Text,
    /// Records of moving objects, little-endian, as a game sends them.
    Binary,
    /// Random bytes, like data that is encrypted or compressed already.
    Noise,
}

/// The kinds for means: all that can be compressed.
pub const KINDS: [Kind; 5] = [Kind::Chat, Kind::Ticks, Kind::Html, Kind::Text, Kind::Binary];

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Ticks => "ticks",
            Self::Html => "html",
            Self::Text => "text",
            Self::Binary => "binary",
            Self::Noise => "noise",
        }
    }
}

/// Makes the first `count` messages of a connection. Each is as long as complete items allow, and
/// at most `len`, at least 64.
pub fn messages(kind: Kind, len: usize, count: usize, seed: u64) -> Vec<Vec<u8>> {
    assert!(len >= 64, "too short for an item: {len}");
    let mut source = Source::new(kind, seed);
    (0..count).map(|_| source.message(len)).collect()
}

/// One side of a connection, which continues where its last message ended.
#[derive(Debug)]
pub struct Source {
    kind: Kind,
    rng: Rng,
    prose: Prose,
    /// Milliseconds since 1970.
    clock: u64,
    id: u64,
    /// In hundredths, one for each symbol.
    prices: Vec<u64>,
    things: Vec<Thing>,
}

#[derive(Clone, Copy, Debug)]
struct Thing {
    x: i32,
    y: i32,
    dx: i32,
    dy: i32,
    health: u16,
}

impl Source {
    pub fn new(kind: Kind, seed: u64) -> Self {
        let mut rng = Rng::new(seed);
        let thing = |rng: &mut Rng| {
            let (dx, dy) = speed(rng);
            let place = |rng: &mut Rng| (rng.below(1 << 18) as i32) << 2;
            Thing { x: place(rng), y: place(rng), dx, dy, health: 1000 }
        };
        Self {
            kind,
            clock: 1_760_000_000_000 + rng.below(1 << 34),
            id: 400_000 + rng.below(1 << 19),
            prices: words::SYMBOLS.iter().map(|_| 800 + rng.skewed(90_000)).collect(),
            things: (0..300).map(|_| thing(&mut rng)).collect(),
            prose: Prose::new(),
            rng,
        }
    }

    pub fn message(&mut self, len: usize) -> Vec<u8> {
        match self.kind {
            Kind::Chat => self.chat(len).into_bytes(),
            Kind::Ticks => self.ticks(len).into_bytes(),
            Kind::Html => self.html(len).into_bytes(),
            Kind::Text => self.prose.text(&mut self.rng, len).into_bytes(),
            Kind::Binary => self.binary(len),
            Kind::Noise => (0..len).map(|_| self.rng.next() as u8).collect(),
        }
    }

    fn chat(&mut self, len: usize) -> String {
        if len < 256 {
            let user = words::USERS[self.rng.zipf(words::USERS.len())];
            self.id += 1 + self.rng.skewed(40);
            let head = format!(r#"{{"t":"m","id":{},"u":"{user}","text":""#, self.id);
            let text = self.prose.text(&mut self.rng, len.saturating_sub(head.len() + 2));
            return format!(r#"{head}{text}"}}"#);
        }
        let room = words::ROOMS[self.rng.zipf(words::ROOMS.len())];
        let mut out = format!(r#"{{"type":"history","room":"{room}","messages":["#);
        loop {
            let left = len - out.len();
            let item = self.chat_item(left - 3);
            out.push_str(&item);
            if len - out.len() < 260 {
                out.push_str("]}");
                return out;
            }
            out.push(',');
        }
    }

    fn chat_item(&mut self, most: usize) -> String {
        let user = self.rng.zipf(words::USERS.len());
        self.id += 1 + self.rng.skewed(40);
        self.clock += self.rng.skewed(180_000);
        let mut head = format!(
            r#"{{"id":{},"from":{{"uid":{},"name":"{}"}},"at":{},"text":""#,
            self.id,
            10_000 + (user as u64 * 7919) % 90_000,
            words::USERS[user],
            self.clock
        );
        let tail = match self.rng.below(12) {
            0 => {
                let emoji = words::REACTIONS[self.rng.zipf(words::REACTIONS.len())];
                let n = 1 + self.rng.skewed(9);
                format!(r#"","reactions":[{{"name":"{emoji}","count":{n}}}]}}"#)
            }
            1 => format!(r#"","reply_to":{}}}"#, self.id - 1 - self.rng.skewed(60)),
            2 => r#"","edited":true}"#.to_owned(),
            _ => r#""}"#.to_owned(),
        };
        let text = 12 + self.rng.skewed(170) as usize;
        let text = text.min(most - head.len() - tail.len());
        head.push_str(&self.prose.text(&mut self.rng, text));
        head + &tail
    }

    fn ticks(&mut self, len: usize) -> String {
        if len < 256 {
            return self.tick();
        }
        let mut out = format!(r#"{{"channel":"trades","seq":{},"data":["#, self.id);
        loop {
            let item = self.tick();
            if out.len() + item.len() + 2 > len {
                out.pop();
                out.push_str("]}");
                return out;
            }
            out.push_str(&item);
            out.push(',');
        }
    }

    fn tick(&mut self) -> String {
        let symbol = self.rng.zipf(words::SYMBOLS.len());
        let price = &mut self.prices[symbol];
        let step = self.rng.skewed(1 + *price / 60);
        *price = if self.rng.below(2) == 0 { *price + step } else { (*price - step).max(100) };
        let price = *price;
        self.clock += self.rng.skewed(400);
        self.id += 1;
        let size = match self.rng.below(3) {
            0 => 100 * (1 + self.rng.skewed(20)),
            _ => 1 + self.rng.below(4000),
        };
        format!(
            r#"{{"s":"{}","p":{}.{:02},"v":{size},"side":"{}","t":{}}}"#,
            words::SYMBOLS[symbol],
            price / 100,
            price % 100,
            if self.rng.below(2) == 0 { 'b' } else { 's' },
            self.clock
        )
    }

    fn html(&mut self, len: usize) -> String {
        let mut out = String::new();
        if len < 256 {
            self.html_line(&mut out, len);
            return out;
        }
        while len - out.len() >= 320 {
            match self.rng.below(5) {
                0 => self.html_row(&mut out),
                1 => self.html_card(&mut out),
                2 => {
                    let text = 60 + self.rng.skewed(120) as usize;
                    let text = self.prose.text(&mut self.rng, text);
                    writeln!(out, "<p>{text}</p>").unwrap_or_default();
                }
                _ => {
                    self.html_line(&mut out, 110);
                    out.push('\n');
                }
            }
        }
        let left = len - out.len();
        self.html_line(&mut out, left);
        out
    }

    /// Appends at most `most` bytes more.
    fn html_line(&mut self, out: &mut String, most: usize) {
        let user = words::USERS[self.rng.zipf(words::USERS.len())];
        self.id += 1;
        let head = match self.rng.below(3) {
            0 => format!(r#"<li id="m{}"><b>{user}</b> "#, self.id),
            1 => format!(r#"<li class="new" id="m{}">"#, self.id),
            _ => format!(r#"<li id="m{}"><a href="/u/{user}">{user}</a> "#, self.id),
        };
        let text = most.saturating_sub(head.len() + 5);
        let text = self.prose.text(&mut self.rng, text);
        write!(out, "{head}{text}</li>").unwrap_or_default();
    }

    fn html_row(&mut self, out: &mut String) {
        self.id += 1;
        let user = words::USERS[self.rng.zipf(words::USERS.len())];
        let class = ["odd", "even", "odd selected", "even late"][self.rng.zipf(4)];
        let amount = self.rng.skewed(900_000);
        let title = self.prose.text(&mut self.rng, 24);
        write!(
            out,
            "<tr class=\"{class}\" data-id=\"{}\">\n  <td class=\"name\">{user}</td>\n  \
             <td class=\"title\">{title}</td>\n  <td class=\"amount\">{}.{:02}</td>\n</tr>\n",
            self.id,
            amount / 100,
            amount % 100
        )
        .unwrap_or_default();
    }

    fn html_card(&mut self, out: &mut String) {
        self.id += 1;
        let user = words::USERS[self.rng.zipf(words::USERS.len())];
        let title = self.prose.text(&mut self.rng, 30);
        write!(
            out,
            "<div class=\"card\" id=\"card-{}\">\n  <a class=\"avatar\" href=\"/users/{user}\">\
             <img src=\"/img/{user}.png\" alt=\"{user}\"></a>\n  <h3>{title}</h3>\n  \
             <span class=\"count\">{}</span>\n</div>\n",
            self.id,
            self.rng.skewed(5000)
        )
        .unwrap_or_default();
    }

    fn binary(&mut self, len: usize) -> Vec<u8> {
        let mut out = vec![0x47, 1];
        self.clock += 50;
        out.extend_from_slice(&((self.clock / 50) as u32).to_le_bytes());
        let at = out.len();
        out.extend_from_slice(&[0; 2]);
        let mut count = 0u16;
        while out.len() + 14 <= len {
            let id = self.rng.zipf(self.things.len());
            let thing = &mut self.things[id];
            if self.rng.below(8) == 0 {
                (thing.dx, thing.dy) = speed(&mut self.rng);
            }
            if self.rng.below(16) == 0 {
                thing.health = thing.health.saturating_sub(self.rng.below(4) as u16 * 25);
            }
            thing.x = (thing.x + thing.dx) & 0xf_ffff;
            thing.y = (thing.y + thing.dy) & 0xf_ffff;
            let thing = *thing;
            out.extend_from_slice(&(id as u16).to_le_bytes());
            out.extend_from_slice(&thing.x.to_le_bytes());
            out.extend_from_slice(&thing.y.to_le_bytes());
            out.extend_from_slice(&thing.health.to_le_bytes());
            out.extend_from_slice(&[(thing.dx < 0) as u8 | ((thing.dy < 0) as u8) << 1, 0]);
            count += 1;
        }
        out[at..at + 2].copy_from_slice(&count.to_le_bytes());
        out
    }
}

/// Most objects stand still or move along an axis.
fn speed(rng: &mut Rng) -> (i32, i32) {
    let step = |rng: &mut Rng| (rng.below(97) as i32 - 48) << 2;
    match rng.below(4) {
        0 => (0, 0),
        1 => (step(rng), 0),
        2 => (0, step(rng)),
        _ => (step(rng), step(rng)),
    }
}

/// A small generator, not for secrets (xorshift64*).
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    pub fn new(seed: u64) -> Self {
        // The first numbers of similar seeds would be similar, too.
        let mut rng = Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x2545_f491_4f6c_dd1d);
        if rng.0 == 0 {
            rng.0 = 1;
        }
        for _ in 0..4 {
            rng.next();
        }
        rng
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 8
    }

    /// Evenly from 0 up to `n`, exclusive.
    pub fn below(&mut self, n: u64) -> u64 {
        self.next() % n
    }

    /// From 0 up to `n`, exclusive, with a uniform magnitude: small numbers as often as large ones.
    pub fn skewed(&mut self, n: u64) -> u64 {
        let bits = self.below(u64::from(n.max(2).ilog2()) + 1);
        ((1 << bits) - 1 + self.below(1 << bits)).min(n - 1)
    }

    /// An index into a list of `n`, the first ones more often, by Zipf's law.
    pub fn zipf(&mut self, n: usize) -> usize {
        loop {
            let index = self.skewed(n as u64 * 2) as usize;
            if index < n {
                return index;
            }
        }
    }
}
