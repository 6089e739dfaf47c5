//! The app over HTTP/2: a task for each session, and one for each of its WebSockets.

use core::error::Error;

use bytes::Bytes;
use http::{Method, Request, Response};
use sansocket::h2::{Incoming, PendingRequest, Session, SessionError};
use sansocket::handshake::{HttpVersion, Refusal};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::on_tokio::{Shutdown, echo};
use crate::{App, page};

/// Serves a session until it ends. At the shutdown the client opens no more streams.
pub(crate) async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    app: &App,
    mut shutdown: Shutdown,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    let mut session = match Session::handshake(stream, &app.session).await {
        Ok(session) => session,
        // Browsers open connections in reserve, and use some of them late or never.
        Err(SessionError::Io(_) | SessionError::HandshakeTimeout) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    let mut is_draining = false;
    loop {
        let accepted = tokio::select! {
            accepted = session.accept() => accepted,
            () = shutdown.begun(), if !is_draining => {
                is_draining = true;
                session.drain();
                continue;
            }
        };
        match accepted {
            Ok(Some(Incoming::WebSocket(request))) => accept(request, app, &shutdown)?,
            Ok(Some(Incoming::Other(request, mut respond))) => {
                let (head, body) = answer(&request)?.into_parts();
                let has_body = !body.is_empty() && request.method() != Method::HEAD;
                let sent = respond.send_response(Response::from_parts(head, ()), !has_body);
                // An error means that the stream has ended.
                if has_body && let Ok(mut output) = sent {
                    let _ = output.send_data(body, true);
                }
            }
            Ok(Some(_)) => {} // a CONNECT request that was refused
            // The client has disconnected. The WebSockets that it has left open report that.
            Ok(None) | Err(SessionError::Io(_)) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

/// Accepts the WebSocket and starts its task, or refuses it.
fn accept(
    request: PendingRequest,
    app: &App,
    shutdown: &Shutdown,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    if let Some(page) = page(HttpVersion::Http2, "CONNECT", request.request().path())? {
        // An error means that the stream has ended.
        let _ = request.refuse(Refusal::from(page).with_version(HttpVersion::Http2));
        return Ok(());
    }
    if let Ok(mut ws) = request.accept(&app.accept, &app.config) {
        shutdown.connections.add(&mut ws);
        tokio::spawn(async move {
            if let Err(error) = echo(ws).await {
                eprintln!("{error}");
            }
        });
    }
    Ok(())
}

/// Returns the response to a request that is not for a WebSocket.
fn answer<B>(request: &Request<B>) -> Result<Response<Bytes>, Box<dyn Error + Send + Sync>> {
    let (method, path) = (request.method().as_str(), request.uri().path());
    if let Some(page) = page(HttpVersion::Http2, method, path)? {
        return Ok(Refusal::from(page).with_version(HttpVersion::Http2).into());
    }
    // Only CONNECT opens a WebSocket, so this is a refusal.
    let upgrade = sansocket::http::upgrade(request, None);
    Ok(upgrade.map_or_else(Response::from, |_| Response::default()))
}
