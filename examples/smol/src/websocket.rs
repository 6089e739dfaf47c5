//! An adapter on the driver, for any transport that implements the traits of `futures-io`: smol's
//! sockets, or TLS on them.

use core::future::{Future, poll_fn};
use core::pin::Pin;
use core::task::{Context, Poll, ready};

use sansocket::driver::{Driver, Flow, Intake, Reply, Step};
use sansocket::error::ProtocolError;
use sansocket::handshake::{HttpResponse, OwnedRequestHead, Refusal};
use sansocket::{AcceptOptions, Config, Event, Instant};
use smol::Timer;
use smol::io::{AsyncRead, AsyncWrite};

/// The server's end of a WebSocket, or of its opening handshake.
pub(crate) struct WebSocket<S> {
    link: Link<S>,
    driver: Driver,
}

impl<S: AsyncRead + AsyncWrite + Unpin> WebSocket<S> {
    pub(crate) fn server(io: S, config: &Config) -> Self {
        let link = Link { io, timer: Timer::never(), due: None, turns: 0 };
        let mut driver = Driver::server(config, Instant::now());
        // The transport may have a buffer of its own, like a TLS stream.
        driver.flow.track_flushes();
        Self { link, driver }
    }

    /// Reads the request. `None`: there was no valid request.
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

    /// Answers the request with a page, and ends the transport.
    pub(crate) async fn respond(mut self, page: &HttpResponse) {
        let Driver { flow, intake } = &mut self.driver;
        let _ = flow.respond(page); // there is a request
        poll_fn(|cx| self.link.poll_step(flow, Some(intake), cx)).await;
    }

    /// Returns the next event. `None`: the connection was closed in order, or the request was
    /// refused; the transport has ended then, as it has after an error.
    ///
    /// The next call writes the replies. Cancel safe: dropping the future loses no event and no
    /// output.
    pub(crate) async fn read(&mut self) -> Result<Option<(Event<'_>, Reply<'_>)>, ProtocolError> {
        let Driver { flow, intake } = &mut self.driver;
        let step = poll_fn(|cx| self.link.poll_step(flow, Some(intake), cx)).await;
        if step != Step::Event {
            return flow.error().map_or(Ok(None), Err);
        }
        match intake.receive(flow) {
            Ok(event) => Ok(event.map(|event| (event, flow.reply()))),
            Err(error) => {
                // The event of the other arm borrows the intake, so this arm can't use it. Ending
                // the transport needs only the flow.
                poll_fn(|cx| self.link.poll_step(flow, None, cx)).await;
                Err(error)
            }
        }
    }
}

/// The transport and its timer. They are separate from the driver, because both are used while one
/// half of the driver is borrowed.
struct Link<S> {
    io: S,
    timer: Timer,
    /// The time at which the timer fires, if it is set.
    due: Option<Instant>,
    /// The number of reads and writes since the last wait.
    turns: usize,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Link<S> {
    /// Reads and writes until the step is one for the caller. Without `intake` the connection has
    /// ended.
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
                    // Flush as well: the peer may send no input before it has this output.
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
                // A peer that floods must not starve other tasks.
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            let now = Instant::now();
            let deadline = match intake.as_deref_mut() {
                Some(intake) => flow.deadline(intake, now),
                None => flow.write_deadline(now),
            };
            let now = ready!(self.poll_deadline(deadline, cx));
            // Try one last read: the awaited pong may be unread in the transport.
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

    /// Returns `Ready` when the deadline has passed. The timer is set only for an earlier deadline.
    /// A later one, which each read causes, is compared when the timer fires.
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
                // An idle connection holds no memory.
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

    /// Flushes, and shuts down the write half.
    fn poll_close(&mut self, flow: &mut Flow, cx: &mut Context<'_>) -> Poll<()> {
        // An error means that the peer has closed the transport, and so its write half as well.
        if ready!(Pin::new(&mut self.io).poll_close(cx)).is_ok() {
            flow.flush_done();
        }
        flow.writing_ended();
        Poll::Ready(())
    }
}

/// The number of reads and writes without a wait after which other tasks run.
const MAX_TURNS: usize = 64;

/// The length of the read buffer in bytes. Large messages are read into the inbox directly.
const READ_LEN: usize = 16 * 1024;
