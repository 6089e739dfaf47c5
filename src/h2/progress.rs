//! The bytes that a session has written and reads.
//!
//! A stream hands its output to the session, and the session's task writes it. To know that the end of a
//! stream is written, it needs a *drive* of the session that began afterwards, and left the
//! transport without unwritten output. Output within the peer's windows is written by one drive.
//!
//! A drive reads a limited number of bytes, then the pumps take the data. h2 counts small frames that
//! are not taken, and ends the session when their budget is used up: without the limit one drive could
//! do that.

use core::pin::Pin;
use core::task::{Context, Poll, Waker};

use alloc::sync::Arc;
use alloc::vec::Vec;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Shared by a session, its transport and its streams.
#[derive(Debug)]
pub(super) struct Progress(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// The number of the last drive that began.
    began: u64,
    /// The number of the last drive after which all output was written.
    written: u64,
    /// The transport takes no more bytes at present.
    is_blocked: bool,
    /// The session has ended.
    has_ended: bool,
    /// The number of bytes that this drive may still read. The last read may exceed it.
    room: usize,
    /// This drive has stopped at its limit.
    has_more: bool,
    /// Bytes were read since `take_heard`.
    heard: bool,
    /// The number of reads that have returned input.
    reads: u64,
    /// The task of the session, unless it was woken after the last drive began.
    session: Option<Waker>,
    waiting: Vec<Waker>,
}

/// A point in the output of a session.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark(u64);

impl Progress {
    /// Handshakes are not limited.
    pub(super) fn new() -> Self {
        Self(Mutex::new(State { room: usize::MAX, ..State::default() }))
    }

    /// No code panics under this lock.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a drive, which may read about this number of bytes.
    pub(super) fn begin(&self, room: usize, cx: &Context<'_>) {
        let mut state = self.state();
        state.began += 1;
        state.room = room;
        state.has_more = false;
        match &state.session {
            Some(waker) if waker.will_wake(cx.waker()) => {}
            _ => {
                let former = state.session.replace(cx.waker().clone());
                drop(state);
                // A waker can run code of its executor.
                drop(former);
            }
        }
    }

    /// Ends a drive. Returns true if it has stopped at its limit: another drive must follow.
    pub(super) fn end(&self) -> bool {
        let mut state = self.state();
        let has_more = state.has_more;
        if !state.is_blocked {
            state.written = state.began;
            let waiting = core::mem::take(&mut state.waiting);
            drop(state);
            waiting.into_iter().for_each(Waker::wake);
        }
        has_more
    }

    pub(super) fn end_session(&self) {
        let mut state = self.state();
        state.has_ended = true;
        let session = state.session.take();
        let waiting = core::mem::take(&mut state.waiting);
        drop(state);
        drop(session);
        waiting.into_iter().for_each(Waker::wake);
    }

    /// Returns the mark behind all output that the session has accepted so far, and wakes the session.
    pub(super) fn mark(&self) -> Mark {
        let mut state = self.state();
        // A drive in progress may have passed the stream.
        let mark = Mark(state.began + 1);
        // h2 does not wake the session for output that a drive in progress, or one that has ended since,
        // has written: then no other drive would follow.
        let session = state.session.take();
        drop(state);
        if let Some(session) = session {
            session.wake();
        }
        mark
    }

    /// Ready when the output before the mark is written.
    ///
    /// # Errors
    /// If the session has ended before.
    pub(super) fn poll_written(&self, mark: Mark, cx: &Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.state();
        if state.written >= mark.0 {
            return Poll::Ready(Ok(()));
        }
        if state.has_ended {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        if !state.waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
            state.waiting.push(cx.waker().clone());
        }
        Poll::Pending
    }

    /// Returns the number of reads that have returned input.
    pub(super) fn reads(&self) -> u64 {
        self.state().reads
    }

    pub(super) fn take_heard(&self) -> bool {
        core::mem::take(&mut self.state().heard)
    }
}

/// The transport of a session, observed.
#[derive(Debug)]
pub(super) struct Observed<T> {
    transport: T,
    progress: Arc<Progress>,
}

impl<T> Observed<T> {
    pub(super) const fn new(transport: T, progress: Arc<Progress>) -> Self {
        Self { transport, progress }
    }

    fn observe<R>(&self, result: Poll<R>) -> Poll<R> {
        self.progress.state().is_blocked = result.is_pending();
        result
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Observed<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        {
            let mut state = self.progress.state();
            if state.room == 0 {
                // The next drive reads on. `end` reports it, so no waker is kept.
                state.has_more = true;
                return Poll::Pending;
            }
        }
        let before = buf.filled().len();
        let read = Pin::new(&mut self.transport).poll_read(cx, buf);
        if read.is_ready() {
            let mut state = self.progress.state();
            let len = buf.filled().len() - before;
            state.heard = true;
            // The end of the input is not input.
            state.reads = state.reads.wrapping_add(u64::from(len > 0));
            state.room = state.room.saturating_sub(len);
        }
        read
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Observed<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.transport).poll_write(cx, buf);
        self.observe(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.transport).poll_write_vectored(cx, bufs);
        self.observe(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.transport.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.transport).poll_flush(cx);
        self.observe(flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.transport).poll_shutdown(cx)
    }
}
