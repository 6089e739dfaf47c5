//! Helpers of the tests of the blocking adapter.

use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;
use std::time::Duration;

use sansocket::blocking::{Transport, WebSocket};
use sansocket::connection::Negotiated;
use sansocket::error::{ProtocolError, SendError};
use sansocket::message::SendOptions;
use sansocket::{Config, Connection, Event, Instant, Role, WebSocketError};

use crate::common::thread::{self, JoinHandle};

pub(crate) use crate::common::frame::{Frame, frame};
pub(crate) use crate::common::preset;

pub(crate) const MS: Duration = Duration::from_millis(1);

/// Fails a test that hangs. Two ends over a pipe of some bytes take turns for up to 10 s, and far longer
/// on a loaded machine.
pub(crate) fn with_timeout(body: impl FnOnce() + Send + 'static) {
    let (done, wait) = mpsc::channel();
    let thread = thread::spawn(move || {
        body();
        let _ = done.send(());
    });
    if wait.recv_timeout(180_000 * MS) == Err(mpsc::RecvTimeoutError::Timeout) {
        panic!("the test hangs");
    }
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

/// Measures the duration of a call.
pub(crate) fn timed<T>(body: impl FnOnce() -> T) -> (T, Duration) {
    let start = Instant::now();
    let value = body();
    (value, Instant::now().saturating_duration_since(start))
}

pub(crate) fn tcp() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (server, _) = listener.accept().unwrap();
    for stream in [&server, &client] {
        stream.set_nodelay(true).unwrap();
    }
    // The raw end of a test receives its input soon, or not at all.
    client.set_read_timeout(Some(20_000 * MS)).unwrap();
    (server, client)
}

pub(crate) fn socket<S: Transport>(role: Role, io: S, config: &Config) -> WebSocket<S> {
    let connection = Connection::new(role, config, &Negotiated::new(), Instant::now());
    WebSocket::from_connection(io, connection, &[])
}

pub(crate) fn server<S: Transport>(io: S) -> WebSocket<S> {
    socket(Role::Server, io, &preset(Role::Server).build().unwrap())
}

pub(crate) fn client<S: Transport>(io: S) -> WebSocket<S> {
    socket(Role::Client, io, &preset(Role::Client).build().unwrap())
}

/// The usual echo loop.
pub(crate) fn echo<S: Transport>(ws: &mut WebSocket<S>) -> Result<(), WebSocketError> {
    while let Some((event, mut reply)) = ws.read()? {
        match event {
            Event::Text(text) => reply.feed_text(text)?,
            Event::Binary(bytes) => reply.feed_binary(bytes)?,
            Event::Part { data, end, .. } => reply.feed_part(data, end, SendOptions::new())?,
            _ => {}
        }
    }
    Ok(())
}

pub(crate) fn serve<S: Transport + Send + 'static>(
    mut ws: WebSocket<S>,
) -> JoinHandle<Result<(), WebSocketError>> {
    thread::spawn(move || echo(&mut ws))
}

#[track_caller]
pub(crate) fn assert_protocol<T: core::fmt::Debug>(
    result: Result<T, WebSocketError>,
    want: impl Into<ProtocolError>,
) {
    let want = want.into();
    assert!(matches!(result, Err(WebSocketError::Protocol(e)) if e == want), "{result:?}");
}

#[track_caller]
pub(crate) fn assert_closed<T: core::fmt::Debug>(result: Result<T, WebSocketError>) {
    let closed = matches!(result, Err(WebSocketError::Send(SendError::Closed)));
    assert!(closed, "{result:?}");
}

/// The kinds of reads, until the end.
pub(crate) const WAYS: [&str; 4] = ["read", "read_into", "messages", "split"];

pub(crate) fn read_to_end<S: Transport>(
    mut ws: WebSocket<S>,
    way: &str,
) -> Result<(), WebSocketError> {
    match way {
        "read" => echo(&mut ws),
        "read_into" => {
            while ws.read_into(&mut [0; 100])?.is_some() {}
            Ok(())
        }
        "messages" => ws.into_messages().try_for_each(|message| message.map(drop)),
        _ => {
            let (mut reader, _) = ws.split()?;
            while reader.read()?.is_some() {}
            Ok(())
        }
    }
}
