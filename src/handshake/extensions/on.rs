//! permessage-deflate, if it is enabled.

use alloc::boxed::Box;
use alloc::string::String;

use crate::deflate::Deflate;
use crate::error::extension::ExtensionError;
use crate::http1::lists::is_empty_list;
use crate::negotiated::Negotiated;

/// The extensions that this end offers or accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extensions {
    deflate: Option<Deflate>,
}

impl Extensions {
    pub(crate) const NONE: Self = Self { deflate: None };

    pub(crate) const fn deflate(deflate: Deflate) -> Self {
        Self { deflate: Some(deflate) }
    }

    /// Returns the value of Sec-WebSocket-Extensions for a request; `None` if the request has no
    /// such field.
    pub(crate) fn offer(&self) -> Option<String> {
        self.deflate.map(|deflate| deflate.offer())
    }

    /// Checks, as a client, the value of Sec-WebSocket-Extensions of a response.
    ///
    /// RFC 6455 4.1, fifth rule of the response: an extension that was not offered MUST fail the
    /// connection. An empty list is accepted and means no extension: RFC 6455 9.1 requires a
    /// member, but an empty list chooses none.
    pub(crate) fn agree(&self, value: Option<&[u8]>) -> Result<Negotiated, ExtensionError> {
        let agreed = match (self.deflate, value) {
            (Some(deflate), value) => deflate.agree(value)?,
            (None, Some(value)) if !is_empty_list(value) => return Err(ExtensionError::Unoffered),
            (None, _) => None,
        };
        let negotiated = Negotiated::new();
        Ok(match agreed {
            Some(agreement) => negotiated.with_deflate(agreement),
            None => negotiated,
        })
    }

    /// Answers, as a server, the values of Sec-WebSocket-Extensions of a request. Adds the
    /// agreement to `negotiated`, and returns the value of the response's field; `None` if the
    /// response has no such field.
    ///
    /// RFC 6455 4.2.2(5.6): the field lists the extensions in use, and is absent if there are none.
    pub(crate) fn answer<'o, I>(
        &self,
        offers: I,
        negotiated: Negotiated,
    ) -> Result<(Negotiated, Option<Box<str>>), ExtensionError>
    where
        I: IntoIterator<Item = &'o [u8]>,
    {
        let Some(deflate) = self.deflate else { return Ok((negotiated, None)) };
        Ok(match deflate.answer(offers)? {
            Some(answer) => {
                (negotiated.with_deflate(answer.agreement()), Some(answer.into_value()))
            }
            None => (negotiated, None),
        })
    }
}
