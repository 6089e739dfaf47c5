//! An echo server on [smol](https://docs.rs/smol): one task per client, with an adapter of its own.
#![allow(clippy::wildcard_enum_match_arm, reason = "written as a user of the crate would")]

mod websocket;

use core::error::Error;
use core::net::SocketAddr;
use core::time::Duration;
use std::net::ToSocketAddrs;
use std::process::ExitCode;

use sansocket::error::ProtocolError;
use sansocket::handshake::{HttpResponse, OriginPolicy};
use sansocket::{AcceptOptions, Config, Event};
use smol::Timer;
use smol::net::{TcpListener, TcpStream};

use crate::websocket::WebSocket;

/// The settings that all clients share.
#[derive(Clone)]
struct App {
    config: Config,
    options: AcceptOptions,
    not_found: HttpResponse,
}

impl App {
    fn new() -> Result<Self, Box<dyn Error>> {
        let seconds = Duration::from_secs;
        let config = Config::server().keep_alive(Some(seconds(5)), Some(seconds(15))).build()?;
        let options = AcceptOptions::new().origins(OriginPolicy::Any);
        let page = HttpResponse::new(404)?;
        let not_found = page.with_body("text/plain; charset=utf-8", "the WebSocket is /ws\n")?;
        Ok(Self { config, options, not_found })
    }
}

async fn serve(address: SocketAddr) -> Result<(), Box<dyn Error>> {
    let app = App::new()?;
    let listener = TcpListener::bind(address).await?;
    println!("listening on http://{0}, WebSocket ws://{0}/ws", listener.local_addr()?);
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let app = app.clone();
                smol::spawn(async move {
                    let _ = echo(stream, &app).await; // errors of clients are not logged
                })
                .detach();
            }
            Err(error) => {
                // For example too many open files: other clients get time to end.
                eprintln!("cannot accept: {error}");
                Timer::after(Duration::from_millis(50)).await;
            }
        }
    }
}

async fn echo(stream: TcpStream, app: &App) -> Result<(), ProtocolError> {
    let _ = stream.set_nodelay(true);
    let mut ws = WebSocket::server(stream, &app.config);
    let Some(request) = ws.request().await else { return Ok(()) };
    if request.path() != "/ws" {
        ws.respond(&app.not_found).await;
        return Ok(());
    }
    // A refusal is written by `read`, which then returns `None`.
    let _ = ws.accept(&request, &app.options);
    while let Some((event, mut reply)) = ws.read().await? {
        // An event is handed out only if there is space for replies.
        let _ = match event {
            Event::Text(text) => reply.send_text(text),
            Event::Binary(bytes) => reply.send_binary(bytes),
            _ => Ok(()), // pings and Close frames are answered automatically
        };
    }
    Ok(())
}

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().and_then(|address| address.to_socket_addrs().ok()?.next());
    let (Some(address), None) = (address, arguments.next()) else {
        eprintln!("usage: echo_smol HOST:PORT");
        return ExitCode::from(2);
    };
    match smol::block_on(serve(address)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("echo_smol: {error}");
            ExitCode::FAILURE
        }
    }
}
