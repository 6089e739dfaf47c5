//! The opening handshake with the target.

mod http1;
mod http2;

use core::time::Duration;

use bytes::Bytes;
use http::header::HeaderMap;
use http::{Response, StatusCode};
use sansocket::error::ConfigError;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use crate::heads::{Request, plain};
use crate::inner::http2::Sessions;
use crate::options::Target;
use crate::tunnel::End;

/// The longest body of a refusal that passes.
const MAX_BODY_LEN: usize = 64 << 10;

/// The longest head of a response.
const MAX_HEAD_LEN: usize = 16 << 10;

/// The client of the target.
pub(crate) struct Inner {
    target: Target,
    sessions: Sessions,
    timeout: Duration,
}

/// The response of the target.
pub(crate) enum Answer {
    /// The fields of the response, and the transport of the WebSocket.
    Opened(HeaderMap, End),
    Refused(Response<Bytes>),
}

/// A target without a valid response.
pub(crate) struct Failure {
    status: StatusCode,
    text: String,
}

impl Failure {
    fn new(text: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_GATEWAY, text: text.into() }
    }

    fn timeout() -> Self {
        let text = "the target has not answered in time".to_owned();
        Self { status: StatusCode::GATEWAY_TIMEOUT, text }
    }
}

impl Inner {
    pub(crate) fn new(target: &Target, timeout: Duration) -> Result<Self, ConfigError> {
        Ok(Self { target: target.clone(), sessions: Sessions::new(target, timeout)?, timeout })
    }

    /// Opens a WebSocket, or returns the response to send: the target's, or 502 or 504.
    pub(crate) async fn open(&self, request: &Request) -> Answer {
        let deadline = tokio::time::Instant::now() + self.timeout;
        let exchange = async {
            if self.target.is_http2 {
                self.sessions.open(request, deadline).await
            } else {
                http1::open(&self.target, request, deadline).await
            }
        };
        let answer = tokio::time::timeout_at(deadline, exchange).await;
        match answer.unwrap_or_else(|_| Err(Failure::timeout())) {
            Ok(answer) => answer,
            Err(Failure { status, text }) => {
                let Target { host, port, .. } = &self.target;
                eprintln!("target {host}:{port}: {text}");
                // The text may have details of the network that are not for clients.
                let text = match status {
                    StatusCode::GATEWAY_TIMEOUT => "the target of the bridge does not answer",
                    _ => "the target of the bridge is unreachable or has failed",
                };
                Answer::Refused(plain(status, text))
            }
        }
    }
}

async fn connect(target: &Target) -> Result<TcpStream, Failure> {
    let connected = TcpStream::connect((&*target.host, target.port)).await;
    let stream = connected.map_err(|error| Failure::new(format!("can't connect: {error}")))?;
    prepare(&stream);
    Ok(stream)
}

/// Sets the options of a socket: no delay, and an error after some minutes if the peer has vanished.
pub(crate) fn prepare(stream: &TcpStream) {
    // Each may be missing on a system, and none is necessary.
    let _ = stream.set_nodelay(true);
    let socket = SockRef::from(stream);
    let keep_alive = TcpKeepalive::new()
        .with_time(Duration::from_secs(60))
        .with_interval(Duration::from_secs(15))
        .with_retries(4);
    let _ = socket.set_tcp_keepalive(&keep_alive);
    // Data that are not acknowledged suspend keep-alive.
    #[cfg(target_os = "linux")]
    let _ = socket.set_tcp_user_timeout(Some(Duration::from_secs(120)));
}

/// Reads a body of at most `MAX_BODY_LEN` bytes. `None` if it is longer, or fails.
async fn read_body(
    body: impl tokio::io::AsyncRead + Unpin,
    deadline: tokio::time::Instant,
) -> Option<Bytes> {
    let mut bytes = Vec::new();
    let limit = u64::try_from(MAX_BODY_LEN).unwrap_or(u64::MAX).saturating_add(1);
    let mut body = body.take(limit);
    let read = tokio::time::timeout_at(deadline, body.read_to_end(&mut bytes)).await;
    match read {
        Ok(Ok(len)) if len <= MAX_BODY_LEN => Some(bytes.into()),
        _ => None,
    }
}
