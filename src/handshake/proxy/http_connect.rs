//! HTTP CONNECT ([RFC 9110 section 9.3.6](https://www.rfc-editor.org/rfc/rfc9110#section-9.3.6)).

use alloc::boxed::Box;
use alloc::format;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::BytesMut;

use crate::config::Settings;
use crate::handshake::connect::ConnectRequest;
use crate::handshake::proxy::error::ProxyError;
use crate::handshake::proxy::server::ProxyServer;
use crate::handshake::response_reader::ResponseReader;
use crate::http1::body::{BodyEnd, BodyReader};
use crate::http1::writer::write_field;
use crate::input::Input;

/// The client's side of a CONNECT request.
#[derive(Debug)]
pub(super) struct HttpConnect {
    reader: ResponseReader,
}

impl HttpConnect {
    /// Appends the request.
    pub(super) fn new(
        server: &ProxyServer,
        request: &ConnectRequest,
        settings: &Settings,
        out: &mut BytesMut,
    ) -> Self {
        // RFC 9112 3.2.3: the port is always there.
        let (host, port) = (request.host(), request.port());
        let target =
            if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
        out.extend_from_slice(b"CONNECT ");
        out.extend_from_slice(target.as_bytes());
        out.extend_from_slice(b" HTTP/1.1\r\n");
        write_field("Host", target.as_bytes(), out);
        if let Some(credentials) = server.credentials() {
            // RFC 7617 2. Sent at once: a 407 would end the transport of many proxies.
            let plain = [&*credentials.user, b":", &*credentials.password].concat();
            let value = format!("Basic {}", STANDARD.encode(plain));
            write_field("Proxy-Authorization", value.as_bytes(), out);
        }
        out.extend_from_slice(b"\r\n");
        Self { reader: ResponseReader::new(settings) }
    }

    /// Reads on; `true`: the tunnel is open, and its bytes are the rest of the input.
    pub(super) fn receive(&mut self, input: &mut Input<'_>) -> Result<bool, ProxyError> {
        // RFC 9110 9.3.6: any 2xx opens the tunnel directly after its head; Content-Length and
        // Transfer-Encoding of such a response MUST be ignored.
        let opens = |status| matches!(status, 200..=299);
        match self.reader.read(input, opens)? {
            Some(response) if opens(response.status()) => Ok(true),
            Some(response) => Err(ProxyError::Refused(Box::new(response))),
            None => Ok(false),
        }
    }

    /// The refusal with the bytes that have been read; `None`: its head is incomplete.
    pub(super) fn end(&mut self, end: impl FnOnce(&BodyReader) -> BodyEnd) -> Option<ProxyError> {
        self.reader.end(end).map(|response| ProxyError::Refused(Box::new(response)))
    }
}
