//! The tables, and the targets.

use crate::corpus::Kind;
use crate::{ALL, SIZES, Size, Who, geometric_mean};

/// The results of one contestant for one kind of messages.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Case {
    pub(crate) who: Who,
    /// The time for one message.
    pub(crate) nanos: f64,
    /// The time relative to zlib-rs.
    pub(crate) relative: f64,
    /// The ratio: bytes of the message per byte sent.
    pub(crate) ratio: f64,
}

/// A row of a table, with means over the kinds of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Section {
    pub(crate) receive: bool,
    pub(crate) takeover: bool,
    pub(crate) size: Size,
    pub(crate) level: &'static str,
}

#[derive(Debug)]
pub(crate) struct Report {
    rows: Vec<(Section, Kind, Case)>,
}

/// The means of one contestant in a section.
#[derive(Clone, Copy, Debug)]
struct Mean {
    nanos: f64,
    relative: f64,
    ratio: f64,
}

impl Report {
    pub(crate) fn new() -> Self {
        Self { rows: Vec::new() }
    }

    pub(crate) fn add(&mut self, section: Section, kind: Kind, cases: Vec<Case>) {
        self.rows.extend(cases.into_iter().map(|case| (section, kind, case)));
    }

    pub(crate) fn print(&self) {
        for receive in [false, true] {
            for takeover in [true, false] {
                self.print_table(receive, takeover);
            }
        }
        self.print_noise();
    }

    pub(crate) fn print_targets(&self, gain_at_9_bits: Option<f64>) {
        println!("\n### Bounds\n");
        println!("| quantity, relative to the named engine | bound | measured | result |");
        println!("|---|---|---|---|");
        let balanced = [(64, 0.3), (512, 0.75), (65536, 1.0)];
        for (len, bound) in balanced {
            self.print_time(false, len, "balanced", bound);
        }
        let ours = self.mean(section(false, 64, "balanced"), Who::Ours);
        let theirs = self.mean(section(false, 64, "balanced"), Who::ZlibRs);
        if let (Some(ours), Some(theirs)) = (ours, theirs) {
            let gain = ours.ratio / theirs.ratio;
            print_target(
                "compress 64B, balanced: ratio / ratio of zlib-rs",
                "at least 1.02",
                gain,
                gain >= 1.02,
            );
        }
        self.print_time(false, 64, "fast", 1.1);
        for (len, bound) in [(64, 0.85), (512, 1.05), (65536, 1.1)] {
            self.print_time(true, len, "", bound);
        }
        if let Some(gain) = gain_at_9_bits {
            print_target("9 bits: ratio / ratio of zlib", "at least 1.05", gain, gain >= 1.05);
        }
    }

    fn print_time(&self, receive: bool, len: usize, level: &'static str, bound: f64) {
        let section = section(receive, len, level);
        if let Some(mean) = self.mean(section, Who::Ours) {
            let way = if receive { "inflate" } else { "compress" };
            let comma = if level.is_empty() { "" } else { ", " };
            let what =
                format!("{way} {}{comma}{level}: time / time of zlib-rs", section.size.name());
            let here = mean.relative;
            print_target(&what, &format!("at most {bound:.2}"), here, here <= bound);
        }
    }

    fn print_table(&self, receive: bool, takeover: bool) {
        let way = if receive { "Inflating" } else { "Compressing" };
        let context = if takeover { "with context takeover" } else { "without context takeover" };
        if !self.rows.iter().any(|row| (row.0.receive, row.0.takeover) == (receive, takeover)) {
            return;
        }
        println!("\n### {way}, {context}: ns per message, ratio\n");
        print!("| {} |", if receive { "message" } else { "message, level" });
        ALL.iter().for_each(|who| print!(" {} |", who.name()));
        print!(" time / time of zlib-rs | ratio / ratio of zlib-rs |");
        println!(" relative time of chat, ticks, html, text, binary |");
        println!("|---|---|---|---|---|---|---|---|");
        let levels: &[&str] = if receive { &[""] } else { &["fast", "balanced", "best"] };
        for size in SIZES {
            for &level in levels {
                self.print_row(Section { receive, takeover, size, level });
            }
        }
    }

    fn print_row(&self, section: Section) {
        let Some(ours) = self.mean(section, Who::Ours) else { return };
        let comma = if section.level.is_empty() { "" } else { ", " };
        print!("| {}{comma}{} |", section.size.name(), section.level);
        for who in ALL {
            let Some(mean) = self.mean(section, who) else { return };
            print!(" {:.0}, {:.2} |", mean.nanos, mean.ratio);
        }
        let theirs = self.mean(section, Who::ZlibRs).map_or(0.0, |mean| mean.ratio);
        print!(" {:.2} | {:.3} |", ours.relative, ours.ratio / theirs);
        for (_, _, case) in self.of(section).filter(|(_, _, case)| case.who == Who::Ours) {
            print!(" {:.2}", case.relative);
        }
        println!(" |");
    }

    fn print_noise(&self) {
        let noise = || self.rows.iter().filter(|row| row.1 == Kind::Noise);
        if noise().next().is_none() {
            return;
        }
        print!("\n### Random bytes, balanced: ns per message\n\n| message |");
        ALL.iter().for_each(|who| print!(" {} |", who.name()));
        print!("\n|---|---|---|---|---|");
        for (section, _, case) in noise() {
            if case.who == ALL[0] {
                let with = if section.takeover { "with" } else { "without" };
                print!("\n| {}, {with} takeover |", section.size.name());
            }
            print!(" {:.0} |", case.nanos);
        }
        println!();
    }

    fn of(&self, section: Section) -> impl Iterator<Item = (Section, Kind, Case)> + Clone + '_ {
        let within = move |row: &(Section, Kind, Case)| row.0 == section && row.1 != Kind::Noise;
        self.rows.iter().copied().filter(within)
    }

    fn mean(&self, section: Section, who: Who) -> Option<Mean> {
        let cases = self.of(section).map(|(_, _, case)| case).filter(move |case| case.who == who);
        cases.clone().next()?;
        Some(Mean {
            nanos: geometric_mean(cases.clone().map(|case| case.nanos)),
            relative: geometric_mean(cases.clone().map(|case| case.relative)),
            ratio: geometric_mean(cases.map(|case| case.ratio)),
        })
    }
}

/// The targets apply with context takeover.
fn section(receive: bool, len: usize, level: &'static str) -> Section {
    Section { receive, takeover: true, size: Size(len), level }
}

fn print_target(what: &str, bound: &str, here: f64, met: bool) {
    let met = if met { "met" } else { "**not met**" };
    println!("| {what} | {bound} | {here:.2} | {met} |");
}
