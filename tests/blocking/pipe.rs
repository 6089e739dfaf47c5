//! A blocking transport in memory, with buffers of any size.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use sansocket::blocking::Transport;

/// One direction.
#[derive(Debug)]
struct Direction {
    state: Mutex<State>,
    changed: Condvar,
    capacity: usize,
}

#[derive(Debug, Default)]
struct State {
    bytes: VecDeque<u8>,
    /// The writer has ended: reads return 0 after all bytes.
    ended: bool,
    /// The reader is dropped: writes fail.
    broken: bool,
}

impl Direction {
    fn new(capacity: usize) -> Arc<Self> {
        Arc::new(Self { state: Mutex::default(), changed: Condvar::new(), capacity })
    }

    /// Waits until `ready` returns a value, at most for `timeout`.
    fn wait<T>(
        &self,
        timeout: Option<Duration>,
        mut ready: impl FnMut(&mut State) -> Option<io::Result<T>>,
    ) -> io::Result<T> {
        let until = timeout.map(|timeout| Instant::now() + timeout);
        let mut state = self.state.lock().unwrap();
        loop {
            if let Some(result) = ready(&mut state) {
                self.changed.notify_all();
                return result;
            }
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            match left {
                Some(Duration::ZERO) => return Err(io::ErrorKind::WouldBlock.into()),
                Some(left) => state = self.changed.wait_timeout(state, left).unwrap().0,
                None => state = self.changed.wait(state).unwrap(),
            }
        }
    }
}

/// One end. Its clones share it; the drop of the last one closes it.
#[derive(Clone, Debug)]
pub struct Pipe {
    end: Arc<End>,
    read_timeout: Option<Duration>,
    write_timeout: Option<Duration>,
}

#[derive(Debug)]
struct End {
    input: Arc<Direction>,
    output: Arc<Direction>,
    nonblocking: std::sync::atomic::AtomicBool,
}

impl Drop for End {
    fn drop(&mut self) {
        self.output.state.lock().unwrap().ended = true;
        self.output.changed.notify_all();
        self.input.state.lock().unwrap().broken = true;
        self.input.changed.notify_all();
    }
}

/// Returns both ends of a transport with this capacity in each direction, in bytes.
pub fn pipe(capacity: usize) -> (Pipe, Pipe) {
    let (a, b) = (Direction::new(capacity), Direction::new(capacity));
    let end = |input: &Arc<Direction>, output: &Arc<Direction>| Pipe {
        end: Arc::new(End {
            input: input.clone(),
            output: output.clone(),
            nonblocking: false.into(),
        }),
        read_timeout: None,
        write_timeout: None,
    };
    (end(&a, &b), end(&b, &a))
}

impl Pipe {
    /// Makes all further writes of the other end fail.
    pub fn refuse_input(&self) {
        self.end.input.state.lock().unwrap().broken = true;
        self.end.input.changed.notify_all();
    }

    fn timeout(&self, timeout: Option<Duration>) -> Option<Duration> {
        let nonblocking = self.end.nonblocking.load(std::sync::atomic::Ordering::Relaxed);
        if nonblocking { Some(Duration::ZERO) } else { timeout }
    }
}

impl Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.end.input.wait(self.timeout(self.read_timeout), |state| {
            let n = state.bytes.len().min(buffer.len());
            if n == 0 && !state.ended {
                return None;
            }
            for (place, byte) in buffer.iter_mut().zip(state.bytes.drain(..n)) {
                *place = byte;
            }
            Some(Ok(n))
        })
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let capacity = self.end.output.capacity;
        self.end.output.wait(self.timeout(self.write_timeout), |state| {
            if state.broken || state.ended {
                return Some(Err(io::ErrorKind::BrokenPipe.into()));
            }
            let n = bytes.len().min(capacity - state.bytes.len());
            if n == 0 {
                return None;
            }
            state.bytes.extend(&bytes[..n]);
            Some(Ok(n))
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

    fn set_nonblocking(&mut self, nonblocking: bool) -> io::Result<()> {
        self.end.nonblocking.store(nonblocking, std::sync::atomic::Ordering::Relaxed);
        Ok(())
    }

    fn shutdown_write(&mut self) -> io::Result<()> {
        self.end.output.state.lock().unwrap().ended = true;
        self.end.output.changed.notify_all();
        Ok(())
    }

    fn try_clone(&self) -> io::Result<Self> {
        Ok(Self { end: self.end.clone(), ..*self })
    }
}
