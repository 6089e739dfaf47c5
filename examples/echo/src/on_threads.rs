//! The app on threads: one thread per connection, over blocking sockets.

use core::error::Error;
use core::sync::atomic::{AtomicBool, Ordering};
use std::collections::HashMap;
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use sansocket::blocking::{PendingRequest, Sender};
use sansocket::error::{AcceptError, SendError};
use sansocket::handshake::HttpVersion;
use sansocket::message::SendOptions;
use sansocket::{CloseCode, Event};

use crate::{App, CLOSING_TIME, PAUSE, page, signal};

/// The senders of all connections, to close them when the app ends.
#[derive(Default)]
struct Open {
    senders: Mutex<HashMap<usize, Sender<TcpStream>>>,
    one_less: Condvar,
    /// The app is ending: connections accepted from now on are closed at once.
    ending: AtomicBool,
}

impl Open {
    fn senders(&self) -> MutexGuard<'_, HashMap<usize, Sender<TcpStream>>> {
        self.senders.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, id: usize, sender: Sender<TcpStream>) {
        self.senders().insert(id, sender.clone());
        if self.ending.load(Ordering::SeqCst) {
            close(&sender);
        }
    }

    fn remove(&self, id: usize) {
        self.senders().remove(&id);
        self.one_less.notify_all();
    }
}

pub(crate) fn serve(listener: TcpListener, app: App) -> Result<(), Box<dyn Error>> {
    let open = Arc::new(Open::default());
    // Install the handlers before the first connection is accepted, so that no signal is missed.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let stopped = runtime.block_on(async { signal() })?;
    let shared = open.clone();
    thread::spawn(move || accept_all(&listener, &app, &shared));
    runtime.block_on(stopped);

    open.ending.store(true, Ordering::SeqCst);
    let senders: Vec<_> = open.senders().values().cloned().collect();
    for sender in senders {
        // One thread each: a peer that does not read must not delay the others.
        thread::spawn(move || close(&sender));
    }
    let all_gone = open
        .one_less
        .wait_timeout_while(open.senders(), CLOSING_TIME, |senders| !senders.is_empty());
    drop(all_gone);
    Ok(())
}

fn close(sender: &Sender<TcpStream>) {
    // Fails only for a code or reason that can't be sent, and this one can.
    let _ = sender.close_output(CloseCode::GOING_AWAY, "server shutdown");
}

fn accept_all(listener: &TcpListener, app: &App, open: &Arc<Open>) {
    for (id, accepted) in listener.incoming().enumerate() {
        let stream = match accepted {
            Ok(stream) => stream,
            Err(error) => {
                eprintln!("cannot accept: {error}");
                thread::sleep(PAUSE);
                continue;
            }
        };
        let (app, open) = (app.clone(), open.clone());
        let spawned = thread::Builder::new().spawn(move || {
            if let Err(error) = handle(stream, &app, &open, id) {
                eprintln!("{error}");
            }
            open.remove(id);
        });
        if let Err(error) = spawned {
            eprintln!("cannot start a thread: {error}");
            thread::sleep(PAUSE);
        }
    }
}

fn handle(
    stream: TcpStream,
    app: &App,
    open: &Open,
    id: usize,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    stream.set_nodelay(true)?;
    let request = match PendingRequest::read(stream, &app.config) {
        Ok(request) => request,
        // The peer has disconnected, or does not speak HTTP and has been answered.
        Err(AcceptError::Io(_) | AcceptError::Refused(_)) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    let head = request.head();
    if let Some(page) = page(HttpVersion::Http11, head.method(), head.path())? {
        return Ok(request.respond(&page)?);
    }
    let ws = match request.accept(&app.accept) {
        Ok(ws) => ws,
        Err(AcceptError::Refused(_)) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    // Split, so that the main thread can close it.
    let (mut reader, sender) = ws.split()?;
    open.add(id, sender);
    while let Some((event, mut reply)) = reader.read()? {
        let fed = match event {
            Event::Part { data, end, .. } => reply.feed_part(data, end, SendOptions::new()),
            _ => match event.data() {
                Some((data, _)) => reply.feed(data, SendOptions::new()),
                None => Ok(()),
            },
        };
        match fed {
            // Messages that arrive after our own Close frame can't be answered.
            Err(SendError::Closed) => {}
            fed => fed?,
        }
    }
    Ok(())
}
