//! An adapter over the driver, for any transport with the traits of `futures-io`: smol's sockets,
//! TLS over them.

use core::future::{Future, poll_fn};
use core::pin::Pin;
use core::task::{Context, Poll, ready};

use sansocket::driver::{Driver, Flow, Intake, Reply, Step};
use sansocket::error::ProtocolError;
use sansocket::handshake::{HttpResponse, OwnedRequestHead, Refusal};
use sansocket::{AcceptOptions, Config, Event, Instant};
use smol::Timer;
use smol::io::{AsyncRead, AsyncWrite};

/// A server's end of a WebSocket, or of its opening handshake.
pub(crate) struct WebSocket<S> {
    link: Link<S>,
    driver: Driver,
}

impl<S: AsyncRead + AsyncWrite + Unpin> WebSocket<S> {
    pub(crate) fn server(io: S, config: &Config) -> Self {
        let link = Link { io, timer: Timer::never(), due: None, turns: 0 };
        let mut driver = Driver::server(config, Instant::now());
        // The transport may have a buffer of its own, as TLS has.
        driver.flow.track_flushes();
        Self { link, driver }
    }

    /// Reads the request; `None`: there was none, or none that can be answered.
    pub(crate) async fn request(&mut self) -> Option<OwnedRequestHead> {
        let Driver { flow, intake } = &mut self.driver;
        poll_fn(|cx| self.link.poll_step(flow, Some(intake), cx)).await;
        flow.take_request()
    }

    /// Accepts the request, or refuses it. [`read`](Self::read) writes the response.
    pub(crate) fn accept(
        &mut self,
        request: &OwnedRequestHead,
        options: &AcceptOptions,
    ) -> Result<(), Refusal> {
        self.driver.flow.accept(request, options, Instant::now())
    }

    /// Answers the request by a page, and ends the transport.
    pub(crate) async fn respond(mut self, page: &HttpResponse) {
        let Driver { flow, intake } = &mut self.driver;
        let _ = flow.respond(page); // there is a request
        poll_fn(|cx| self.link.poll_step(flow, Some(intake), cx)).await;
    }

    /// Returns the next event; `None`: the connection has closed, or the request was refused. The end
    /// of the transport is behind it then, and so it is behind an error.
    ///
    /// Replies are written by the next call. It may be dropped before it is done: nothing is lost.
    pub(crate) async fn read(&mut self) -> Result<Option<(Event<'_>, Reply<'_>)>, ProtocolError> {
        let Driver { flow, intake } = &mut self.driver;
        let step = poll_fn(|cx| self.link.poll_step(flow, Some(intake), cx)).await;
        if step != Step::Event {
            return flow.error().map_or(Ok(None), Err);
        }
        match intake.receive(flow) {
            Ok(event) => Ok(event.map(|event| (event, flow.reply()))),
            Err(error) => {
                // The event of the other arm is lent from the intake, so here the intake is out of
                // reach. The end of the transport needs the flow alone.
                poll_fn(|cx| self.link.poll_step(flow, None, cx)).await;
                Err(error)
            }
        }
    }
}

/// The transport and its timer, apart from the driver: both are used while one half of the driver is
/// borrowed.
struct Link<S> {
    io: S,
    timer: Timer,
    /// When the timer fires, if it is set.
    due: Option<Instant>,
    /// Reads and writes since the last wait.
    turns: usize,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Link<S> {
    /// Reads and writes until the step is one for the caller. `intake` `None`: the connection is over.
    fn poll_step(
        &mut self,
        flow: &mut Flow,
        mut intake: Option<&mut Intake>,
        cx: &mut Context<'_>,
    ) -> Poll<Step> {
        loop {
            let step = match intake.as_deref_mut() {
                Some(intake) => flow.step(intake),
                None => flow.end_step(),
            };
            let moved = match step {
                Step::Request | Step::Opened | Step::Event | Step::Done => {
                    return Poll::Ready(step);
                }
                Step::Read | Step::Drain => {
                    // Beside the read: no input comes while the peer waits for this output.
                    let _ = self.poll_flush(flow, cx);
                    self.poll_read(flow, intake.as_deref_mut(), cx)
                }
                Step::Write { or_read } => match self.poll_write(flow, cx) {
                    Poll::Pending if or_read => self.poll_read(flow, intake.as_deref_mut(), cx),
                    moved => moved,
                },
                Step::EndWriting => self.poll_close(flow, cx),
            };
            self.turns += 1;
            if moved.is_ready() && self.turns < MAX_TURNS {
                continue;
            }
            self.turns = 0;
            if moved.is_ready() {
                // A peer that floods must not keep the thread from other tasks.
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            let now = Instant::now();
            let deadline = match intake.as_deref_mut() {
                Some(intake) => flow.deadline(intake, now),
                None => flow.write_deadline(now),
            };
            let now = ready!(self.poll_deadline(deadline, cx));
            // One last read: the pong that is due may lie in the transport.
            let reads = !matches!(step, Step::Write { or_read: false } | Step::EndWriting);
            if reads && self.poll_read(flow, intake.as_deref_mut(), cx).is_ready() {
                continue;
            }
            match intake.as_deref_mut() {
                Some(intake) => flow.timed_out(intake, now),
                None => flow.write_timed_out(now),
            }
        }
    }

    /// Ready when the deadline has passed. A later deadline than the timer's, as each read brings it,
    /// does not set the timer: it is looked at when the timer fires.
    fn poll_deadline(&mut self, deadline: Option<Instant>, cx: &mut Context<'_>) -> Poll<Instant> {
        let Some(deadline) = deadline else { return Poll::Pending };
        loop {
            if self.due.is_none_or(|due| deadline < due) {
                let Some(at) = deadline.into_std() else { return Poll::Pending };
                self.timer.set_at(at);
                self.due = Some(deadline);
            }
            ready!(Pin::new(&mut self.timer).poll(cx));
            self.due = None;
            let now = Instant::now();
            if deadline <= now {
                return Poll::Ready(now);
            }
        }
    }

    fn poll_read(
        &mut self,
        flow: &mut Flow,
        intake: Option<&mut Intake>,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        let io = Pin::new(&mut self.io);
        let Some(intake) = intake else {
            match ready!(io.poll_read(cx, &mut [0; 4096])) {
                Ok(n) => flow.drained(n, Instant::now()),
                Err(_) => flow.failed(),
            }
            return Poll::Ready(());
        };
        match io.poll_read(cx, intake.room(flow, || vec![0; READ_LEN].into())) {
            Poll::Ready(Ok(n)) => flow.read_done(intake, n, Instant::now()),
            Poll::Ready(Err(_)) => flow.failed(),
            Poll::Pending => {
                // A connection that waits keeps no memory.
                drop(intake.take_buffer());
                intake.shrink();
                return Poll::Pending;
            }
        }
        Poll::Ready(())
    }

    fn poll_write(&mut self, flow: &mut Flow, cx: &mut Context<'_>) -> Poll<()> {
        match ready!(Pin::new(&mut self.io).poll_write(cx, flow.output())) {
            Ok(n) if n > 0 => flow.write_done(n, Instant::now()),
            Ok(_) | Err(_) => flow.write_failed(),
        }
        Poll::Ready(())
    }

    fn poll_flush(&mut self, flow: &mut Flow, cx: &mut Context<'_>) -> Poll<()> {
        if flow.needs_flush() {
            match ready!(Pin::new(&mut self.io).poll_flush(cx)) {
                Ok(()) => flow.flush_done(),
                Err(_) => flow.write_failed(),
            }
        }
        Poll::Ready(())
    }

    /// Flushes, and ends the writing half.
    fn poll_close(&mut self, flow: &mut Flow, cx: &mut Context<'_>) -> Poll<()> {
        // The peer may be gone already. Then its half has ended, too.
        if ready!(Pin::new(&mut self.io).poll_close(cx)).is_ok() {
            flow.flush_done();
        }
        flow.writing_ended();
        Poll::Ready(())
    }
}

/// After this many reads and writes without a wait other tasks have their turn.
const MAX_TURNS: usize = 64;

/// The read buffer's length, in bytes. Large messages are read into their place, not through it.
const READ_LEN: usize = 16 * 1024;
