//! The app as a process.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

/// The app, which ends with the test.
pub(crate) struct App(pub(crate) Child);

impl Drop for App {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts the app, and returns its address.
pub(crate) fn start(mut command: Command) -> (App, SocketAddr) {
    let mut app = App(command.stdout(Stdio::piped()).spawn().unwrap());
    let mut lines = BufReader::new(app.0.stdout.take().unwrap()).lines().map(Result::unwrap);
    let mut line = lines.next().unwrap();
    let mut s = "";
    if line.starts_with("certificate SHA-256 ") {
        (s, line) = ("s", lines.next().unwrap());
    }
    let rest = line.strip_prefix(&format!("listening on http{s}://")).unwrap();
    let (address, rest) = rest.split_once(", ").unwrap();
    assert_eq!(rest, format!("WebSocket ws{s}://{address}/ws"));
    (app, address.parse().unwrap())
}
