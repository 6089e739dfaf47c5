//! Transports of our own: a pipe in memory, and one that counts.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use sansocket::Instant;
use sansocket::blocking::Transport;

/// One direction of a pipe in memory.
pub(crate) struct Channel {
    state: Mutex<ChannelState>,
    changed: Condvar,
}

pub(crate) struct ChannelState {
    bytes: VecDeque<u8>,
    room: usize,
    ended: bool,
    deaf: bool,
}

/// Ends both directions when the last handle of an end is dropped.
pub(crate) struct PipeEnd {
    from: Arc<Channel>,
    to: Arc<Channel>,
}

impl Drop for PipeEnd {
    fn drop(&mut self) {
        self.from.state.lock().unwrap().deaf = true;
        self.to.state.lock().unwrap().ended = true;
        self.from.changed.notify_all();
        self.to.changed.notify_all();
    }
}

#[derive(Clone)]
pub(crate) struct Pipe {
    end: Arc<PipeEnd>,
    read_timeout: Option<Duration>,
    write_timeout: Option<Duration>,
}

pub(crate) fn pipe(room: usize) -> (Pipe, Pipe) {
    let channel = || {
        let state = ChannelState { bytes: VecDeque::new(), room, ended: false, deaf: false };
        Arc::new(Channel { state: Mutex::new(state), changed: Condvar::new() })
    };
    let (a, b) = (channel(), channel());
    let end = |from: &Arc<Channel>, to: &Arc<Channel>| Pipe {
        end: Arc::new(PipeEnd { from: from.clone(), to: to.clone() }),
        read_timeout: None,
        write_timeout: None,
    };
    (end(&a, &b), end(&b, &a))
}

impl Pipe {
    /// What the other end writes fails from now on.
    pub(crate) fn become_deaf(&self) {
        self.end.from.state.lock().unwrap().deaf = true;
        self.end.from.changed.notify_all();
    }
}

impl Channel {
    fn wait(
        &self,
        timeout: Option<Duration>,
        mut ready: impl FnMut(&mut ChannelState) -> Option<io::Result<usize>>,
    ) -> io::Result<usize> {
        let timeout = timeout.unwrap_or(Duration::from_secs(3600));
        let start = Instant::now();
        let mut state = self.state.lock().unwrap();
        loop {
            if let Some(result) = ready(&mut state) {
                self.changed.notify_all();
                return result;
            }
            let waited = Instant::now().saturating_duration_since(start);
            let Some(left) = timeout.checked_sub(waited).filter(|left| !left.is_zero()) else {
                return Err(io::ErrorKind::WouldBlock.into());
            };
            state = self.changed.wait_timeout(state, left).unwrap().0;
        }
    }
}

impl Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.end.from.wait(self.read_timeout, |state| {
            if state.bytes.is_empty() {
                return state.ended.then_some(Ok(0));
            }
            Some(state.bytes.read(buffer))
        })
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.end.to.wait(self.write_timeout, |state| {
            if state.deaf || state.ended {
                return Some(Err(io::ErrorKind::BrokenPipe.into()));
            }
            let n = bytes.len().min(state.room - state.bytes.len());
            state.bytes.extend(&bytes[..n]);
            (n > 0).then_some(Ok(n))
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Transport for Pipe {
    fn set_read_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        assert_ne!(timeout, Some(Duration::ZERO));
        self.read_timeout = timeout;
        Ok(())
    }

    fn set_write_timeout(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        assert_ne!(timeout, Some(Duration::ZERO));
        self.write_timeout = timeout;
        Ok(())
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        self.end.to.state.lock().unwrap().ended = true;
        self.end.to.changed.notify_all();
        Ok(())
    }

    fn try_clone(&self) -> io::Result<Self> {
        Ok(Self { end: self.end.clone(), read_timeout: None, write_timeout: None })
    }
}

/// Counts what goes through, and does as little as it may at a time.
pub(crate) struct Metered<S> {
    io: S,
    meter: Arc<Meter>,
    /// Every other call is interrupted, and a read or write moves at most three bytes.
    choppy: bool,
    interrupt: bool,
    /// As on Windows: after a write that has run out of its time nobody knows what was sent.
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
    /// The most that was read and not written.
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

/// Holds all that is written until it is flushed.
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
