//! One connection, and its requests.

use core::error::Error;
use std::sync::Arc;

use bytes::BytesMut;
use quinn::{Connection, ConnectionError, Incoming, RecvStream, SendStream, TransportErrorCode};
use sansocket::handshake::{Accepted, HttpVersion, Refusal, RequestHead};
use sansocket::tokio::WebSocket;
use sansocket::{AcceptOptions, CloseCode, Event, Instant};
use shiguredo_http3::ErrorCode;
use shiguredo_http3::frame::FrameType;
use tokio::sync::{Mutex, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::App;
use crate::control::{Control, receive};
use crate::fault::{Fault, quic};
use crate::frames::Part;
use crate::message::{Request, encode};
use crate::stream::{Input, Stream};

type Result<T> = core::result::Result<T, Box<dyn Error + Send + Sync>>;

/// Serves a connection until the peer closes it or the app ends.
pub(crate) async fn serve(
    incoming: Incoming,
    app: Arc<App>,
    ending: watch::Receiver<bool>,
) -> Result<()> {
    let peer = incoming.remote_address();
    let open = async {
        let connection = incoming.await?;
        let control = Control::open(&connection).await?;
        Ok((connection, control))
    };
    let opened: Result<_> =
        timeout(app.config.handshake_timeout(), open).await.unwrap_or_else(|late| Err(late.into()));
    let (connection, control) =
        opened.map_err(|error| format!("handshake with {peer} failed: {error}"))?;
    let control = Arc::new(Mutex::new(control));
    let mut end = ending.clone();
    let (mut requests, mut others, mut next) = (JoinSet::new(), JoinSet::new(), 0);
    loop {
        tokio::select! {
            accepted = connection.accept_bi() => {
                let (send, recv) = match accepted {
                    Ok(streams) => streams,
                    Err(error) => return ended(error),
                };
                next = u64::from(recv.id()) + 4;
                let request = handle(connection.clone(), send, recv, app.clone(), ending.clone());
                requests.spawn(async move {
                    if let Err(error) = request.await {
                        eprintln!("{peer}: {error}");
                    }
                });
            }
            accepted = connection.accept_uni() => {
                let recv = match accepted {
                    Ok(recv) => recv,
                    Err(error) => return ended(error),
                };
                let (connection, control) = (connection.clone(), control.clone());
                others.spawn(async move { receive(connection, recv, &control).await });
            }
            Some(_) = requests.join_next() => {}
            Some(_) = others.join_next() => {}
            _ = end.wait_for(|end| *end) => break,
        }
    }
    control.lock().await.goaway(next).await?;
    while requests.join_next().await.is_some() {}
    connection.close(quic(ErrorCode::NoError), b"server shutdown");
    Ok(())
}

/// Returns the errors that are worth a line. The peer may leave at any time.
fn ended(error: ConnectionError) -> Result<()> {
    match error {
        ConnectionError::ApplicationClosed(_)
        | ConnectionError::LocallyClosed
        | ConnectionError::TimedOut => Ok(()),
        // Browsers end so.
        ConnectionError::ConnectionClosed(close)
            if close.error_code == TransportErrorCode::NO_ERROR =>
        {
            Ok(())
        }
        error => Err(error.into()),
    }
}

async fn handle(
    connection: Connection,
    mut send: SendStream,
    recv: RecvStream,
    app: Arc<App>,
    ending: watch::Receiver<bool>,
) -> Result<()> {
    let mut input = Input::new(recv, BytesMut::new());
    let answered = answer(&mut input, &mut send, &app.accept);
    let answered = match timeout(app.config.handshake_timeout(), answered).await {
        Ok(answered) => answered,
        Err(_) => Err(Fault::Stream(ErrorCode::RequestCancelled)),
    };
    match answered {
        Ok(Some(accepted)) => {
            let stream = Stream::new(connection, input, send);
            let websocket = accepted.into_connection(&app.config, Instant::now());
            echo(WebSocket::from_connection(stream, websocket, &[]), ending).await
        }
        Ok(None) => {
            // RFC 9114 section 4.1.1: the rest of the request is not needed. Fails if it has ended.
            let _ = input.recv.stop(quic(ErrorCode::NoError));
            Ok(())
        }
        Err(fault) => {
            fault.report(&connection, &mut send, &mut input.recv);
            Err(fault.into())
        }
    }
}

/// Reads a request and sends the response. Returns the handshake of a WebSocket.
async fn answer(
    input: &mut Input,
    send: &mut SendStream,
    accept: &AcceptOptions,
) -> core::result::Result<Option<Accepted>, Fault> {
    let section = loop {
        match input.read().await? {
            Some(Part::Frame(FrameType::Headers, section)) => break section,
            Some(Part::Unknown) => {}
            // RFC 9114 section 4.1
            Some(Part::Data(_) | Part::Frame(..)) => {
                return Err(Fault::Connection(ErrorCode::FrameUnexpected));
            }
            None => return Err(Fault::Stream(ErrorCode::RequestIncomplete)),
        }
    };
    let answer = match Request::decode(&section)? {
        Some(request) => request.with_head(|head| choose(head, accept))??,
        None => Answer::Refusal(refuse(431)?),
    };
    let html = [("content-type", &b"text/html; charset=utf-8"[..])].into_iter();
    let response = match &answer {
        Answer::Page(body) => encode(200, html, Some(body.as_bytes())),
        Answer::Refusal(refusal) => {
            encode(refusal.status(), refusal.fields(), Some(refusal.body()))
        }
        Answer::WebSocket(accepted) => encode(accepted.status(), accepted.fields(), None),
    };
    send.write_all(&response.map_err(|_| INTERNAL)?).await?;
    if let Answer::WebSocket(accepted) = answer {
        return Ok(Some(accepted));
    }
    // Fails if the peer has stopped the stream.
    let _ = send.finish();
    Ok(None)
}

/// The response to a request.
enum Answer {
    Page(String),
    Refusal(Refusal),
    WebSocket(Accepted),
}

/// The page of the sample app, with a place for the version of HTTP.
const PAGE: &str = include_str!("../../echo/src/page.html");

const SENTENCES: &str = "This page was sent over HTTP/3. The WebSocket uses the same connection, if the \
                         browser supports RFC 9220.";

/// Chooses the response.
fn choose(head: RequestHead<'_>, accept: &AcceptOptions) -> core::result::Result<Answer, Fault> {
    match (head.method(), head.path()) {
        ("CONNECT", path) => match head.upgrade() {
            Ok(_) if path != "/ws" => Ok(Answer::Refusal(refuse(404)?)),
            Ok(request) => {
                Ok(request.accept(accept).map_or_else(Answer::Refusal, Answer::WebSocket))
            }
            Err(refusal) => Ok(Answer::Refusal(refusal)),
        },
        ("GET", "/") => Ok(Answer::Page(PAGE.replace("{{http}}", SENTENCES))),
        ("HEAD", "/") => Ok(Answer::Page(String::new())),
        (_, "/") => {
            let refusal = refuse(405)?.with_field("allow", "GET, HEAD").map_err(|_| INTERNAL)?;
            Ok(Answer::Refusal(refusal))
        }
        _ => Ok(Answer::Refusal(refuse(404)?)),
    }
}

fn refuse(status: u16) -> core::result::Result<Refusal, Fault> {
    Ok(Refusal::new(status).map_err(|_| INTERNAL)?.with_version(HttpVersion::Http3))
}

/// For responses that can't be encoded; there is none.
const INTERNAL: Fault = Fault::Stream(ErrorCode::InternalError);

/// Echoes until the peer closes or the app ends.
async fn echo(mut ws: WebSocket<Stream>, mut ending: watch::Receiver<bool>) -> Result<()> {
    loop {
        let read = tokio::select! {
            read = ws.read() => read?,
            _ = ending.wait_for(|ending| *ending) => break,
        };
        let Some((event, mut reply)) = read else { return Ok(()) };
        match event {
            Event::Text(text) => reply.feed_text(text)?,
            Event::Binary(bytes) => reply.feed_binary(bytes)?,
            _ => {}
        }
    }
    ws.close(CloseCode::GOING_AWAY, "server shutdown").await?;
    Ok(())
}
