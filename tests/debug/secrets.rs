//! Two sets of secrets of the same lengths: no output contains them, and the outputs are equal.

use sansocket::Role;

use crate::common::head::Lines;
use crate::common::shown::Shown;
use crate::common::{End, Frame, reseed};

/// The secrets of one run; those of another run have the same lengths.
pub(crate) struct Secrets {
    /// Letters, so that it is text, and long enough for every fast path.
    pub(crate) text: String,
    /// A character of 4 bytes, to be split.
    pub(crate) char: char,
    pub(crate) key: [u8; 4],
}

impl Secrets {
    fn new(run: u8) -> Self {
        reseed(u64::from(run) + 7);
        // Different at every position from one run to the other, with repetitions for the
        // compression.
        let letters: String = (0..200_u64)
            .map(|i| {
                let letter = (i * i + i / 5) % 13 * 2 + u64::from(run);
                char::from(b'a' + u8::try_from(letter).unwrap())
            })
            .collect();
        Self {
            text: letters.repeat(2),
            char: ['\u{1f600}', '\u{1f3b5}'][usize::from(run)],
            key: [[0x91, 0x82, 0xf3, 0xa4], [0x1b, 0x2c, 0x5d, 0x6e]][usize::from(run)],
        }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        self.text.as_bytes()
    }

    /// A short secret, for control frames.
    pub(crate) fn short(&self) -> &[u8] {
        &self.bytes()[..100]
    }

    /// The bytes of a frame to this role.
    pub(crate) fn wire(&self, frame: Frame, role: Role) -> Vec<u8> {
        match role {
            Role::Server => frame.key(self.key).bytes(),
            Role::Client => frame.bytes(),
        }
    }
}

/// Runs `states` with two sets of secrets: no output contains bytes of them, and the outputs are
/// equal.
pub(crate) fn check(states: impl Fn(&Secrets, &mut Shown)) {
    let [first, second] = outputs(states);
    first.assert_same(&second);
}

/// As [`check`], for outputs that differ in times of the machine and addresses.
#[cfg(feature = "std")]
pub(crate) fn check_hidden(states: impl Fn(&Secrets, &mut Shown)) {
    drop(outputs(states));
}

fn outputs(states: impl Fn(&Secrets, &mut Shown)) -> [Shown; 2] {
    [0, 1].map(|run| {
        let secrets = Secrets::new(run);
        let mut shown = Shown::new();
        states(&secrets, &mut shown);
        let masked = |offset: usize| -> Vec<u8> {
            let keys = secrets.key.iter().cycle().skip(offset);
            secrets.bytes().iter().zip(keys).map(|(byte, key)| byte ^ key).collect()
        };
        let char = secrets.char.to_string();
        let mut hidden: Vec<&[u8]> = vec![secrets.bytes(), &secrets.key, char.as_bytes()];
        let masked = [0, 1, 2, 3].map(masked);
        hidden.extend(masked.iter().map(Vec::as_slice));
        shown.assert_hides(&hidden);
        shown
    })
}

pub(crate) fn add_end(shown: &mut Shown, name: &str, end: &End) {
    shown.add(&format!("{name}: connection"), &end.conn);
    shown.add(&format!("{name}: inbox"), &end.inbox);
}

/// A request of a browser, with a secret in each field for credentials.
pub(crate) fn request(secrets: &Secrets) -> Vec<u8> {
    Lines::request()
        .first(&format!("GET /chat?token={} HTTP/1.1", secrets.text))
        .with("Authorization", &secrets.text)
        .with("Cookie", &secrets.text)
        .with("Sec-WebSocket-Protocol", &secrets.text)
        .bytes()
}
