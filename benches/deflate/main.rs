//! permessage-deflate compared with other engines: time, ratio, memory.
//!
//! The contestants alternate in each pass, and the time is the CPU time of the thread. The result
//! is the ratio to zlib-rs within a pass: medians over the passes, geometric means over the kinds
//! of messages. The C library inflates all output of all contestants once, to verify it.
//!
//! `cargo bench --bench deflate` measures all cases, in a few minutes; `-- compress /64B/balanced`
//! measures only the cases with all of these words in their names. `cargo test --bench deflate`
//! runs each case once.
#![allow(
    missing_docs,
    clippy::cast_possible_truncation,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

#[path = "../../tests/common/alloc.rs"]
mod alloc;
#[path = "../../tests/common/codecs/mod.rs"]
mod codecs;
#[path = "../../tests/common/corpus/mod.rs"]
mod corpus;

#[path = "../common/clock.rs"]
mod clock;
mod compress;
mod receive;
mod report;
mod windows;

use crate::clock::thread_nanos;
use crate::report::{Case, Report};

#[global_allocator]
static ALLOCATOR: alloc::Counting = alloc::Counting;

fn main() {
    let plan = Plan::from_args();
    let mut report = Report::new();
    compress::run(&plan, &mut report);
    receive::run(&plan, &mut report);
    let windows = windows::run(&plan);
    if plan.measures {
        report.print();
        windows::print(&windows);
        report.print_targets(windows::gain_at_9_bits(&windows));
    }
}

/// The cases to run, and the number of passes.
struct Plan {
    /// If false, each case runs once with few messages, as a test.
    measures: bool,
    words: Vec<String>,
}

impl Plan {
    /// Cargo passes `--bench` only for a measurement.
    fn from_args() -> Self {
        let mut plan = Self { measures: false, words: Vec::new() };
        for arg in std::env::args().skip(1) {
            match arg.as_str() {
                "--bench" => plan.measures = true,
                _ if arg.starts_with('-') => {}
                _ => plan.words.push(arg),
            }
        }
        plan
    }

    fn takes(&self, name: &str) -> bool {
        self.words.iter().all(|word| name.contains(word.as_str()))
    }

    /// Returns the number of messages of `len` bytes in a pass.
    fn messages(&self, len: usize) -> usize {
        if self.measures { (512 * 1024 / len).max(8) } else { (8192 / len).max(2) }
    }
}

/// A message's length, and its name in the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Size(usize);

const SIZES: [Size; 4] = [Size(64), Size(512), Size(4096), Size(65536)];

impl Size {
    fn name(self) -> String {
        if self.0 < 1024 { format!("{}B", self.0) } else { format!("{}KiB", self.0 / 1024) }
    }
}

fn longest(messages: &[Vec<u8>]) -> usize {
    messages.iter().map(Vec::len).max().unwrap()
}

fn takeover_name(takeover: bool) -> &'static str {
    if takeover { "takeover" } else { "alone" }
}

/// The contestants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Who {
    Ours,
    ZlibRs,
    Zlib,
    Miniz,
}

const ALL: [Who; 4] = [Who::Ours, Who::ZlibRs, Who::Zlib, Who::Miniz];

impl Who {
    fn name(self) -> &'static str {
        match self {
            Self::Ours => "sansocket",
            Self::ZlibRs => "zlib-rs",
            Self::Zlib => "zlib",
            Self::Miniz => "miniz_oxide",
        }
    }
}

/// The results of one contestant in one pass.
#[derive(Clone, Copy, Debug)]
struct Pass {
    nanos: f64,
    sent: usize,
}

/// Runs the contestants in turn, in a different order in each pass, until there are enough passes.
/// `pass` runs one contestant and returns its results.
fn turns(plan: &Plan, who: &[Who], mut pass: impl FnMut(Who) -> Pass) -> Vec<Vec<Pass>> {
    let mut passes = vec![Vec::new(); who.len()];
    let (least, most, enough) = if plan.measures { (5, 25, 3e8) } else { (1, 1, 0.0) };
    let mut total = 0.0;
    for round in 0..most {
        for turn in 0..who.len() {
            let at = (turn + round) % who.len();
            let one = pass(who[at]);
            total += one.nanos;
            passes[at].push(one);
        }
        if round + 1 >= least && total >= enough {
            break;
        }
    }
    passes
}

/// Measures the CPU time of `f`.
fn timed(f: impl FnOnce() -> usize) -> Pass {
    let start = thread_nanos();
    let sent = f();
    Pass { nanos: (thread_nanos() - start) as f64, sent }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn geometric_mean(values: impl Iterator<Item = f64> + Clone) -> f64 {
    let count = values.clone().count() as f64;
    (values.map(f64::ln).sum::<f64>() / count).exp()
}

/// Computes the results of a case from its passes: the time and the ratio of each contestant, and
/// the time relative to zlib-rs.
fn judge(name: &str, who: &[Who], passes: &[Vec<Pass>], messages: usize, raw: usize) -> Vec<Case> {
    let reference = who.iter().position(|&who| who == Who::ZlibRs).unwrap_or(0);
    let cases: Vec<Case> = who
        .iter()
        .zip(passes)
        .map(|(&who, own)| Case {
            who,
            nanos: median(own.iter().map(|pass| pass.nanos / messages as f64).collect()),
            relative: median(
                own.iter().zip(&passes[reference]).map(|(own, it)| own.nanos / it.nanos).collect(),
            ),
            ratio: raw as f64 / own[0].sent as f64,
        })
        .collect();
    print!("{name:<42}");
    for case in &cases {
        let Case { who, nanos, relative, ratio } = case;
        print!(" | {} {nanos:.0} ns ({relative:.2}) {ratio:.2}", who.name());
    }
    println!(" | {} passes", passes[0].len());
    cases
}
