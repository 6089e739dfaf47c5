use crate::driver::flow::Flow;
use crate::driver::intake::Intake;
use crate::driver::sending::Reply;
use crate::driver::step::Step;
use crate::error::protocol::ProtocolError;
use crate::event::Event;
use crate::input::Input;
use crate::instant::Instant;

/// Input in a buffer of the caller. Events borrow from that buffer; the driver makes no copy.
///
/// For event loops with one read buffer for all connections, and for completion-based loops. When
/// the loan is dropped, the remaining bytes are appended to the driver's unread bytes: those after
/// the opening handshake, and those that may not be handed out while the replies are above the
/// high-water mark. Continue with [`Flow::step`].
///
/// ```
/// # use sansocket::connection::Negotiated;
/// # use sansocket::{Config, Connection, Instant, Role};
/// use sansocket::Event;
/// use sansocket::driver::{Driver, Step};
///
/// # let now = Instant::from_micros(0);
/// # let config = Config::server().build()?;
/// # let connection = Connection::new(Role::Server, &config, &Negotiated::new(), now);
/// let mut driver = Driver::new(connection, now);
/// // A completed read: two text messages.
/// let mut buffer = *b"\x81\x81\0\0\0\0a\x81\x81\0\0\0\0b";
/// let mut loan = driver.received(&mut buffer, now);
/// while let Some((event, mut reply)) = loan.next()? {
///     if let Event::Text(text) = event {
///         reply.send_text(text)?;
///     }
/// }
/// drop(loan);
/// assert_eq!(driver.step(), Step::Write { or_read: true });
/// assert_eq!(driver.flow.output(), b"\x81\x01a\x81\x01b");
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Loan<'d, 'b> {
    flow: &'d mut Flow,
    intake: &'d mut Intake,
    /// `None` if older bytes were unread: then these bytes were appended to them.
    input: Option<Input<'b>>,
}

impl<'d, 'b> Loan<'d, 'b> {
    pub(super) fn new(
        flow: &'d mut Flow,
        intake: &'d mut Intake,
        bytes: &'b mut [u8],
        now: Instant,
    ) -> Self {
        if flow.is_over() {
            flow.drained(bytes.len(), now);
            return Self { flow, intake, input: None };
        }
        flow.reads(now);
        if bytes.is_empty() {
            flow.eof();
            return Self { flow, intake, input: None };
        }
        let waits = !intake.is_empty() || intake.has_event();
        intake.set_now(now);
        if waits {
            intake.append(bytes);
            return Self { flow, intake, input: None };
        }
        Self { flow, intake, input: Some(Input::new(now, bytes)) }
    }

    /// Returns the next event, and a handle to reply to it; after `None` continue with
    /// [`Flow::step`].
    ///
    /// # Errors
    /// As [`Intake::receive`]. Continue with [`Flow::step`]: the next steps write the Close frame
    /// and end the transport.
    #[expect(clippy::should_implement_trait, reason = "an iterator can't lend")]
    pub fn next(&mut self) -> Result<Option<(Event<'_>, Reply<'_>)>, ProtocolError> {
        let Self { flow, intake, input } = self;
        let Some(input) = input else {
            if flow.step(intake) != Step::Event {
                return Ok(None);
            }
            let event = intake.receive(flow)?;
            return Ok(event.map(|event| (event, flow.reply())));
        };
        if let Some(opening) = &mut flow.opening {
            opening.receive(input, &mut flow.output.bytes);
            flow.note_opening_ended();
            return Ok(None);
        }
        if flow.is_over() || !flow.may_receive() {
            return Ok(None);
        }
        let (connection, out) = (&mut flow.connection, &mut flow.output.bytes);
        let before = out.len();
        let found = connection.seek(input, intake.inbox_mut(), out);
        if found != Ok(true) {
            flow.note_answer(before);
            return found.map(|_| None);
        }
        let event = connection.receive(input, intake.inbox_mut(), out)?;
        if event.is_some() {
            flow.rest(input.now());
        }
        flow.note_answer(before);
        Ok(event.map(|event| (event, flow.reply())))
    }
}

impl Drop for Loan<'_, '_> {
    fn drop(&mut self) {
        if let Some(input) = &self.input
            && !self.flow.is_over()
        {
            self.intake.append(input.as_bytes());
        }
    }
}
