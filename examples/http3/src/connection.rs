//! One connection, and its requests.

use core::error::Error;
use std::sync::Arc;

use bytes::BytesMut;
use quinn::{Connection, ConnectionError, Incoming, RecvStream, SendStream};
use sansocket::handshake::{Accepted, HttpVersion, Refusal, RequestHead, StatusError};
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
        error => Err(error.into()),
    }
}

/// The response to a request.
enum Answer {
    Page(&'static str),
    Refusal(Refusal),
    WebSocket(Accepted),
}

async fn handle(
    connection: Connection,
    mut send: SendStream,
    recv: RecvStream,
    app: Arc<App>,
    ending: watch::Receiver<bool>,
) -> Result<()> {
    let mut input = Input::new(recv, BytesMut::new());
    let limit = app.config.handshake_timeout();
    let answer = match timeout(limit, read_answer(&mut input, &app.accept)).await {
        Ok(answer) => answer,
        Err(_) => Err(Fault::Stream(ErrorCode::RequestRejected)),
    };
    let answer = match answer {
        Ok(answer) => answer?,
        Err(fault) => {
            fault.report(&connection, &mut send);
            return Err(fault.into());
        }
    };
    let html = [("content-type", &b"text/html; charset=utf-8"[..])].into_iter();
    let response = match &answer {
        Answer::Page(body) => encode(200, html, Some(body.as_bytes())),
        Answer::Refusal(refusal) => {
            encode(refusal.status(), refusal.fields(), Some(refusal.body()))
        }
        Answer::WebSocket(accepted) => encode(accepted.status(), accepted.fields(), None),
    }?;
    timeout(limit, send.write_all(&response)).await??;
    let Answer::WebSocket(accepted) = answer else {
        send.finish()?;
        // RFC 9114 section 4.1.1: the rest of the request is not needed. Fails if it has ended.
        let _ = input.recv.stop(quic(ErrorCode::NoError));
        return Ok(());
    };
    let stream = Stream::new(connection, input, send);
    let websocket = accepted.into_connection(&app.config, Instant::now());
    echo(WebSocket::from_connection(stream, websocket, &[]), ending).await
}

/// Reads the head of a request.
async fn read_answer(
    input: &mut Input,
    accept: &AcceptOptions,
) -> core::result::Result<core::result::Result<Answer, StatusError>, Fault> {
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
    match Request::decode(&section)? {
        Some(request) => request.with_head(|head| answer(head, accept)),
        None => Ok(refuse(431)),
    }
}

fn answer(
    head: RequestHead<'_>,
    accept: &AcceptOptions,
) -> core::result::Result<Answer, StatusError> {
    match (head.method(), head.path()) {
        ("CONNECT", path) => match head.upgrade() {
            Ok(_) if path != "/ws" => refuse(404),
            Ok(request) => {
                Ok(request.accept(accept).map_or_else(Answer::Refusal, Answer::WebSocket))
            }
            Err(refusal) => Ok(Answer::Refusal(refusal)),
        },
        ("GET", "/") => Ok(Answer::Page(include_str!("../../echo/src/page.html"))),
        ("HEAD", "/") => Ok(Answer::Page("")),
        (_, "/") => refuse(405),
        _ => refuse(404),
    }
}

fn refuse(status: u16) -> core::result::Result<Answer, StatusError> {
    Ok(Answer::Refusal(Refusal::new(status)?.with_version(HttpVersion::Http3)))
}

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
