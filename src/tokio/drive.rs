//! Polls a transport as the driver's steps ask for.

use core::pin::Pin;
use core::task::{Context, Poll, ready};

use alloc::boxed::Box;
use std::io;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use crate::adapter::WebSocketError;
use crate::driver::{self, Flow, Intake, Step};
use crate::instant::Instant;

/// After this many reads and writes without an event others get their turn, on transports that
/// don't see to it themselves.
pub(super) const MAX_TURNS: usize = 64;

/// Reads the runtime's clock, which tests may pause.
pub(super) fn now() -> Instant {
    tokio::time::Instant::now().into_std().into()
}

/// What [`poll_event`] has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ready {
    /// An event or an error is at hand.
    Event,
    /// The connection has ended, and the transport with it.
    Done,
}

/// One timer for all deadlines of a connection. It is set anew only for an earlier deadline: a
/// later one, as each read brings it, waits until the timer has run out.
#[derive(Debug, Default)]
pub(super) struct Timer {
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Timer {
    /// Ready when the deadline has passed.
    fn poll(&mut self, cx: &mut Context<'_>, deadline: Option<Instant>) -> Poll<Instant> {
        let Some(deadline) = deadline else { return Poll::Pending };
        let Some(at) = deadline.into_std() else { return Poll::Pending };
        let at = tokio::time::Instant::from_std(at);
        loop {
            let sleep = match &mut self.sleep {
                Some(sleep) => {
                    if sleep.deadline() > at {
                        sleep.as_mut().reset(at);
                    }
                    sleep
                }
                none => none.insert(Box::pin(tokio::time::sleep_until(at))),
            };
            ready!(sleep.as_mut().poll(cx));
            self.sleep = None;
            let now = now();
            if now >= deadline {
                return Poll::Ready(now);
            }
        }
    }
}

/// Reads and writes until an event is at hand or the connection has ended. An error only if it was
/// not over anyway.
pub(super) fn poll_event<S: AsyncRead + AsyncWrite + Unpin>(
    io: &mut S,
    flow: &mut Flow,
    intake: &mut Intake,
    timer: &mut Timer,
    cx: &mut Context<'_>,
) -> Poll<io::Result<Ready>> {
    Poll::Ready(match ready!(poll_turns(io, flow, intake, timer, cx)) {
        Ok(ready) => Ok(ready),
        Err(error) => flow.end_failed_transport(error).map(|()| Ready::Done),
    })
}

fn poll_turns<S: AsyncRead + AsyncWrite + Unpin>(
    io: &mut S,
    flow: &mut Flow,
    intake: &mut Intake,
    timer: &mut Timer,
    cx: &mut Context<'_>,
) -> Poll<io::Result<Ready>> {
    for _ in 0..MAX_TURNS {
        let turn = match driver::step(flow, intake, now) {
            Step::Lend => return Poll::Ready(Ok(Ready::Event)),
            Step::Done => return Poll::Ready(Ok(Ready::Done)),
            Step::Read => poll_flush_and_read(io, flow, intake, cx),
            Step::Write { or_read } if !flow.connection.is_closed() => {
                match poll_write(io, flow, cx) {
                    Poll::Pending if or_read => poll_read(io, flow, intake, cx),
                    Poll::Pending => Poll::Pending,
                    Poll::Ready(written) => {
                        keep_write_error(flow, written);
                        Poll::Ready(Ok(()))
                    }
                }
            }
            step @ (Step::Write { .. } | Step::EndWriting | Step::Drain) => {
                poll_end_turn(io, flow, step, cx).map(Ok)
            }
        };
        if let Poll::Ready(result) = turn {
            result?;
            continue;
        }
        if let Some(error) = flow.write_error() {
            return Poll::Ready(Err(error));
        }
        let now = ready!(timer.poll(cx, flow.deadline(intake)));
        // Nobody is told dead before a read that found nothing.
        if !flow.is_at_hand(intake)
            && !flow.connection.is_closed()
            && let Poll::Ready(result) = poll_read(io, flow, intake, cx)
        {
            result?;
            continue;
        }
        flow.timed_out(intake, now);
    }
    cx.waker().wake_by_ref();
    Poll::Pending
}

/// Ends the transport of a closed or failed connection, while what was lent is still held.
pub(super) fn poll_end<S: AsyncRead + AsyncWrite + Unpin>(
    io: &mut S,
    flow: &mut Flow,
    timer: &mut Timer,
    cx: &mut Context<'_>,
) -> Poll<()> {
    for _ in 0..MAX_TURNS {
        let step = flow.end_step(now);
        if step == Step::Done {
            return Poll::Ready(());
        }
        if poll_end_turn(io, flow, step, cx).is_ready() {
            continue;
        }
        let now = ready!(timer.poll(cx, flow.stall_deadline()));
        flow.stalled(now);
    }
    cx.waker().wake_by_ref();
    Poll::Pending
}

/// Writes all output. An error only if the connection was not over anyway.
pub(super) fn poll_flush<S: AsyncWrite + Unpin>(
    io: &mut S,
    flow: &mut Flow,
    timer: &mut Timer,
    cx: &mut Context<'_>,
) -> Poll<Result<(), WebSocketError>> {
    loop {
        if let Poll::Ready(written) = poll_write_all(io, flow, cx) {
            return Poll::Ready(written.map_err(Into::into));
        }
        flow.begin_stall(now);
        let now = ready!(timer.poll(cx, flow.stall_deadline()));
        let was_over = flow.connection.is_closed();
        flow.stalled(now);
        if flow.connection.is_closed() {
            let result = if was_over { Ok(()) } else { flow.result() };
            flow.abandon();
            return Poll::Ready(result.map_err(Into::into));
        }
    }
}

/// Writes all output, however long it takes. An error only if the connection was not over anyway.
pub(super) fn poll_write_all<S: AsyncWrite + Unpin>(
    io: &mut S,
    flow: &mut Flow,
    cx: &mut Context<'_>,
) -> Poll<io::Result<()>> {
    for _ in 0..MAX_TURNS {
        let written = if flow.is_unwritable() {
            Err(io::ErrorKind::BrokenPipe.into())
        } else if !flow.out.is_empty() {
            ready!(poll_write(io, flow, cx))
        } else if flow.unflushed {
            ready!(poll_flush_transport(io, flow, cx))
        } else {
            return Poll::Ready(Ok(()));
        };
        if let Err(error) = written {
            return Poll::Ready(tell_write_error(flow, error));
        }
    }
    cx.waker().wake_by_ref();
    Poll::Pending
}

/// One write, of output that there is. An error only if the connection was not over anyway.
pub(super) fn poll_write_once<S: AsyncWrite + Unpin>(
    io: &mut S,
    flow: &mut Flow,
    cx: &mut Context<'_>,
) -> Poll<io::Result<()>> {
    poll_write(io, flow, cx).map(|written| written.or_else(|error| tell_write_error(flow, error)))
}

/// The caller is told of an error.
fn tell_write_error(flow: &mut Flow, error: io::Error) -> io::Result<()> {
    flow.write_failed(None);
    if flow.connection.is_closed() { Ok(()) } else { Err(error) }
}

/// Writes what can be written at once, waiting for nothing. Who reads next is told of an error.
pub(super) fn write_some<S: AsyncWrite + Unpin>(io: &mut S, flow: &mut Flow, cx: &mut Context<'_>) {
    if let Poll::Ready(Err(error)) = poll_write_all(io, flow, cx) {
        flow.write_failed(Some(error));
    }
}

/// Who reads next is told of an error.
fn keep_write_error(flow: &mut Flow, written: io::Result<()>) {
    if let Err(error) = written {
        flow.write_failed(Some(error));
    }
}

/// One write.
fn poll_write<S: AsyncWrite + Unpin>(
    io: &mut S,
    flow: &mut Flow,
    cx: &mut Context<'_>,
) -> Poll<io::Result<()>> {
    match ready!(Pin::new(io).poll_write(cx, &flow.out)) {
        Ok(0) => Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
        Ok(n) => {
            flow.written(n, now);
            Poll::Ready(Ok(()))
        }
        Err(error) => Poll::Ready(Err(error)),
    }
}

fn poll_flush_and_read<S: AsyncRead + AsyncWrite + Unpin>(
    io: &mut S,
    flow: &mut Flow,
    intake: &mut Intake,
    cx: &mut Context<'_>,
) -> Poll<io::Result<()>> {
    // What a buffering transport holds goes out beside the read; its waker is registered.
    if let Poll::Ready(flushed) = poll_flush_transport(io, flow, cx) {
        keep_write_error(flow, flushed);
    }
    poll_read(io, flow, intake, cx)
}

fn poll_flush_transport<S: AsyncWrite + Unpin>(
    io: &mut S,
    flow: &mut Flow,
    cx: &mut Context<'_>,
) -> Poll<io::Result<()>> {
    if flow.unflushed {
        ready!(Pin::new(io).poll_flush(cx))?;
        flow.flushed();
    }
    Poll::Ready(Ok(()))
}

/// One read; an idle connection keeps no buffer.
fn poll_read<S: AsyncRead + Unpin>(
    io: &mut S,
    flow: &mut Flow,
    intake: &mut Intake,
    cx: &mut Context<'_>,
) -> Poll<io::Result<()>> {
    let room = intake.room(flow);
    let direct = room.direct;
    let mut buffer = ReadBuf::new(room.bytes);
    let poll = Pin::new(io).poll_read(cx, &mut buffer);
    let n = buffer.filled().len();
    if poll.is_pending() {
        intake.release();
    }
    ready!(poll)?;
    if n == 0 {
        flow.received_eof();
    } else {
        intake.filled(n, direct, flow, now());
    }
    Poll::Ready(Ok(()))
}

/// One turn of the end of a transport. What goes wrong now doesn't matter any more.
fn poll_end_turn<S: AsyncRead + AsyncWrite + Unpin>(
    io: &mut S,
    flow: &mut Flow,
    step: Step,
    cx: &mut Context<'_>,
) -> Poll<()> {
    match step {
        Step::Write { or_read } => match poll_write(io, flow, cx) {
            Poll::Pending if or_read => poll_drain(io, flow, cx),
            Poll::Pending => Poll::Pending,
            Poll::Ready(written) => {
                keep_write_error(flow, written);
                Poll::Ready(())
            }
        },
        Step::EndWriting => {
            // The peer may be gone already: then its writing half has ended too.
            let _ = ready!(Pin::new(io).poll_shutdown(cx));
            flow.ended_writing();
            Poll::Ready(())
        }
        Step::Drain => {
            // A client's Close frame must not stay in a buffering transport.
            if let Poll::Ready(flushed) = poll_flush_transport(io, flow, cx) {
                keep_write_error(flow, flushed);
            }
            poll_drain(io, flow, cx)
        }
        Step::Done | Step::Lend | Step::Read => Poll::Ready(()),
    }
}

fn poll_drain<S: AsyncRead + Unpin>(io: &mut S, flow: &mut Flow, cx: &mut Context<'_>) -> Poll<()> {
    let mut scratch = Intake::scratch();
    let mut buffer = ReadBuf::new(&mut scratch);
    let poll = Pin::new(io).poll_read(cx, &mut buffer);
    let n = buffer.filled().len();
    Intake::put_back(scratch);
    // A reset ends the draining as the peer's end does.
    if ready!(poll).is_err() || n == 0 {
        flow.received_eof();
    }
    Poll::Ready(())
}
