//! The opening handshake: what the caller decides in it.

use crate::connection::Connection;
use crate::driver::deadlines::Answer;
use crate::driver::flow::Flow;
use crate::driver::opening::{Opening, State};
use crate::error::protocol::MisuseError;
use crate::handshake::accept::{AcceptOptions, Accepted};
use crate::handshake::connect_response::ConnectResponse;
use crate::handshake::error::HandshakeError;
use crate::handshake::head::OwnedRequestHead;
use crate::handshake::refusal::Refusal;
use crate::handshake::response::HttpResponse;
use crate::handshake::version::HttpVersion;
use crate::instant::Instant;

/// The opening handshake.
impl Flow {
    /// Takes the request that [`Step::Request`](crate::driver::Step::Request) has told of. Answer it with [`accept`](Self::accept),
    /// [`accept_with`](Self::accept_with), [`respond`](Self::respond) or [`refuse`](Self::refuse).
    pub fn take_request(&mut self) -> Option<OwnedRequestHead> {
        self.opening.as_mut()?.take_request()
    }

    /// Accepts a request, or refuses it if it breaks a rule of the opening handshake or of `options`.
    ///
    /// # Errors
    /// [`Refusal`]: it is in the output.
    pub fn accept(
        &mut self,
        request: &OwnedRequestHead,
        options: &AcceptOptions,
        now: Instant,
    ) -> Result<(), Refusal> {
        match request.upgrade().and_then(|request| request.accept(options)) {
            Ok(accepted) => {
                // It was answered before if this fails.
                let _ = self.accept_with(accepted, now);
                Ok(())
            }
            Err(refusal) => {
                let _ = self.refuse(refusal.clone());
                Err(refusal)
            }
        }
    }

    /// Accepts the request by an answer that was made from it: the connection is open.
    ///
    /// # Errors
    /// [`MisuseError::NoRequest`] unless a request is to be answered; [`MisuseError::AnswerVersion`]
    /// for the answer to a request over HTTP/2 or HTTP/3: the request is still to be answered.
    pub fn accept_with(&mut self, accepted: Accepted, now: Instant) -> Result<(), MisuseError> {
        let deadline = self.awaiting_answer()?.deadline;
        if accepted.version().has_pseudo_headers() {
            return Err(MisuseError::AnswerVersion);
        }
        accepted.write(&mut self.output.bytes);
        self.deadlines.answer = Some(Answer { deadline, end: self.output.end() });
        let connection = accepted.into_connection(self.connection.config(), now);
        self.opening = None;
        self.open(connection);
        Ok(())
    }

    /// Answers the request by a page, or another response; the transport ends behind it.
    ///
    /// # Errors
    /// [`MisuseError::NoRequest`] unless a request is to be answered.
    pub fn respond(&mut self, response: &HttpResponse) -> Result<(), MisuseError> {
        self.awaiting_answer()?;
        if let Some(opening) = &mut self.opening {
            opening.respond(response, &mut self.output.bytes);
        }
        self.note_opening_ended();
        Ok(())
    }

    /// Refuses the request; the transport ends behind the refusal. It is sent over HTTP/1.1, whatever
    /// version it was made for.
    ///
    /// # Errors
    /// [`MisuseError::NoRequest`] unless a request is to be answered.
    pub fn refuse(&mut self, refusal: Refusal) -> Result<(), MisuseError> {
        self.awaiting_answer()?;
        if let Some(opening) = &mut self.opening {
            let refusal = match refusal.version().has_pseudo_headers() {
                true => refusal.with_version(HttpVersion::Http11),
                false => refusal,
            };
            opening.refuse(refusal, &mut self.output.bytes);
        }
        self.note_opening_ended();
        Ok(())
    }

    fn awaiting_answer(&self) -> Result<&Opening, MisuseError> {
        let opening = self.opening.as_deref().filter(|opening| opening.awaits_answer());
        opening.ok_or(MisuseError::NoRequest)
    }

    /// Takes the response that [`Step::Opened`](crate::driver::Step::Opened) has told of: the
    /// connection is open.
    pub fn take_response(&mut self) -> Option<ConnectResponse> {
        let opening = self.opening.take()?;
        if let State::Opened(connection, response) = opening.state {
            self.open(connection);
            return Some(response);
        }
        self.opening = Some(opening);
        None
    }

    /// Puts the connection in its place. What was asked for before the opening holds for it.
    fn open(&mut self, connection: Connection) {
        let counts = self.connection.stats().is_some();
        self.connection = connection;
        if counts {
            self.connection.enable_stats();
        }
    }

    /// Returns the refusal that a server's opening handshake has ended with.
    #[must_use]
    pub fn refusal(&self) -> Option<&Refusal> {
        let opening = self.opening.as_ref()?;
        if let State::Refused(refusal) = &opening.state { Some(refusal) } else { None }
    }

    /// Returns the error that a client's opening handshake has ended with.
    #[must_use]
    pub fn handshake_error(&self) -> Option<&HandshakeError> {
        let opening = self.opening.as_ref()?;
        if let State::Failed(error) = &opening.state { Some(error) } else { None }
    }
}
