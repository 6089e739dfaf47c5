//! The app on tokio: one task per connection.

use core::error::Error;
use std::io;
use std::net::TcpListener as StdListener;

use sansocket::error::{AcceptError, SendError};
use sansocket::handshake::HttpVersion;
use sansocket::message::SendOptions;
use sansocket::tokio::{Connections, PendingRequest, WebSocket};
use sansocket::{CloseCode, Event};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::preface::{Version, detect};
use crate::{App, CLOSING_TIME, PAUSE, page, session, signal, tls};

/// The shutdown of the app: sessions of HTTP/2 and WebSockets learn that it has begun.
#[derive(Clone)]
pub(crate) struct Shutdown {
    /// The open WebSockets.
    pub(crate) connections: Connections,
    has_begun: watch::Receiver<bool>,
}

impl Shutdown {
    /// Waits until it has begun.
    pub(crate) async fn begun(&mut self) {
        // Fails if the app has ended.
        let _ = self.has_begun.wait_for(|has_begun| *has_begun).await;
    }
}

pub(crate) fn serve(
    listener: StdListener,
    app: App,
    threads: Option<usize>,
) -> Result<(), Box<dyn Error>> {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    if let Some(threads) = threads {
        runtime.worker_threads(threads);
    }
    runtime.enable_all().build()?.block_on(accept_all(listener, app))?;
    Ok(())
}

async fn accept_all(listener: StdListener, app: App) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let listener = TcpListener::from_std(listener)?;
    let (begin, has_begun) = watch::channel(false);
    let shutdown = Shutdown { connections: Connections::new(), has_begun };
    let mut tasks = JoinSet::new();
    let mut stopped = core::pin::pin!(signal()?);
    loop {
        let accepted = tokio::select! {
            () = &mut stopped => break,
            accepted = listener.accept() => accepted,
            Some(_) = tasks.join_next() => continue,
        };
        match accepted {
            Ok((stream, _)) => {
                let (app, shutdown) = (app.clone(), shutdown.clone());
                tasks.spawn(async move {
                    if let Err(error) = handle(stream, &app, shutdown).await {
                        eprintln!("{error}");
                    }
                });
            }
            Err(error) => {
                eprintln!("cannot accept: {error}");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
    drop(listener);
    // Sessions end after their last WebSocket, so both begin at once.
    begin.send_replace(true);
    let all = async {
        // Fails only for a code or reason that can't be sent, and this one can.
        let closed =
            shutdown.connections.drain(CloseCode::GOING_AWAY, "server shutdown", CLOSING_TIME);
        let _ = closed.await;
        while tasks.join_next().await.is_some() {}
    };
    let _ = timeout(CLOSING_TIME, all).await;
    Ok(())
}

async fn handle(
    stream: TcpStream,
    app: &App,
    shutdown: Shutdown,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    stream.set_nodelay(true)?;
    let limit = app.config.handshake_timeout();
    if let Some(tls) = &app.tls {
        let stream = tls.accept(stream, limit).await?;
        return if tls::is_http2(&stream) {
            session::serve(stream, app, shutdown).await
        } else {
            respond(stream, app, shutdown).await
        };
    }
    if !app.h2c {
        return respond(stream, app, shutdown).await;
    }
    match detect(stream, limit).await {
        Ok(Some((Version::Http1, stream))) => respond(stream, app, shutdown).await,
        Ok(Some((Version::Http2, stream))) => session::serve(stream, app, shutdown).await,
        // The peer has disconnected, or has sent no request.
        Ok(None) | Err(_) => Ok(()),
    }
}

/// Reads a request of HTTP/1.1. Answers it with a page, or accepts the WebSocket.
async fn respond<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    app: &App,
    shutdown: Shutdown,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    let request = match PendingRequest::read(stream, &app.config).await {
        Ok(request) => request,
        // The peer has disconnected, or does not speak HTTP and has been answered.
        Err(AcceptError::Io(_) | AcceptError::Refused(_)) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    let head = request.head();
    if let Some(page) = page(HttpVersion::Http11, head.method(), head.path())? {
        return Ok(request.respond(&page).await?);
    }
    match request.accept(&app.accept).await {
        Ok(mut ws) => {
            shutdown.connections.add(&mut ws);
            echo(ws).await
        }
        Err(AcceptError::Refused(_)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Echoes until the peer closes, or until the shutdown has closed the WebSocket.
pub(crate) async fn echo<S: AsyncRead + AsyncWrite + Unpin>(
    mut ws: WebSocket<S>,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    while let Some((event, mut reply)) = ws.read().await? {
        #[expect(clippy::wildcard_enum_match_arm, reason = "only data is echoed")]
        let fed = match event {
            Event::Text(text) => reply.feed_text(text),
            Event::Binary(bytes) => reply.feed_binary(bytes),
            Event::Part { data, end, .. } => reply.feed_part(data, end, SendOptions::new()),
            _ => Ok(()),
        };
        match fed {
            // Messages that arrive after our own Close frame can't be answered.
            Err(SendError::Closed) => {}
            fed => fed?,
        }
    }
    Ok(())
}
