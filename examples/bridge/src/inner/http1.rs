//! A target that uses HTTP/1.1: one connection for each WebSocket.

use core::future::poll_fn;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use http::header::{
    CONNECTION, HOST, HeaderMap, HeaderName, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY,
    UPGRADE,
};
use http::{Response, StatusCode, Uri, Version};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::{Builder, Connection};
use hyper_util::rt::TokioIo;
use sansocket::Entropy;
use sansocket::handshake::accept_key;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use crate::heads::{Request, end_to_end, members, refusal};
use crate::inner::{Answer, Failure, MAX_BODY_LEN, MAX_HEAD_LEN, connect};
use crate::options::Options;
use crate::tunnel::{End, Tcp};

/// Opens a connection and sends the request. The body of a refusal is read until the deadline.
pub(super) async fn open(
    options: &Options,
    request: &Request,
    deadline: Instant,
) -> Result<Answer, Failure> {
    let stream = connect(options).await?;
    let key = fresh_key()?;
    let broken = |error: hyper::Error| Failure::new(format!("no valid response: {error}"));
    let (mut requests, connection) = Builder::new()
        .title_case_headers(true)
        .max_buf_size(MAX_HEAD_LEN)
        .handshake::<_, Empty<Bytes>>(TokioIo::new(stream))
        .await
        .map_err(broken)?;
    let mut driven = Driven { connection, has_ended: false };
    let sent = requests.send_request(make_request(request, &key));
    let response = driven.until(sent).await.map_err(broken)?;
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        if response.status().is_success() {
            return Err(Failure::new("the target has ignored Upgrade"));
        }
        let (head, body) = response.into_parts();
        let read = driven.until(Limited::new(body, MAX_BODY_LEN).collect());
        let body = match timeout_at(deadline, read).await {
            Ok(Ok(body)) => Some(body.to_bytes()),
            _ => None,
        };
        return Ok(Answer::Refused(refusal(&Response::from_parts(head, ()), body)));
    }
    check_101(&response, &key)?;
    let (stream, early) = driven.into_stream().await.map_err(broken)?;
    let fields = end_to_end(response.headers(), response.version());
    Ok(Answer::Opened(fields, End::Http1(Tcp::new(stream, early))))
}

/// A connection of hyper, which moves only while it is polled.
struct Driven {
    connection: Connection<TokioIo<TcpStream>, Empty<Bytes>>,
    has_ended: bool,
}

impl Driven {
    async fn until<F: Future>(&mut self, future: F) -> F::Output {
        let mut future = core::pin::pin!(future);
        poll_fn(|cx| {
            if !self.has_ended {
                // The future returns the error.
                self.has_ended = self.connection.poll_without_shutdown(cx).is_ready();
            }
            future.as_mut().poll(cx)
        })
        .await
    }

    /// Returns the transport and the data after the response.
    async fn into_stream(mut self) -> hyper::Result<(TcpStream, BytesMut)> {
        if !self.has_ended {
            poll_fn(|cx| self.connection.poll_without_shutdown(cx)).await?;
        }
        let parts = self.connection.into_parts();
        Ok((parts.io.into_inner(), BytesMut::from(parts.read_buf)))
    }
}

fn make_request(request: &Request, key: &HeaderValue) -> http::Request<Empty<Bytes>> {
    let mut made = http::Request::new(Empty::new());
    *made.uri_mut() = Uri::from(request.path.clone());
    let mut fields = HeaderMap::new();
    // An authority is ASCII.
    if let Ok(host) = HeaderValue::from_str(request.authority.as_str()) {
        fields.insert(HOST, host);
    }
    fields.insert(UPGRADE, HeaderValue::from_static("websocket"));
    fields.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    fields.insert(SEC_WEBSOCKET_KEY, key.clone());
    fields.extend(request.fields.clone());
    *made.headers_mut() = fields;
    made
}

fn fresh_key() -> Result<HeaderValue, Failure> {
    let mut nonce = [0; 16];
    let filled = Entropy::os().fill(&mut nonce);
    filled.map_err(|error| Failure::new(error.to_string()))?;
    HeaderValue::from_str(&STANDARD.encode(nonce)).map_err(|error| Failure::new(error.to_string()))
}

/// Checks what the bridge answers for in the place of the client (RFC 6455 section 4.1, rules 2 to 4 of
/// the response). The client checks subprotocol and extensions.
fn check_101(response: &Response<Incoming>, key: &HeaderValue) -> Result<(), Failure> {
    let fields = response.headers();
    let has = |name: &HeaderName, member: &str| {
        members(fields, name).any(|other| other.eq_ignore_ascii_case(member.as_bytes()))
    };
    let accept = accept_key(key.to_str().unwrap_or_default());
    let mut accepts = fields.get_all(SEC_WEBSOCKET_ACCEPT).iter();
    let accepted = accepts.next().is_some_and(|value| value.as_bytes() == accept.as_bytes());
    let is_valid = response.version() == Version::HTTP_11
        && has(&UPGRADE, "websocket")
        && has(&CONNECTION, "upgrade")
        && accepted
        && accepts.next().is_none();
    is_valid.then_some(()).ok_or_else(|| Failure::new("the 101 response is invalid"))
}
