//! Prose with the word frequencies of a language, and the names that the other messages use.

use super::Rng;

pub(super) const USERS: &[&str] = &[
    "marta", "jonas", "li.wei", "amelie", "sven", "priya", "tomasz", "olu", "hannah", "diego",
    "yuki", "farid", "ines", "callum", "nadia", "bruno", "freja", "kofi", "elena", "ravi",
    "sofia_r", "mikkel", "aoife", "petra", "hugo", "zainab", "lars", "noor", "emeka", "judit",
];

pub(super) const ROOMS: &[&str] =
    &["general", "support", "random", "deployments", "design", "team-north", "incidents"];

pub(super) const REACTIONS: &[&str] = &["thumbsup", "heart", "joy", "eyes", "tada", "rocket"];

pub(super) const SYMBOLS: &[&str] = &[
    "AAPL", "MSFT", "NVDA", "AMZN", "TSLA", "GOOG", "META", "SAP", "ASML", "NOVO", "AMD", "INTC",
    "NFLX", "SHEL", "BABA", "UBER", "SONY", "VOW3", "SIE", "NESN", "AIR", "BMW", "ADS", "KO",
];

/// Writes sentences. Recent phrases are likely to be repeated.
#[derive(Debug)]
pub(super) struct Prose {
    /// The last phrases, for repetition.
    topics: Vec<String>,
    /// The position in the sentence where a message ended.
    rest: String,
}

impl Prose {
    pub(super) fn new() -> Self {
        Self { topics: Vec::new(), rest: String::new() }
    }

    /// Text of exactly `len` bytes.
    pub(super) fn text(&mut self, rng: &mut Rng, len: usize) -> String {
        let mut text = String::with_capacity(len + 200);
        text.push_str(&self.rest);
        self.rest.clear();
        while text.len() < len {
            if !text.is_empty() && !text.ends_with(' ') {
                text.push(' ');
            }
            self.sentence(rng, &mut text);
        }
        let cut = text.len().min(len);
        // Half of the messages begin with a new sentence, the others continue the last one.
        let rest = text.split_off(cut);
        if rng.below(2) == 0 {
            rest.trim_start().clone_into(&mut self.rest);
        }
        text
    }

    fn sentence(&mut self, rng: &mut Rng, out: &mut String) {
        let start = out.len();
        match rng.below(6) {
            0 => {
                out.push_str(pick(rng, OPENERS));
                out.push(' ');
                self.clause(rng, out);
            }
            1 => {
                self.clause(rng, out);
                out.push_str(", ");
                out.push_str(pick(rng, LINKS));
                out.push(' ');
                self.clause(rng, out);
            }
            2 => {
                self.noun_phrase(rng, out);
                out.push_str([" is ", " was ", " will be ", " has been "][rng.zipf(4)]);
                out.push_str(pick(rng, ADJECTIVES));
            }
            _ => self.clause(rng, out),
        }
        let first = out[start..start + 1].to_ascii_uppercase();
        out.replace_range(start..start + 1, &first);
        out.push_str([".", ".", ".", "?", "!"][rng.zipf(5)]);
    }

    fn clause(&mut self, rng: &mut Rng, out: &mut String) {
        match rng.below(3) {
            0 => self.noun_phrase(rng, out),
            1 => out.push_str(pick(rng, PRONOUNS)),
            _ => {
                out.push_str(pick(rng, PRONOUNS));
                out.push(' ');
                out.push_str(pick(rng, HELPERS));
            }
        }
        out.push(' ');
        out.push_str(pick(rng, VERBS));
        out.push_str(["", "ed", "s", "ing"][rng.zipf(4)]);
        out.push(' ');
        self.noun_phrase(rng, out);
        if rng.below(2) == 0 {
            out.push(' ');
            out.push_str(pick(rng, PREPOSITIONS));
            out.push(' ');
            self.noun_phrase(rng, out);
        }
        if rng.below(6) == 0 {
            out.push(' ');
            out.push_str(pick(rng, ADVERBS));
        }
    }

    fn noun_phrase(&mut self, rng: &mut Rng, out: &mut String) {
        if !self.topics.is_empty() && rng.below(4) == 0 {
            let topic = self.topics.len() - 1 - rng.zipf(self.topics.len());
            out.push_str(&self.topics[topic]);
            return;
        }
        let mut phrase = String::from(["the", "a", "our", "this", "every", "their"][rng.zipf(6)]);
        if rng.below(3) == 0 {
            phrase.push(' ');
            phrase.push_str(pick(rng, ADJECTIVES));
        }
        phrase.push(' ');
        phrase.push_str(pick(rng, NOUNS));
        if rng.below(4) == 0 {
            phrase.push('s');
        }
        if rng.below(9) == 0 {
            phrase.push(' ');
            phrase.push_str(&rng.skewed(3000).to_string());
        }
        out.push_str(&phrase);
        if self.topics.len() == 40 {
            self.topics.remove(0);
        }
        self.topics.push(phrase);
    }
}

fn pick<'a>(rng: &mut Rng, words: &[&'a str]) -> &'a str {
    words[rng.zipf(words.len())]
}

const OPENERS: &[&str] = &[
    "and",
    "but",
    "so",
    "well,",
    "now",
    "then",
    "yes,",
    "no,",
    "today",
    "if",
    "since",
    "after that",
];

const LINKS: &[&str] =
    &["and", "but", "because", "so", "which means", "while", "although", "until", "unless", "or"];

const PRONOUNS: &[&str] = &["I", "we", "you", "they", "it", "she", "he", "nobody", "everyone"];

const HELPERS: &[&str] = &[
    "will", "can", "have to", "should", "would", "don't", "might", "could", "didn't", "must",
    "want to", "can't", "never",
];

const PREPOSITIONS: &[&str] = &[
    "in",
    "of",
    "for",
    "with",
    "on",
    "from",
    "to",
    "at",
    "by",
    "about",
    "before",
    "after",
    "without",
    "under",
    "behind",
    "through",
    "against",
    "between",
    "instead of",
];

const ADVERBS: &[&str] = &[
    "again",
    "now",
    "today",
    "tomorrow",
    "soon",
    "already",
    "slowly",
    "at once",
    "together",
    "carefully",
    "this week",
    "once more",
    "by itself",
    "in the end",
    "as usual",
];

const VERBS: &[&str] = &[
    "need", "find", "see", "take", "start", "open", "look at", "show", "send", "read", "check",
    "answer", "build", "call", "turn", "change", "keep", "follow", "learn", "wait for", "clean",
    "miss", "join", "test", "load", "add", "help", "finish", "ask", "return", "watch", "repair",
    "mark", "count", "collect", "remember", "sort", "lift", "paint", "order", "print", "offer",
    "report", "plant", "visit", "deliver", "cover", "measure", "explain", "reach", "fold", "cook",
    "record", "discover", "trust", "borrow", "support", "refuse", "mention", "replace", "gather",
    "question", "filter", "compare", "contain", "protect", "publish", "restart", "approach",
];

const ADJECTIVES: &[&str] = &[
    "new",
    "good",
    "old",
    "small",
    "first",
    "last",
    "long",
    "ready",
    "open",
    "late",
    "whole",
    "quiet",
    "early",
    "different",
    "large",
    "simple",
    "clear",
    "cold",
    "local",
    "empty",
    "broken",
    "free",
    "common",
    "strange",
    "green",
    "heavy",
    "strong",
    "careful",
    "second",
    "public",
    "slow",
    "possible",
    "warm",
    "narrow",
    "deep",
    "modern",
    "certain",
    "distant",
    "honest",
    "yellow",
    "foreign",
    "regular",
    "complete",
    "wooden",
    "gentle",
    "obvious",
    "private",
    "expensive",
    "familiar",
    "ordinary",
    "temporary",
    "invisible",
    "important",
    "electric",
    "brilliant",
];

const NOUNS: &[&str] = &[
    "time",
    "message",
    "day",
    "house",
    "people",
    "number",
    "way",
    "list",
    "place",
    "question",
    "city",
    "server",
    "team",
    "room",
    "side",
    "street",
    "word",
    "customer",
    "river",
    "report",
    "morning",
    "machine",
    "story",
    "letter",
    "page",
    "price",
    "garden",
    "office",
    "train",
    "light",
    "change",
    "window",
    "record",
    "problem",
    "student",
    "winter",
    "result",
    "paper",
    "family",
    "picture",
    "market",
    "door",
    "language",
    "engine",
    "month",
    "answer",
    "village",
    "ticket",
    "bridge",
    "table",
    "music",
    "harbour",
    "summer",
    "science",
    "weather",
    "account",
    "meeting",
    "island",
    "library",
    "captain",
    "kitchen",
    "signal",
    "journey",
    "building",
    "method",
    "doctor",
    "station",
    "mountain",
    "forest",
    "mistake",
    "company",
    "teacher",
    "network",
    "history",
    "picnic",
    "corner",
    "bottle",
    "evening",
    "shadow",
    "package",
    "volume",
    "painter",
    "invoice",
    "century",
    "ladder",
    "chapter",
    "bicycle",
    "valley",
    "budget",
    "orchard",
    "climate",
    "puzzle",
    "lantern",
    "festival",
    "neighbour",
    "instrument",
    "experiment",
    "discussion",
    "newspaper",
    "conversation",
    "temperature",
    "photograph",
    "government",
    "exhibition",
    "connection",
    "umbrella",
    "carpenter",
    "direction",
    "afternoon",
    "collection",
    "opportunity",
    "translation",
    "warehouse",
    "schedule",
    "thunder",
    "blanket",
    "compass",
    "harvest",
    "passenger",
    "keyboard",
];
