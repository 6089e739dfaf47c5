//! The opening handshake: the caller's decisions.

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
    /// Takes the request that [`Step::Request`](crate::driver::Step::Request) reported. Answer it
    /// with [`accept`](Self::accept), [`accept_with`](Self::accept_with),
    /// [`respond`](Self::respond) or [`refuse`](Self::refuse).
    pub fn take_request(&mut self) -> Option<OwnedRequestHead> {
        self.opening.as_mut()?.take_request()
    }

    /// Accepts a request, or refuses it if it violates a rule of the opening handshake or of
    /// `options`.
    ///
    /// # Errors
    /// [`Refusal`], which has been appended to the output.
    pub fn accept(
        &mut self,
        request: &OwnedRequestHead,
        options: &AcceptOptions,
        now: Instant,
    ) -> Result<(), Refusal> {
        match request.upgrade().and_then(|request| request.accept(options)) {
            Ok(accepted) => {
                // Fails only if the request has been answered before.
                let _ = self.accept_with(accepted, now);
                Ok(())
            }
            Err(refusal) => {
                let _ = self.refuse(refusal.clone());
                Err(refusal)
            }
        }
    }

    /// Accepts the request with a response that was built from it. The connection is open
    /// afterwards.
    ///
    /// # Errors
    /// [`MisuseError::NoRequest`] without an unanswered request; [`MisuseError::AnswerVersion`] for
    /// a response to a request over HTTP/2 or HTTP/3. The request then remains unanswered.
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

    /// Answers the request with a page or another response. The transport ends after it.
    ///
    /// # Errors
    /// [`MisuseError::NoRequest`] without an unanswered request.
    pub fn respond(&mut self, response: &HttpResponse) -> Result<(), MisuseError> {
        self.awaiting_answer()?;
        if let Some(opening) = &mut self.opening {
            opening.respond(response, &mut self.output.bytes);
        }
        self.note_opening_ended();
        Ok(())
    }

    /// Refuses the request. The transport ends after the refusal, which is sent over HTTP/1.1 even
    /// if it was created for another version.
    ///
    /// # Errors
    /// [`MisuseError::NoRequest`] without an unanswered request.
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

    /// Takes the response that [`Step::Opened`](crate::driver::Step::Opened) reported. The
    /// connection is open afterwards.
    pub fn take_response(&mut self) -> Option<ConnectResponse> {
        let opening = self.opening.take()?;
        if let State::Opened(connection, response) = opening.state {
            self.open(connection);
            return Some(response);
        }
        self.opening = Some(opening);
        None
    }

    /// Replaces the placeholder by the open connection. Statistics that were enabled before stay
    /// enabled.
    fn open(&mut self, connection: Connection) {
        let counts = self.connection.stats().is_some();
        self.connection = connection;
        if counts {
            self.connection.enable_stats();
        }
    }

    /// Returns the refusal that the opening handshake of a server has ended with.
    #[must_use]
    pub fn refusal(&self) -> Option<&Refusal> {
        let opening = self.opening.as_ref()?;
        if let State::Refused(refusal) = &opening.state { Some(refusal) } else { None }
    }

    /// Returns the error that the opening handshake of a client has ended with.
    #[must_use]
    pub fn handshake_error(&self) -> Option<&HandshakeError> {
        let opening = self.opening.as_ref()?;
        if let State::Failed(error) = &opening.state { Some(error) } else { None }
    }
}
