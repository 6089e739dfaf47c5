use crate::driver::flow::Flow;
use crate::driver::intake::Intake;
use crate::driver::sending::Reply;
use crate::driver::step::Step;
use crate::error::protocol::ProtocolError;
use crate::event::Event;
use crate::input::Input;
use crate::instant::Instant;

/// Input in the caller's own buffer: events are lent from there, without a copy into the driver's.
///
/// For event loops with one read buffer for all connections, and for completions. When it is dropped
/// the rest is copied behind the driver's unread bytes: what lies behind the opening handshake, and
/// what may not be handed out while replies are above the high-water mark. Go on with
/// [`Flow::step`].
#[derive(Debug)]
pub struct Loan<'d, 'b> {
    flow: &'d mut Flow,
    intake: &'d mut Intake,
    /// `None`: older bytes are unread, so all was copied behind them.
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

    /// Returns the next event with what to answer it with; `None`: go on with [`Flow::step`].
    ///
    /// # Errors
    /// As [`Intake::receive`]. Go on with [`Flow::step`]: the Close frame is written, and the
    /// transport ended.
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
