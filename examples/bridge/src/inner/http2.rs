//! A target that uses HTTP/2: one session for all WebSockets, which is opened again when it is lost.

use std::sync::Arc;

use http::uri::Parts;
use http::{Method, StatusCode, Uri};
use sansocket::error::ConfigError;
use sansocket::h2::{Client, SessionError, SessionOptions, TunnelError};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::heads::{Request, end_to_end, refusal};
use crate::inner::{Answer, Failure, connect, read_body};
use crate::options::Options;
use crate::tunnel::End;

/// The largest number of WebSockets on the session, unless the target allows fewer.
const MAX_STREAMS: u32 = 1000;

/// The session of the target.
pub(super) struct Sessions {
    options: Options,
    session_options: SessionOptions,
    current: Arc<Mutex<Current>>,
}

#[derive(Default)]
struct Current {
    client: Option<Client>,
    /// The number of sessions so far.
    number: u64,
}

impl Sessions {
    pub(super) fn new(options: &Options) -> Result<Self, ConfigError> {
        let session_options = SessionOptions::builder()
            .max_streams(MAX_STREAMS)
            .handshake_timeout(options.timeout)
            .keep_alive(Some(options.keep_alive), options.keep_alive)
            .build()?;
        Ok(Self { options: options.clone(), session_options, current: Arc::default() })
    }

    /// Sends the request, on a new session if the current one takes no more. The body of a refusal is read
    /// until the deadline.
    pub(super) async fn open(
        &self,
        request: &Request,
        deadline: Instant,
    ) -> Result<Answer, Failure> {
        let mut used = None;
        let (response, stream) = loop {
            let (client, number) = self.client(used).await?;
            match client.open_tunnel(make_request(request)?).await {
                Ok(opened) => break opened,
                // One more attempt: a target that refuses all streams must not get requests forever.
                Err(TunnelError::Unprocessed(_)) if used.is_none() => used = Some(number),
                Err(error) => return Err(Failure::new(error.to_string())),
            }
        };
        if response.status().is_success() {
            let fields = end_to_end(response.headers(), response.version());
            return Ok(Answer::Opened(fields, End::Http2(stream)));
        }
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            return Err(Failure::new("HTTP/2 has no status 101"));
        }
        let body = read_body(stream, deadline).await;
        Ok(Answer::Refused(refusal(&response, body)))
    }

    /// Returns the current session, or a new one if it is the one of this number.
    async fn client(&self, used: Option<u64>) -> Result<(Client, u64), Failure> {
        let mut current = self.current.lock().await;
        if let Some(client) = &current.client
            && used != Some(current.number)
        {
            return Ok((client.clone(), current.number));
        }
        // Its WebSockets go on.
        current.client = None;
        let stream = connect(&self.options).await?;
        let opened = Client::handshake(stream, &self.session_options).await;
        let (client, session) = opened.map_err(|error| match error {
            SessionError::HandshakeTimeout => Failure::timeout(),
            error => Failure::new(error.to_string()),
        })?;
        current.number += 1;
        let number = current.number;
        current.client = Some(client.clone());
        let sessions = self.current.clone();
        tokio::spawn(async move {
            if let Err(error) = session.await {
                eprintln!("session {number} with the target: {error}");
            }
            let mut current = sessions.lock().await;
            if current.number == number {
                current.client = None;
            }
        });
        Ok((client, number))
    }
}

fn make_request(request: &Request) -> Result<http::Request<()>, Failure> {
    let mut parts = Parts::default();
    parts.scheme = Some(request.scheme.clone());
    parts.authority = Some(request.authority.clone());
    parts.path_and_query = Some(request.path.clone());
    let uri = Uri::from_parts(parts).map_err(|error| Failure::new(error.to_string()))?;
    let mut made = http::Request::new(());
    *made.method_mut() = Method::CONNECT;
    *made.uri_mut() = uri;
    *made.headers_mut() = request.fields.clone();
    Ok(made)
}
