//! Without the feature `deflate` there is no extension to offer or to accept.

use alloc::boxed::Box;
use alloc::string::String;

use crate::error::extension::ExtensionError;
use crate::http1::lists::is_empty_list;
use crate::negotiated::Negotiated;

/// The extensions that this end offers or accepts: none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extensions;

impl Extensions {
    pub(crate) const NONE: Self = Self;

    /// Returns the value of Sec-WebSocket-Extensions for a request: the request has no such field.
    pub(crate) const fn offer(self) -> Option<String> {
        None
    }

    /// Checks, as a client, the value of Sec-WebSocket-Extensions of a response.
    ///
    /// RFC 6455 4.1, fifth rule of the response: an extension that was not offered MUST fail the
    /// connection. An empty list is accepted and means no extension: RFC 6455 9.1 requires a
    /// member, but an empty list chooses none.
    pub(crate) fn agree(self, value: Option<&[u8]>) -> Result<Negotiated, ExtensionError> {
        match value {
            Some(value) if !is_empty_list(value) => Err(ExtensionError::Unoffered),
            _ => Ok(Negotiated::new()),
        }
    }

    /// Answers, as a server, the values of Sec-WebSocket-Extensions of a request: declines all
    /// offers (RFC 6455 4.2.2(5.6)).
    pub(crate) fn answer<'o, I>(
        self,
        _: I,
        negotiated: Negotiated,
    ) -> Result<(Negotiated, Option<Box<str>>), ExtensionError>
    where
        I: IntoIterator<Item = &'o [u8]>,
    {
        Ok((negotiated, None))
    }
}
