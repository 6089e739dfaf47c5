//! The reader of a response: interim heads, the final head, and the body of a refusal.

use alloc::boxed::Box;

use crate::config::Settings;
use crate::error::protocol::LimitError;
use crate::handshake::connect_response::ConnectResponse;
use crate::http1::body::{BodyEnd, BodyReader};
use crate::http1::error::HeadError;
use crate::http1::reader::{HeadReader, Kind};
use crate::input::Input;

/// A response on its way in.
#[derive(Debug)]
pub(crate) struct ResponseReader {
    head: HeadReader,
    /// The head of a refusal, and its body.
    refusal: Option<Box<(ConnectResponse, BodyReader)>>,
    /// The number of bytes left for all heads together.
    room: usize,
    max_fields: usize,
    max_head_len: usize,
    max_body_len: usize,
}

impl ResponseReader {
    pub(crate) fn new(settings: &Settings) -> Self {
        let Settings { max_head_len, max_head_fields: max_fields, .. } = *settings;
        Self {
            head: HeadReader::new(Kind::Response, max_head_len, max_fields),
            refusal: None,
            room: max_head_len,
            max_fields,
            max_head_len,
            max_body_len: settings.max_refusal_body_len,
        }
    }

    /// Reads on, and returns the response: after the head if its status `opens` the stream, after the
    /// body otherwise. `None`: more bytes are needed.
    pub(crate) fn read(
        &mut self,
        input: &mut Input<'_>,
        opens: fn(u16) -> bool,
    ) -> Result<Option<ConnectResponse>, HeadError> {
        while self.refusal.is_none() {
            let (taken, whole) = self.head.read(input.as_bytes());
            input.take(taken);
            if !whole? {
                return Ok(None);
            }
            let len = self.head.len();
            let head = self.head.take();
            // RFC 9110 15.2: a client MUST be able to read any number of 1xx before the response.
            // All of them together are as long as one head may be.
            if matches!(head.line.status, 100 | 102..=199) {
                self.room = self.room.saturating_sub(len);
                self.head = HeadReader::new(Kind::Response, self.room, self.max_fields);
                if self.room == 0 {
                    return Err(LimitError::HeadTooLong.into());
                }
                continue;
            }
            let response = ConnectResponse::new(head);
            let (status, minor) = (response.status(), response.minor_version());
            if opens(status) {
                return Ok(Some(response));
            }
            let (max, framing) = (self.max_body_len, self.max_head_len);
            let body = BodyReader::new(status, minor, response.fields(), max, framing);
            self.refusal = Some(Box::new((response, body)));
        }
        let Some((_, body)) = self.refusal.as_deref_mut() else { return Ok(None) };
        let taken = body.read(input.as_bytes());
        input.take(taken);
        match body.end() {
            Some(end) => Ok(self.end(|_| end)),
            None => Ok(None),
        }
    }

    /// Ends the body of a refusal with the bytes that have been read; `None`: its head is incomplete.
    pub(crate) fn end(
        &mut self,
        end: impl FnOnce(&BodyReader) -> BodyEnd,
    ) -> Option<ConnectResponse> {
        let (mut response, body) = *self.refusal.take()?;
        let end = end(&body);
        response.set_body(body.into_bytes().into(), end);
        Some(response)
    }
}
