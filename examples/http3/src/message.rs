//! Requests and responses.

use core::error::Error;

use bytes::BytesMut;
use sansocket::handshake::{Fields, HttpVersion, RequestHead};
use shiguredo_http3::frame::FrameType;
use shiguredo_http3::validation::{calculate_field_section_size, validate_request_headers};
use shiguredo_http3::{ErrorCode, Header, QpackDecoder, QpackEncoder};

use crate::fault::Fault;
use crate::frames::MAX_PAYLOAD;
use crate::stream::put_frame;

/// The largest size of a request's fields (RFC 9114 section 4.2.2), which the settings announce.
pub(crate) const MAX_FIELD_SECTION: u32 = 16 * 1024;

/// A valid request.
pub(crate) struct Request(Vec<Header>);

impl Request {
    /// Decodes the payload of HEADERS and checks the rules of HTTP/3; `None` if the fields are too large.
    pub(crate) fn decode(section: &[u8]) -> Result<Option<Self>, Fault> {
        // The section is bounded by the frame. The bound of the decoder would end the connection.
        let decoder = QpackDecoder::new().max_field_section_size(u64::MAX);
        debug_assert!(section.len() <= MAX_PAYLOAD);
        let headers = decoder
            .decode(section)
            .map_err(|_| Fault::Connection(ErrorCode::QpackDecompressionFailed))?;
        if calculate_field_section_size(&headers) > u64::from(MAX_FIELD_SECTION) {
            return Ok(None);
        }
        validate_request_headers(&headers)?;
        Ok(Some(Self(headers)))
    }

    /// Calls `run` with the head in the form of the library.
    pub(crate) fn with_head<T>(&self, run: impl FnOnce(RequestHead<'_>) -> T) -> Result<T, Fault> {
        let text =
            |bytes| core::str::from_utf8(bytes).map_err(|_| Fault::Stream(ErrorCode::MessageError));
        let mut fields = Vec::with_capacity(self.0.len());
        let (mut method, mut path) = ("", "");
        let (mut scheme, mut authority, mut protocol) = (None, None, None);
        for header in &self.0 {
            match header.name() {
                b":method" => method = text(header.value())?,
                b":path" => path = text(header.value())?,
                b":scheme" => scheme = Some(text(header.value())?),
                b":authority" => authority = Some(text(header.value())?),
                b":protocol" => protocol = Some(text(header.value())?),
                name => fields.push((text(name)?, header.value())),
            }
        }
        let head = RequestHead::new(method, path, Fields::new(&fields))
            .with_version(HttpVersion::Http3)
            .with_scheme(scheme)
            .with_authority(authority)
            .with_protocol(protocol);
        Ok(run(head))
    }
}

/// Encodes a response: HEADERS, and DATA if there is a body.
pub(crate) fn encode<'f>(
    status: u16,
    fields: impl Iterator<Item = (&'f str, &'f [u8])>,
    body: Option<&[u8]>,
) -> Result<BytesMut, Box<dyn Error + Send + Sync>> {
    let mut headers = vec![Header::new(":status", status.to_string())?];
    for (name, value) in fields {
        headers.push(Header::new(name, value)?);
    }
    // Two bytes precede the fields. Each of them has at most name, value, and their lengths.
    let mut section = vec![0; headers.iter().map(Header::size).sum::<usize>() + 2];
    // The dynamic table of a new encoder is empty, so sections are independent of each other.
    let len = QpackEncoder::new()
        .encode(&mut section, &headers, 0)
        .ok_or("the fields of the response are too long")?;
    section.truncate(len);
    let mut out = BytesMut::new();
    put_frame(FrameType::Headers, &section, &mut out)?;
    if let Some(body) = body.filter(|body| !body.is_empty()) {
        put_frame(FrameType::Data, body, &mut out)?;
    }
    Ok(out)
}
