//! Transports around another one, that count, split or hold the bytes; and the pipe in memory.

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use sansocket::blocking::Transport;

pub(crate) use crate::blocking::pipe::{Pipe, pipe};

/// Counts calls and bytes, and can make each call do the minimum.
pub(crate) struct Metered<S> {
    io: S,
    meter: Arc<Meter>,
    /// Every other call is interrupted, and a read or write moves at most three bytes.
    choppy: bool,
    interrupt: bool,
    /// As on Windows: after a write that timed out, the number of sent bytes is unknown.
    pub final_writes: bool,
    ran_out: bool,
}

#[derive(Default)]
pub(crate) struct Meter {
    pub read: AtomicU64,
    pub written: AtomicU64,
    pub reads: AtomicU64,
    pub writes: AtomicU64,
    pub timeouts: AtomicU64,
    /// The maximum of bytes that were read and not written.
    pub held: AtomicU64,
}

impl<S> Metered<S> {
    pub(crate) fn new(io: S, choppy: bool) -> (Self, Arc<Meter>) {
        let meter = Arc::new(Meter::default());
        (
            Self {
                io,
                meter: meter.clone(),
                choppy,
                interrupt: false,
                final_writes: false,
                ran_out: false,
            },
            meter,
        )
    }

    fn room(&mut self, len: usize) -> io::Result<usize> {
        if !self.choppy {
            return Ok(len);
        }
        self.interrupt = !self.interrupt;
        if self.interrupt { Err(io::ErrorKind::Interrupted.into()) } else { Ok(len.min(3)) }
    }
}

impl<S: Read> Read for Metered<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let room = self.room(buffer.len())?;
        let n = self.io.read(&mut buffer[..room])?;
        self.meter.reads.fetch_add(1, Ordering::Relaxed);
        let read = self.meter.read.fetch_add(n as u64, Ordering::Relaxed) + n as u64;
        let held = read.saturating_sub(self.meter.written.load(Ordering::Relaxed));
        self.meter.held.fetch_max(held, Ordering::Relaxed);
        Ok(n)
    }
}

impl<S: Write> Write for Metered<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        assert!(!self.ran_out, "a write that can't be resumed was");
        let room = self.room(bytes.len())?;
        let written = self.io.write(&bytes[..room]);
        self.ran_out = self.final_writes && written.is_err();
        let n = written?;
        self.meter.writes.fetch_add(1, Ordering::Relaxed);
        self.meter.written.fetch_add(n as u64, Ordering::Relaxed);
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.io.flush()
    }
}

impl<S: Transport> Transport for Metered<S> {
    fn set_read_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.meter.timeouts.fetch_add(1, Ordering::Relaxed);
        self.io.set_read_timeout(timeout)
    }

    fn set_write_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.meter.timeouts.fetch_add(1, Ordering::Relaxed);
        self.io.set_write_timeout(timeout)
    }

    fn can_resume_write(&self) -> bool {
        !self.final_writes
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        self.io.shutdown_write()
    }
}

/// Holds all written bytes until it is flushed.
pub(crate) struct Buffering<S> {
    pub io: S,
    pub held: Vec<u8>,
}

impl<S: Read> Read for Buffering<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.io.read(buffer)
    }
}

impl<S: Write> Write for Buffering<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.held.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        while !self.held.is_empty() {
            let n = self.io.write(&self.held)?;
            self.held.drain(..n);
        }
        self.io.flush()
    }
}

impl<S: Transport> Transport for Buffering<S> {
    fn set_read_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.io.set_read_timeout(timeout)
    }

    fn set_write_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        self.io.set_write_timeout(timeout)
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        self.io.shutdown_write()
    }

    fn try_clone(&self) -> io::Result<Self> {
        Ok(Self { io: self.io.try_clone()?, held: self.held.clone() })
    }
}
