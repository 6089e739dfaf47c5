//! The app on tokio: one task per connection.

use core::error::Error;
use std::io;
use std::net::TcpListener as StdListener;

use sansocket::error::AcceptError;
use sansocket::message::SendOptions;
use sansocket::tokio::{PendingRequest, WebSocket};
use sansocket::{CloseCode, Event};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::{App, CLOSING_TIME, PAUSE, page, signal};

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
    let (end, ending) = watch::channel(false);
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
                let (app, ending) = (app.clone(), ending.clone());
                tasks.spawn(async move {
                    if let Err(error) = handle(stream, &app, ending).await {
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
    // Fails if no connection is left.
    let _ = end.send(true);
    let all = async { while tasks.join_next().await.is_some() {} };
    let _ = timeout(CLOSING_TIME, all).await;
    Ok(())
}

async fn handle(
    stream: TcpStream,
    app: &App,
    ending: watch::Receiver<bool>,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    stream.set_nodelay(true)?;
    match &app.tls {
        Some(tls) => {
            let stream = tls.accept(stream, app.config.handshake_timeout()).await?;
            respond(stream, app, ending).await
        }
        None => respond(stream, app, ending).await,
    }
}

/// Reads a request. Answers it with a page, or accepts the WebSocket.
async fn respond<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    app: &App,
    ending: watch::Receiver<bool>,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    let request = match PendingRequest::read(stream, &app.config).await {
        Ok(request) => request,
        // The peer has disconnected, or does not speak HTTP and has been answered.
        Err(AcceptError::Io(_) | AcceptError::Refused(_)) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    if let Some(page) = page(request.head())? {
        return Ok(request.respond(&page).await?);
    }
    match request.accept(&app.accept).await {
        Ok(ws) => echo(ws, ending).await,
        Err(AcceptError::Refused(_)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Echoes until the peer closes or the app ends.
async fn echo<S: AsyncRead + AsyncWrite + Unpin>(
    mut ws: WebSocket<S>,
    mut ending: watch::Receiver<bool>,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    loop {
        let read = tokio::select! {
            read = ws.read() => read?,
            _ = ending.wait_for(|ending| *ending) => break,
        };
        let Some((event, mut reply)) = read else { return Ok(()) };
        #[expect(clippy::wildcard_enum_match_arm, reason = "only data is echoed")]
        match event {
            Event::Text(text) => reply.feed_text(text)?,
            Event::Binary(bytes) => reply.feed_binary(bytes)?,
            Event::Part { data, end, .. } => reply.feed_part(data, end, SendOptions::new())?,
            _ => {}
        }
    }
    ws.close(CloseCode::GOING_AWAY, "server shutdown").await?;
    Ok(())
}
