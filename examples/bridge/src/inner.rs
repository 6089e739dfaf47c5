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
use crate::options::{Options, Target};
use crate::tunnel::End;

/// The longest body of a refusal that passes.
const MAX_BODY_LEN: usize = 64 << 10;

/// The longest head of a response.
const MAX_HEAD_LEN: usize = 16 << 10;

/// The client of the target.
pub(crate) struct Inner {
    options: Options,
    sessions: Sessions,
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
    pub(crate) fn new(options: &Options) -> Result<Self, ConfigError> {
        Ok(Self { options: options.clone(), sessions: Sessions::new(options)? })
    }

    /// Opens a WebSocket, or returns the response to send: the target's, or 502 or 504.
    pub(crate) async fn open(&self, request: &Request) -> Answer {
        let deadline = tokio::time::Instant::now() + self.options.timeout;
        let exchange = async {
            if self.options.target.is_http2 {
                self.sessions.open(request, deadline).await
            } else {
                http1::open(&self.options, request, deadline).await
            }
        };
        let answer = tokio::time::timeout_at(deadline, exchange).await;
        match answer.unwrap_or_else(|_| Err(Failure::timeout())) {
            Ok(answer) => answer,
            Err(Failure { status, text }) => {
                let Target { host, port, .. } = &self.options.target;
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

async fn connect(options: &Options) -> Result<TcpStream, Failure> {
    let Target { host, port, .. } = &options.target;
    let connected = TcpStream::connect((&**host, *port)).await;
    let stream = connected.map_err(|error| Failure::new(format!("can't connect: {error}")))?;
    prepare(&stream, options.keep_alive);
    Ok(stream)
}

/// Sets the options of a socket: no delay, and an error if the peer has vanished.
pub(crate) fn prepare(stream: &TcpStream, keep_alive: Duration) {
    // Each may be missing on a system, and none is necessary.
    let _ = stream.set_nodelay(true);
    let socket = SockRef::from(stream);
    let probe = (keep_alive / 4).max(Duration::from_secs(1));
    let params = TcpKeepalive::new().with_time(keep_alive).with_interval(probe).with_retries(4);
    let _ = socket.set_tcp_keepalive(&params);
    // There are no probes while data are not acknowledged. This bounds that time, and the time for which
    // the peer's window is closed.
    #[cfg(target_os = "linux")]
    let _ = socket.set_tcp_user_timeout(Some(keep_alive.saturating_mul(4)));
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
