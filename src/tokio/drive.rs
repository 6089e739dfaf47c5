//! Polls a transport for the steps of the driver.
//!
//! ```text
//!  poll_step ─► Event | Done | Opened | Request          for the caller
//!     │ other steps
//!     ▼
//!  poll_turn ─► poll_read, poll_write, poll_flush, poll_shutdown
//!     │ all pending
//!     ▼
//!  Timer (deadline of the step) ─► one last read ─► timed_out
//! ```
//!
//! Each loop of reads and writes is bounded by [`MAX_TURNS`], and then wakes its own task. In all
//! other cases, a function that returns [`Poll::Pending`] has registered the waker with the
//! transport or with the timer.

use core::pin::Pin;
use core::task::{Context, Poll, ready};

use std::io;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::adapter::connections::Registration;
use crate::adapter::failure::{Failure, lost};
use crate::adapter::pool;
use crate::connection::Connection;
use crate::driver::{Flow, Intake, Step};
use crate::error::adapter::WebSocketError;
use crate::error::send::SendError;
use crate::tokio::timer::{Timer, now};

/// The number of reads and writes without an event after which a task yields to others. Some
/// transports limit this themselves (tokio's coop budget), others do not.
pub(super) const MAX_TURNS: usize = 64;

/// A transport, and the error that it has failed with.
#[derive(Debug)]
pub(super) struct Link<S> {
    pub(super) stream: S,
    pub(super) failure: Failure,
    /// Set until the transport has ended.
    pub(super) registration: Option<Registration>,
}

impl<S> Link<S> {
    pub(super) const fn new(stream: S) -> Self {
        Self { stream, failure: Failure::NONE, registration: None }
    }

    /// Executes an order to close, or registers for one. Returns true if the connection has changed.
    fn attend(&self, flow: &mut Flow, cx: &Context<'_>) -> bool {
        let Some(registration) = &self.registration else { return false };
        // Register first: an order after the check wakes the task. An executed order to close may be
        // followed by one to abort.
        registration.register(cx.waker());
        registration.execute(flow, now)
    }
}

/// Returns `Ok` if the output up to `end` has left, for a transport that no longer exists.
pub(super) fn sent_before_the_end(flow: &Flow, end: u64) -> Result<(), WebSocketError> {
    if flow.flushed() >= end { Ok(()) } else { Err(lost(flow)) }
}

/// Reads and writes until the step is one for the caller: an event, a request, a response, or the
/// end.
#[inline]
pub(super) fn poll_step<S: AsyncRead + AsyncWrite + Unpin>(
    link: &mut Link<S>,
    flow: &mut Flow,
    intake: &mut Intake,
    timer: &mut Timer,
    cx: &mut Context<'_>,
) -> Poll<Step> {
    let step = flow.step(intake);
    if step == Step::Event {
        // Fast path, inlined: one read may contain many events.
        return Poll::Ready(step);
    }
    poll_turns(link, flow, intake, timer, step, cx)
}

#[inline(never)]
fn poll_turns<S: AsyncRead + AsyncWrite + Unpin>(
    link: &mut Link<S>,
    flow: &mut Flow,
    intake: &mut Intake,
    timer: &mut Timer,
    mut step: Step,
    cx: &mut Context<'_>,
) -> Poll<Step> {
    for _ in 0..MAX_TURNS {
        if link.attend(flow, cx) {
            step = flow.step(intake);
        }
        match step {
            Step::Event => return Poll::Ready(step),
            Step::Done | Step::Opened | Step::Request => {
                if step == Step::Done {
                    link.registration = None;
                }
                give_back(intake);
                return Poll::Ready(step);
            }
            Step::Drain | Step::EndWriting | Step::Read | Step::Write { .. } => {}
        }
        ready!(poll_turn(link, flow, intake, timer, step, cx));
        step = flow.step(intake);
    }
    cx.waker().wake_by_ref();
    Poll::Pending
}

/// Performs one read, one write or the shutdown of the write half. If the deadline passes first,
/// performs the actions that are due.
fn poll_turn<S: AsyncRead + AsyncWrite + Unpin>(
    link: &mut Link<S>,
    flow: &mut Flow,
    intake: &mut Intake,
    timer: &mut Timer,
    step: Step,
    cx: &mut Context<'_>,
) -> Poll<()> {
    let turn = match step {
        Step::Event | Step::Request | Step::Opened | Step::Done => Poll::Ready(()),
        Step::Read | Step::Drain => {
            poll_flush_beside(link, flow, cx);
            poll_read(link, flow, intake, cx)
        }
        Step::Write { or_read } => match poll_write_beside(link, flow, cx) {
            Poll::Pending if or_read => poll_read(link, flow, intake, cx),
            // Senders that feed without pause must not keep this end from reading.
            Poll::Ready(()) if or_read && !flow.output().is_empty() => {
                let _ = poll_read(link, flow, intake, cx);
                Poll::Ready(())
            }
            turn @ (Poll::Pending | Poll::Ready(())) => turn,
        },
        Step::EndWriting => poll_shutdown(link, flow, cx),
    };
    if turn.is_ready() {
        return Poll::Ready(());
    }
    let now = ready!(timer.poll(cx, flow.deadline(intake, now())));
    // Try one last read before failing the peer: its pong may be unread in the transport.
    let reads = !matches!(step, Step::Write { or_read: false } | Step::EndWriting);
    if !reads || poll_read(link, flow, intake, cx).is_pending() {
        flow.timed_out(intake, now);
    }
    Poll::Ready(())
}

/// Ends the transport of a connection that has ended, while an error keeps the intake borrowed.
pub(super) fn poll_end<S: AsyncRead + AsyncWrite + Unpin>(
    link: &mut Link<S>,
    flow: &mut Flow,
    timer: &mut Timer,
    cx: &mut Context<'_>,
) -> Poll<()> {
    for _ in 0..MAX_TURNS {
        link.attend(flow, cx);
        let turn = match flow.end_step() {
            Step::Write { or_read } => match poll_write_beside(link, flow, cx) {
                Poll::Pending if or_read => poll_drain(link, flow, cx),
                turn @ (Poll::Pending | Poll::Ready(())) => turn,
            },
            Step::EndWriting => poll_shutdown(link, flow, cx),
            Step::Drain => {
                poll_flush_beside(link, flow, cx);
                poll_drain(link, flow, cx)
            }
            Step::Done | Step::Event | Step::Opened | Step::Read | Step::Request => {
                link.registration = None;
                return Poll::Ready(());
            }
        };
        if turn.is_pending() {
            let now = ready!(timer.poll(cx, flow.write_deadline(now())));
            flow.write_timed_out(now);
        }
    }
    cx.waker().wake_by_ref();
    Poll::Pending
}

/// A position in the output, as of [`Flow::end`], and how far the output must have got there.
#[derive(Clone, Copy, Debug)]
pub(super) enum Goal {
    /// Written to the transport, which frees space in the output.
    Written(u64),
    /// Written and flushed.
    Sent(u64),
}

impl Goal {
    /// The next byte of output, for a sender that needs space.
    pub(super) const fn room(flow: &Flow) -> Self {
        Self::Written(flow.written().saturating_add(1))
    }
}

/// Writes and flushes until the output has reached `goal`. Does not read meanwhile.
///
/// Returns an error of the transport here. Another error is returned by the next read.
pub(super) fn poll_sent<S: AsyncWrite + Unpin>(
    link: &mut Link<S>,
    flow: &mut Flow,
    timer: &mut Timer,
    goal: Goal,
    cx: &mut Context<'_>,
) -> Poll<Result<(), WebSocketError>> {
    let (Goal::Written(end) | Goal::Sent(end)) = goal;
    for _ in 0..MAX_TURNS {
        link.attend(flow, cx);
        let written = flow.written() >= end;
        if written && (matches!(goal, Goal::Written(_)) || flow.flushed() >= end) {
            return Poll::Ready(Ok(()));
        }
        if flow.is_unwritable() {
            return Poll::Ready(Err(lost(flow)));
        }
        // Flush as soon as `end` is written: output after it belongs to other senders.
        let turn = if written { poll_flush(link, flow, cx) } else { poll_write(link, flow, cx) };
        match turn {
            Poll::Ready(Ok(())) => {}
            Poll::Ready(Err(error)) => {
                link.failure.write_failed(flow, error.kind().into());
                return Poll::Ready(Err(error.into()));
            }
            Poll::Pending => {
                let now = ready!(timer.poll(cx, flow.write_deadline(now())));
                let was_over = flow.is_over();
                flow.write_timed_out(now);
                if flow.is_over() && !was_over {
                    let error = lost(flow);
                    flow.failed();
                    return Poll::Ready(Err(error));
                }
            }
        }
    }
    cx.waker().wake_by_ref();
    Poll::Pending
}

/// Writes until the deadline of the peer's Close frame. Does not read.
pub(super) fn poll_close_deadline<S: AsyncWrite + Unpin>(
    link: &mut Link<S>,
    flow: &mut Flow,
    timer: &mut Timer,
    cx: &mut Context<'_>,
) -> Poll<()> {
    link.attend(flow, cx);
    write_some(link, flow, cx);
    if flow.is_over() || flow.is_unwritable() {
        return Poll::Ready(());
    }
    timer.poll(cx, flow.write_deadline(now())).map(drop)
}

/// How a `send_*` feeds its message.
pub(super) trait Feed {
    /// Feeds the message, or returns `Full` if there is no space yet.
    fn feed(&mut self, flow: &mut Flow) -> Result<(), SendError>;
}

/// Feeds unsolicited output, if the output is below the high-water mark.
pub(super) struct Unsolicited<F>(pub(super) F);

/// Feeds a reply, which has space of its own.
pub(super) struct Replies<F>(pub(super) F);

impl<F> Feed for Unsolicited<F>
where
    F: FnMut(&mut Connection, &mut BytesMut) -> Result<(), SendError>,
{
    fn feed(&mut self, flow: &mut Flow) -> Result<(), SendError> {
        if flow.is_open() && flow.is_above_mark() {
            return Err(SendError::Full);
        }
        flow.send_with(&mut self.0)
    }
}

impl<F> Feed for Replies<F>
where
    F: FnMut(&mut Connection, &mut BytesMut) -> Result<(), SendError>,
{
    fn feed(&mut self, flow: &mut Flow) -> Result<(), SendError> {
        flow.reply().reply_with(&mut self.0)
    }
}

/// The state of a `send_*` in progress.
#[derive(Debug, Default)]
pub(super) struct Sending {
    /// The position of the end of the message in the output, once it was fed.
    end: Option<u64>,
}

impl Sending {
    /// Returns the result of the send after the transport was dropped.
    pub(super) fn result(&self, flow: &Flow) -> Result<(), WebSocketError> {
        match self.end {
            Some(end) => sent_before_the_end(flow, end),
            None => Err(SendError::Closed.into()),
        }
    }

    /// Feeds the message when there is space, then writes until it has left.
    pub(super) fn poll<S: AsyncWrite + Unpin>(
        &mut self,
        link: &mut Link<S>,
        flow: &mut Flow,
        timer: &mut Timer,
        feed: &mut impl Feed,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), WebSocketError>> {
        loop {
            if let Some(end) = self.end {
                return poll_sent(link, flow, timer, Goal::Sent(end), cx);
            }
            if flow.is_open() && flow.is_unwritable() {
                return Poll::Ready(Err(lost(flow)));
            }
            match feed.feed(flow) {
                Ok(()) => self.end = Some(flow.end()),
                Err(SendError::Full) => {
                    let goal = Goal::room(flow);
                    ready!(poll_sent(link, flow, timer, goal, cx))?;
                }
                Err(error) => return Poll::Ready(Err(error.into())),
            }
        }
    }
}

/// Writes as much as possible without waiting. An error of the transport is returned by the next
/// read.
pub(super) fn write_some<S: AsyncWrite + Unpin>(
    link: &mut Link<S>,
    flow: &mut Flow,
    cx: &mut Context<'_>,
) {
    for _ in 0..MAX_TURNS {
        if flow.output().is_empty() || flow.is_unwritable() {
            poll_flush_beside(link, flow, cx);
            return;
        }
        if poll_write_beside(link, flow, cx).is_pending() {
            return;
        }
    }
}

/// Writes once, for a task that also reads. An error of the transport is returned by the next read.
fn poll_write_beside<S: AsyncWrite + Unpin>(
    link: &mut Link<S>,
    flow: &mut Flow,
    cx: &mut Context<'_>,
) -> Poll<()> {
    if let Err(error) = ready!(poll_write(link, flow, cx)) {
        link.failure.write_failed(flow, error);
    }
    Poll::Ready(())
}

/// Flushes a transport with a buffer of its own, for a task that also reads. If it is pending, its
/// waker is registered. An error is returned by the next read.
fn poll_flush_beside<S: AsyncWrite + Unpin>(
    link: &mut Link<S>,
    flow: &mut Flow,
    cx: &mut Context<'_>,
) {
    if !flow.is_unwritable()
        && let Poll::Ready(Err(error)) = poll_flush(link, flow, cx)
    {
        link.failure.write_failed(flow, error);
    }
}

/// Writes once.
fn poll_write<S: AsyncWrite + Unpin>(
    link: &mut Link<S>,
    flow: &mut Flow,
    cx: &mut Context<'_>,
) -> Poll<io::Result<()>> {
    match ready!(Pin::new(&mut link.stream).poll_write(cx, flow.output())) {
        Ok(0) => Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
        Ok(n) => {
            flow.write_done_with(n, now);
            Poll::Ready(Ok(()))
        }
        Err(error) => Poll::Ready(Err(error)),
    }
}

fn poll_flush<S: AsyncWrite + Unpin>(
    link: &mut Link<S>,
    flow: &mut Flow,
    cx: &mut Context<'_>,
) -> Poll<io::Result<()>> {
    if flow.needs_flush() {
        ready!(Pin::new(&mut link.stream).poll_flush(cx))?;
        flow.flush_done();
    }
    Poll::Ready(Ok(()))
}

fn poll_shutdown<S: AsyncWrite + Unpin>(
    link: &mut Link<S>,
    flow: &mut Flow,
    cx: &mut Context<'_>,
) -> Poll<()> {
    // An error means that the peer has closed the transport, and so its write half as well.
    if ready!(Pin::new(&mut link.stream).poll_shutdown(cx)).is_ok() {
        flow.flush_done();
    }
    flow.writing_ended();
    Poll::Ready(())
}

/// Reads once. If it is pending, frees the buffers: an idle connection holds none.
fn poll_read<S: AsyncRead + Unpin>(
    link: &mut Link<S>,
    flow: &mut Flow,
    intake: &mut Intake,
    cx: &mut Context<'_>,
) -> Poll<()> {
    let mut buffer = ReadBuf::new(intake.room(flow, pool::take));
    let read = Pin::new(&mut link.stream).poll_read(cx, &mut buffer);
    let n = buffer.filled().len();
    match read {
        Poll::Ready(Ok(())) => flow.read_done(intake, n, now()),
        Poll::Ready(Err(error)) => link.failure.fail(flow, error),
        Poll::Pending => {
            intake.shrink();
            give_back(intake);
            return Poll::Pending;
        }
    }
    Poll::Ready(())
}

/// Returns the read buffer to the pool, if all bytes in it are processed. Otherwise each connection
/// that is accepted and dropped would allocate a new one, filled with zeros.
fn give_back(intake: &mut Intake) {
    if let Some(buffer) = intake.take_buffer() {
        pool::put(buffer);
    }
}

/// Reads once and drops the input.
fn poll_drain<S: AsyncRead + Unpin>(
    link: &mut Link<S>,
    flow: &mut Flow,
    cx: &mut Context<'_>,
) -> Poll<()> {
    let mut scratch = pool::take();
    let mut buffer = ReadBuf::new(&mut scratch);
    let read = Pin::new(&mut link.stream).poll_read(cx, &mut buffer);
    let n = buffer.filled().len();
    pool::put(scratch);
    match ready!(read) {
        Ok(()) => flow.drained(n, now()),
        Err(error) => link.failure.fail(flow, error),
    }
    Poll::Ready(())
}
