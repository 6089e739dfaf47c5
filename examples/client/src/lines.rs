//! The lines of stdin.

use std::io::{BufRead, Read};
use std::thread;

use tokio::sync::mpsc;

/// The longest line, in bytes. Many servers refuse longer messages.
const MAX_LINE_LEN: usize = 1 << 20;

/// Reads stdin in a thread, at most two lines ahead. The channel ends with stdin.
///
/// A thread that waits for a terminal cannot be stopped. The program ends without it, whereas a
/// runtime would wait for one of its own threads.
pub(crate) fn of_stdin() -> mpsc::Receiver<Result<String, String>> {
    let (sender, receiver) = mpsc::channel(1);
    thread::spawn(move || {
        let mut stdin = std::io::stdin().lock();
        for number in 1_u64.. {
            let line =
                next_line(&mut stdin).map_err(|error| format!("stdin, line {number}: {error}"));
            let Some(line) = line.transpose() else { return };
            let is_last = line.is_err();
            if sender.blocking_send(line).is_err() || is_last {
                return;
            }
        }
    });
    receiver
}

/// Returns the next line without its LF or CR LF; `None` at the end.
fn next_line(input: &mut impl BufRead) -> Result<Option<String>, String> {
    let mut line = Vec::new();
    let max_len = MAX_LINE_LEN + "\r\n".len();
    let mut limited = input.take(max_len as u64);
    if limited.read_until(b'\n', &mut line).map_err(|error| error.to_string())? == 0 {
        return Ok(None);
    }
    if line.last() == Some(&b'\n') {
        line.pop();
        if line.last() == Some(&b'\r') {
            line.pop();
        }
    }
    if line.len() > MAX_LINE_LEN {
        return Err(format!("longer than {MAX_LINE_LEN} bytes"));
    }
    String::from_utf8(line).map(Some).map_err(|error| error.utf8_error().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(mut input: &[u8]) -> Vec<Result<String, String>> {
        core::iter::from_fn(|| next_line(&mut input).transpose()).collect()
    }

    #[test]
    fn lines_end_with_lf_or_cr_lf_or_the_input() {
        let expected = ["one", "", "two", "a\rb", "three"].map(|line| Ok(line.to_owned()));
        assert_eq!(lines(b"one\n\ntwo\r\na\rb\nthree"), expected);
        assert_eq!(lines(b"last\n"), [Ok("last".to_owned())]);
        assert_eq!(lines(b""), []);
    }

    #[test]
    fn the_length_of_a_line_is_limited() {
        let longest = "x".repeat(MAX_LINE_LEN);
        for end in ["", "\n", "\r\n"] {
            assert_eq!(lines(format!("{longest}{end}").as_bytes()), [Ok(longest.clone())]);
            let line = lines(format!("{longest}x{end}").as_bytes()).swap_remove(0);
            assert_eq!(line.unwrap_err(), "longer than 1048576 bytes");
        }
    }

    #[test]
    fn a_line_must_be_utf8() {
        let line = lines(b"Gr\xfc\xdfe\n").swap_remove(0);
        assert_eq!(line.unwrap_err(), "invalid utf-8 sequence of 1 bytes from index 2");
    }
}
