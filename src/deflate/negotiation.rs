//! Offers and answers
//! ([RFC 7692 sections 5 and 7.1](https://www.rfc-editor.org/rfc/rfc7692#section-5)).
//!
//! The functions take values of the field Sec-WebSocket-Extensions, from any HTTP library. They
//! read each byte once, and keep only one set of parameters.
//!
//! ```text
//! client                                                server
//! Deflate::offer()  ── offers, best one first ────────► Deflate::answer(offers)
//! Deflate::agree(answer) ◄──── the accepted offer ───── Answer::value()
//!        │                                                     │
//!        ▼                                                     ▼
//!    Agreement                                         Answer::agreement()
//! ```

use alloc::boxed::Box;
use alloc::string::{String, ToString};

use crate::deflate::agreement::{Agreement, Direction};
use crate::deflate::options::Deflate;
use crate::deflate::parameters::{Bits, Parameters, read_elements};
use crate::deflate::window_bits::WindowBits;
use crate::error::extension::ExtensionError;
use crate::http1::lists::is_empty_list;
use crate::role::Role;

/// A server's answer to an offer.
///
/// ```
/// use sansocket::connection::Negotiated;
/// use sansocket::deflate::Deflate;
///
/// let answer = Deflate::default().answer([&b"permessage-deflate"[..]])?;
/// if let Some(answer) = answer {
///     let field = format!("Sec-WebSocket-Extensions: {}\r\n", answer.value());
///     let negotiated = Negotiated::new().with_deflate(answer.agreement());
/// #   drop((field, negotiated));
/// }
/// # Ok::<(), sansocket::handshake::ExtensionError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    agreement: Agreement,
    value: Box<str>,
}

impl Answer {
    /// Returns the agreement.
    #[must_use]
    pub const fn agreement(&self) -> Agreement {
        self.agreement
    }

    /// Returns the value of Sec-WebSocket-Extensions for the response.
    #[must_use]
    pub fn value(&self) -> &str {
        &self.value
    }

    pub(crate) fn into_value(self) -> Box<str> {
        self.value
    }
}

impl Deflate {
    /// Answers, as a server, the offers of a client: the values of all fields
    /// Sec-WebSocket-Extensions of the request, in their order.
    ///
    /// The answer accepts the first acceptable offer. If there is none, `answer` returns `None`.
    /// The response then has no Sec-WebSocket-Extensions, and the connection is not compressed.
    ///
    /// [`UpgradeRequest::accept`](crate::handshake::UpgradeRequest::accept) calls it.
    ///
    /// ```
    /// use sansocket::Role;
    /// use sansocket::deflate::Deflate;
    ///
    /// let offers = [&b"permessage-deflate; server_max_window_bits=10, permessage-deflate"[..]];
    /// let answer = Deflate::default().answer(offers)?.expect("an acceptable offer");
    /// assert_eq!(answer.value(), "permessage-deflate; server_max_window_bits=10");
    /// assert_eq!(answer.agreement().direction(Role::Server).window_bits.get(), 10);
    /// # Ok::<(), sansocket::handshake::ExtensionError>(())
    /// ```
    ///
    /// # Errors
    /// [`ExtensionError::Grammar`]: the field is malformed. Refuse the request with 400.
    pub fn answer<'o, I>(&self, offers: I) -> Result<Option<Answer>, ExtensionError>
    where
        I: IntoIterator<Item = &'o [u8]>,
    {
        let mut accepted = None;
        read_elements(offers, |element| {
            // RFC 7692 5: the order of the offers is the client's preference; at most one is
            // accepted.
            if accepted.is_none() {
                accepted = element.parameters().ok().and_then(|offer| self.accept(offer));
            }
        })?;
        Ok(accepted.map(|answer| Answer {
            agreement: Agreement::new(Role::Server, answer.server(), answer.client(), *self),
            value: answer.to_string().into(),
        }))
    }

    /// Returns the parameters of the answer to an offer, `None` if the offer is declined.
    fn accept(&self, offer: Parameters) -> Option<Parameters> {
        let own = self.server.max_window_bits;
        let server_max_window_bits = match offer.server_max_window_bits {
            Bits::Value(bits) => bits.min(own),
            Bits::Absent => own,
            Bits::Bare if self.allow_bare_server_max_window_bits => own,
            // RFC 7692 7.1.2.1: it MUST have a value.
            Bits::Bare => return None,
        };
        // The encoder does not support the window.
        if server_max_window_bits < self.engine.min_window_bits() {
            return None;
        }
        let wanted = self.client.max_window_bits;
        let client_max_window_bits = match offer.client_max_window_bits {
            // RFC 7692 7.1.2.2: the answer MUST NOT have the parameter if the offer has not.
            Bits::Absent if wanted < WindowBits::MAX && self.require_limits => return None,
            Bits::Absent => Bits::Absent,
            Bits::Bare if wanted == WindowBits::MAX => Bits::Absent,
            Bits::Bare => Bits::Value(wanted),
            // An offered value is only a hint. The answer repeats it, which makes it binding.
            Bits::Value(bits) => Bits::Value(bits.min(wanted)),
        };
        Some(Parameters {
            // RFC 7692 7.1.1.1: a server accepts the parameter by repeating it in the answer.
            // Either of the two may also be in the answer without an offer.
            server_no_context_takeover: offer.server_no_context_takeover
                || !self.server.context_takeover,
            client_no_context_takeover: offer.client_no_context_takeover
                || !self.client.context_takeover,
            server_max_window_bits: if offer.server_max_window_bits == Bits::Absent
                && server_max_window_bits == WindowBits::MAX
            {
                Bits::Absent
            } else {
                Bits::Value(server_max_window_bits)
            },
            client_max_window_bits,
        })
    }

    /// Returns a client's offers: the value of Sec-WebSocket-Extensions for the request.
    ///
    /// [`ClientHandshake::new`](crate::handshake::ClientHandshake::new) calls it.
    ///
    /// ```
    /// use sansocket::deflate::Deflate;
    ///
    /// let deflate = Deflate::default();
    /// assert_eq!(deflate.offer(), "permessage-deflate; client_max_window_bits");
    /// ```
    #[must_use]
    pub fn offer(&self) -> String {
        let (wish, fallback) = self.offers();
        let mut text = wish.to_string();
        if let Some(fallback) = fallback {
            text.push_str(", ");
            text.push_str(&fallback.to_string());
        }
        text
    }

    /// Returns a client's preferred offer, and a second one in case the server declines it.
    fn offers(&self) -> (Parameters, Option<Parameters>) {
        // The second offer has only limits of the client, without a cost for the server.
        let plain = Parameters {
            server_no_context_takeover: false,
            client_no_context_takeover: !self.client.context_takeover,
            server_max_window_bits: Bits::Absent,
            client_max_window_bits: match self.client.max_window_bits {
                // An encoder that doesn't support all windows must not offer the parameter: the
                // server may answer with any of them.
                _ if self.engine.min_window_bits() > WindowBits::MIN => Bits::Absent,
                WindowBits::MAX => Bits::Bare,
                bits => Bits::Value(bits),
            },
        };
        let wish = Parameters {
            server_no_context_takeover: !self.server.context_takeover,
            server_max_window_bits: match self.server.max_window_bits {
                WindowBits::MAX => Bits::Absent,
                bits => Bits::Value(bits),
            },
            ..plain
        };
        (wish, (wish != plain && !self.require_limits).then_some(plain))
    }

    /// Checks, as a client that has sent [`offer`](Self::offer), the server's answer: the values of
    /// all fields Sec-WebSocket-Extensions of the response, which may have at most one.
    ///
    /// `None`: the server has declined, and the connection is not compressed.
    ///
    /// [`ClientHandshake::receive`](crate::handshake::ClientHandshake::receive) calls it.
    ///
    /// ```
    /// use sansocket::Role;
    /// use sansocket::deflate::Deflate;
    ///
    /// let deflate = Deflate::default();
    /// let agreement = deflate.agree([&b"permessage-deflate; client_max_window_bits=10"[..]])?;
    /// let agreement = agreement.expect("the server has agreed");
    /// assert_eq!(agreement.direction(Role::Client).window_bits.get(), 10);
    /// assert_eq!(deflate.agree([])?, None);
    /// # Ok::<(), sansocket::handshake::ExtensionError>(())
    /// ```
    ///
    /// # Errors
    /// [`ExtensionError`]: the client must fail the connection.
    pub fn agree<'a, I>(&self, answer: I) -> Result<Option<Agreement>, ExtensionError>
    where
        I: IntoIterator<Item = &'a [u8]>,
    {
        let mut lines = answer.into_iter();
        let line = lines.next();
        // RFC 6455 11.3.2: the field MUST NOT appear more than once in a response.
        if lines.next().is_some() {
            return Err(ExtensionError::DuplicateField);
        }
        // RFC 6455 9.1 requires at least one member. Some servers send an empty field; it declines.
        let line = line.filter(|line| !is_empty_list(line));
        let mut found = Ok(None);
        read_elements(line, |element| {
            found = match found {
                Ok(None) => element.parameters().map(Some),
                // RFC 7692 5.3: at most one may be accepted.
                Ok(Some(_)) if element.is_deflate => Err(ExtensionError::Duplicate),
                Ok(Some(_)) => Err(ExtensionError::Unoffered),
                Err(error) => Err(error),
            };
        })?;
        match found? {
            Some(answer) => self.confirm(answer).map(Some),
            None if self.require => Err(ExtensionError::Declined),
            None => Ok(None),
        }
    }

    /// Creates the agreement of an answer. RFC 7692 5.1: an answer that doesn't correspond to an
    /// offer MUST fail the connection.
    fn confirm(&self, answer: Parameters) -> Result<Agreement, ExtensionError> {
        let (wish, fallback) = self.offers();
        // The fallback has fewer conditions: each answer that corresponds to the preferred offer
        // corresponds to it too.
        answer.correspond(fallback.unwrap_or(wish))?;
        let client = answer.client();
        Ok(Agreement::new(
            Role::Client,
            answer.server(),
            // RFC 7692 7.1.1.2, 7.1.2.2: the client's offered limits for itself are hints, which a
            // server may ignore. The client keeps them in any case.
            Direction {
                window_bits: client.window_bits.min(self.client.max_window_bits),
                context_takeover: client.context_takeover && self.client.context_takeover,
            },
            *self,
        ))
    }
}

#[cfg(all(test, feature = "miniz_oxide"))]
mod tests {
    use super::*;
    use crate::deflate::engine::Engine;

    /// The settings of an encoder that supports only the largest window.
    fn without_limits() -> Deflate {
        Deflate { engine: Engine::MinizOxide, ..Deflate::default() }
    }

    #[test]
    fn x10_a_client_that_has_not_offered_to_be_limited_fails() {
        let deflate = without_limits();
        assert_eq!(deflate.offer(), "permessage-deflate");
        assert!(deflate.agree([&b"permessage-deflate"[..]]).unwrap().is_some());
        // Its decoder supports each window.
        let server = deflate.agree([&b"permessage-deflate; server_max_window_bits=9"[..]]);
        assert_eq!(server.unwrap().unwrap().direction(Role::Server).window_bits.get(), 9);
        for bits in 8..=15 {
            let answer = alloc::format!("permessage-deflate; client_max_window_bits={bits}");
            let error = ExtensionError::UnofferedParameter("client_max_window_bits");
            assert_eq!(deflate.agree([answer.as_bytes()]), Err(error));
        }
    }

    #[test]
    fn x12_an_encoder_that_cannot_keep_to_a_window_does_not_promise_it() {
        let deflate = without_limits();
        for (bits, accepted) in [(8, false), (9, false), (14, false), (15, true)] {
            let offer = alloc::format!("permessage-deflate; server_max_window_bits={bits}");
            let answer = deflate.answer([offer.as_bytes()]).unwrap();
            assert_eq!(answer.is_some(), accepted, "{bits}");
        }
        let offers = [&b"permessage-deflate; server_max_window_bits=9, permessage-deflate"[..]];
        let answer = deflate.answer(offers).unwrap().unwrap();
        assert_eq!(answer.value(), "permessage-deflate");
    }
}
