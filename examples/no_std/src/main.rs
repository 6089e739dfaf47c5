//! The other end of the line: a simulated UART, bridged to TCP, so that any client can connect to
//! the server. Each connection has its own line and server.
#![allow(clippy::std_instead_of_alloc, reason = "written as a user of the crate would")]

use core::error::Error;
use core::net::SocketAddr;
use core::time::Duration;
use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream, ToSocketAddrs};
use std::process::ExitCode;
use std::thread;

use echo_no_std::{FIFO_LEN, Next, Server, Uart};
use sansocket::Instant;

/// The free space of the transmit FIFO, in bytes.
const SEND_LEN: usize = 5;

/// The maximum number of bytes on the line in each direction.
const LINE_LEN: usize = 4096;

/// A UART with a TCP connection as its line.
struct FakeUart {
    stream: TcpStream,
    to_server: VecDeque<u8>,
    to_client: Vec<u8>,
    has_carrier: bool,
    is_ready: bool,
}

impl Uart for FakeUart {
    fn receive(&mut self, fifo: &mut [u8; FIFO_LEN]) -> usize {
        if self.to_server.is_empty() {
            self.fill();
        }
        let n = self.to_server.len().min(fifo.len());
        for (place, byte) in fifo.iter_mut().zip(self.to_server.drain(..n)) {
            *place = byte;
        }
        n
    }

    fn send(&mut self, bytes: &[u8]) -> usize {
        let n = bytes.len().min(SEND_LEN).min(LINE_LEN - self.to_client.len());
        self.to_client.extend(bytes.iter().take(n));
        if self.to_client.len() == LINE_LEN {
            self.flush();
        }
        n
    }

    fn has_carrier(&self) -> bool {
        self.has_carrier
    }

    fn drop_ready(&mut self) {
        self.is_ready = false;
    }
}

impl FakeUart {
    fn new(stream: TcpStream) -> Self {
        let (to_server, to_client) = (VecDeque::new(), Vec::new());
        Self { stream, to_server, to_client, has_carrier: true, is_ready: true }
    }

    /// Moves bytes from TCP to the line.
    fn fill(&mut self) {
        let mut bytes = [0; LINE_LEN];
        match self.stream.read(&mut bytes) {
            Ok(n) if n > 0 => self.to_server.extend(bytes.iter().take(n)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Ok(_) | Err(_) => self.has_carrier = false,
        }
    }

    /// Moves bytes from the line to TCP.
    fn flush(&mut self) {
        match self.stream.write(&self.to_client) {
            Ok(n) => drop(self.to_client.drain(..n)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => {
                self.has_carrier = false;
                self.to_client.clear();
            }
        }
        if !self.is_ready && self.to_client.is_empty() {
            let _ = self.stream.shutdown(Shutdown::Write); // fails if the client has closed
        }
    }
}

/// Returns the time since `start`, as the clock of a device does.
fn now(start: std::time::Instant) -> Instant {
    let micros = u64::try_from(start.elapsed().as_micros());
    Instant::from_micros(micros.unwrap_or(u64::MAX))
}

/// The main loop of a device.
fn run(stream: TcpStream) -> Result<(), Box<dyn Error>> {
    stream.set_nonblocking(true)?;
    let mut uart = FakeUart::new(stream);
    #[expect(clippy::disallowed_methods, reason = "without std the crate has no clock")]
    let start = std::time::Instant::now();
    let mut server = Server::new(now(start))?;
    while let Next::Sleep(until) = server.turn(&mut uart, now(start)) {
        uart.flush();
        // A device sleeps until an interrupt or its timer. Here is no interrupt, so it polls.
        if until.is_none_or(|until| until > now(start)) {
            thread::sleep(Duration::from_micros(500));
        }
    }
    Ok(())
}

fn serve(address: SocketAddr) -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind(address)?;
    println!("listening on http://{0}, WebSocket ws://{0}/ws", listener.local_addr()?);
    for stream in listener.incoming() {
        match stream {
            Ok(stream) => drop(thread::spawn(|| run(stream).map_err(|error| eprintln!("{error}")))),
            Err(error) => {
                eprintln!("cannot accept: {error}");
                thread::sleep(Duration::from_millis(50));
            }
        }
    }
    Ok(())
}

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().and_then(|address| address.to_socket_addrs().ok()?.next());
    let (Some(address), None) = (address, arguments.next()) else {
        eprintln!("usage: echo_no_std HOST:PORT");
        return ExitCode::from(2);
    };
    match serve(address) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("echo_no_std: {error}");
            ExitCode::FAILURE
        }
    }
}
