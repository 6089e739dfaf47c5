//! Polls a transport as the driver's steps ask for.

use core::future::poll_fn;
use core::pin::Pin;
use core::task::{Context, Poll, ready};

use alloc::boxed::Box;
use std::io;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use crate::driver::{self, Flow, Intake, Step};
use crate::instant::Instant;

/// After this many reads and writes without an event others get their turn, on transports that
/// don't see to it themselves.
const MAX_TURNS: usize = 64;

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

/// Reads and writes until an event is at hand or the connection has ended.
pub(super) fn poll_event<S: AsyncRead + AsyncWrite + Unpin>(
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
            Step::Write { or_read } => match poll_write(io, flow, cx) {
                Poll::Pending if or_read => poll_read(io, flow, intake, cx),
                Poll::Pending => Poll::Pending,
                Poll::Ready(written) => Poll::Ready(written),
            },
            Step::EndWriting => poll_end_writing(io, flow, cx),
            Step::Drain => poll_drain(io, flow, cx),
        };
        if let Poll::Ready(result) = turn {
            result?;
            continue;
        }
        let now = ready!(timer.poll(cx, flow.deadline(intake)));
        // Nobody is told dead before a read that found nothing.
        if intake.is_empty()
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
) -> Poll<io::Result<()>> {
    for _ in 0..MAX_TURNS {
        let turn = match flow.end_step(now) {
            Step::Write { .. } => poll_write(io, flow, cx),
            Step::EndWriting => poll_end_writing(io, flow, cx),
            Step::Drain => poll_drain(io, flow, cx),
            Step::Done | Step::Lend | Step::Read => return Poll::Ready(Ok(())),
        };
        if let Poll::Ready(result) = turn {
            result?;
            continue;
        }
        let now = ready!(timer.poll(cx, flow.stall_deadline()));
        flow.stalled(now);
    }
    cx.waker().wake_by_ref();
    Poll::Pending
}

/// Writes all output.
pub(super) fn poll_flush<S: AsyncWrite + Unpin>(
    io: &mut S,
    flow: &mut Flow,
    timer: &mut Timer,
    cx: &mut Context<'_>,
) -> Poll<io::Result<()>> {
    loop {
        let turn = if flow.out.is_empty() {
            poll_flush_transport(io, flow, cx)
        } else {
            flow.begin_stall(now);
            poll_write(io, flow, cx)
        };
        match turn {
            Poll::Ready(Ok(())) if flow.out.is_empty() && !flow.unflushed => {
                return Poll::Ready(Ok(()));
            }
            Poll::Ready(result) => {
                result?;
                continue;
            }
            Poll::Pending => {}
        }
        let now = ready!(timer.poll(cx, flow.stall_deadline()));
        flow.stalled(now);
        if flow.connection.is_closed() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
    }
}

/// Writes what can be written at once, waiting for nothing.
pub(super) async fn write_some<S: AsyncWrite + Unpin>(io: &mut S, flow: &mut Flow) {
    poll_fn(|cx| {
        while !flow.out.is_empty() && matches!(poll_write(io, flow, cx), Poll::Ready(Ok(()))) {}
        Poll::Ready(())
    })
    .await;
}

/// One write.
pub(super) fn poll_write<S: AsyncWrite + Unpin>(
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
    if let Poll::Ready(result) = poll_flush_transport(io, flow, cx) {
        result?;
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
        flow.unflushed = false;
    }
    Poll::Ready(Ok(()))
}

/// One read; an idle connection keeps no buffer.
pub(super) fn poll_read<S: AsyncRead + Unpin>(
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

fn poll_end_writing<S: AsyncWrite + Unpin>(
    io: &mut S,
    flow: &mut Flow,
    cx: &mut Context<'_>,
) -> Poll<io::Result<()>> {
    // The peer may be gone already: then its writing half has ended too.
    let _ = ready!(Pin::new(io).poll_shutdown(cx));
    flow.ended_writing();
    Poll::Ready(Ok(()))
}

fn poll_drain<S: AsyncRead + Unpin>(
    io: &mut S,
    flow: &mut Flow,
    cx: &mut Context<'_>,
) -> Poll<io::Result<()>> {
    let mut scratch = Intake::scratch();
    let mut buffer = ReadBuf::new(&mut scratch);
    let poll = Pin::new(io).poll_read(cx, &mut buffer);
    let n = buffer.filled().len();
    Intake::put_back(scratch);
    // A reset ends the draining as the peer's end does.
    if ready!(poll).is_err() || n == 0 {
        flow.received_eof();
    }
    Poll::Ready(Ok(()))
}
