//! An echo server on [mio](https://docs.rs/mio): one thread, one read buffer for all clients.
//!
//! Each client has a driver, which returns the next step. It implements back-pressure, keep-alive,
//! all timeouts (a slow request is answered with 408) and the end of a connection. The loop
//! performs the rest: it reads, writes and waits.
#![allow(clippy::indexing_slicing, clippy::wildcard_enum_match_arm, reason = "as users write")]

use std::io::{ErrorKind, Read, Write};
use std::{collections, env, net::Shutdown, net::ToSocketAddrs, process};

use mio::{Events, Interest, Poll, Token, net::TcpListener, net::TcpStream};
use sansocket::driver::{Driver, Reply, Step};
use sansocket::handshake::HttpResponse;
use sansocket::handshake::OriginPolicy;
use sansocket::{AcceptOptions, Config, Event, Instant};

struct Client {
    io: TcpStream,
    driver: Driver,
    /// The key of its entry in the timers.
    due: Instant,
}

/// Performs the steps of a client's driver until the socket would block. Returns the deadline of
/// the wait; `None`: the connection has ended.
fn turn(client: &mut Client, options: &AcceptOptions, buffer: &mut [u8]) -> Option<Instant> {
    // mio reports changes only (edge-triggered), so a turn continues until a call would block. A
    // turn that a timer started also reads: the awaited pong may be unread in the socket.
    let (mut readable, mut writable) = (true, true);
    // A client that floods must not starve the others: its next turn follows theirs.
    for _ in 0..64 {
        let (step, now, flow) = (client.driver.step(), Instant::now(), &mut client.driver.flow);
        match step {
            Step::Request => match flow.take_request() {
                Some(request) if request.path() == "/ws" => {
                    let _ = flow.accept(&request, options, now); // a refusal is output as well
                }
                _ => drop(HttpResponse::new(404).map(|page| flow.respond(&page))),
            },
            // An event left from an earlier read. After an error, the output holds a Close frame.
            Step::Event => drop(client.driver.receive().map(|received| received.map(echo))),
            Step::Write { .. } if writable => match client.io.write(flow.output()) {
                Ok(n) => flow.write_done(n, now),
                Err(error) if error.kind() == ErrorKind::WouldBlock => writable = false,
                Err(_) => flow.write_failed(),
            },
            // Also in place of a write that would block: the peer may write before it reads.
            Step::Read | Step::Drain | Step::Write { or_read: true } if readable => {
                match client.io.read(buffer) {
                    Ok(n) => {
                        // Events borrow from the buffer. When the loan ends, the driver copies the
                        // remaining bytes: there is no space for replies to them before a write.
                        let mut loan = client.driver.received(&mut buffer[..n], now);
                        while let Ok(Some(received)) = loan.next() {
                            echo(received);
                        }
                    }
                    Err(error) if error.kind() == ErrorKind::WouldBlock => readable = false,
                    Err(_) => flow.failed(),
                }
            }
            Step::EndWriting => {
                let _ = client.io.shutdown(Shutdown::Write); // fails if the peer has closed
                flow.writing_ended();
            }
            Step::Done => return None,
            _ => match client.driver.deadline(now) {
                Some(deadline) if deadline <= now => client.driver.timed_out(now),
                deadline => return Some(deadline.unwrap_or(Instant::from_micros(u64::MAX))),
            },
        }
    }
    Some(Instant::now())
}

/// Echoes a message. The reply does not fail for lack of space: the driver hands out an event only
/// if there is space for replies.
fn echo((event, mut reply): (Event<'_>, Reply<'_>)) {
    let _ = match event {
        Event::Text(text) => reply.send_text(text),
        Event::Binary(bytes) => reply.send_binary(bytes),
        _ => Ok(()), // pings and Close frames are answered automatically
    };
}

fn main() -> Result<(), Box<dyn core::error::Error>> {
    let address = env::args().nth(1).and_then(|address| address.to_socket_addrs().ok()?.next());
    let (Some(address), None) = (address, env::args().nth(2)) else {
        eprintln!("usage: echo_mio HOST:PORT");
        process::exit(2);
    };
    let seconds = |n| Some(core::time::Duration::from_secs(n));
    let config = Config::server().keep_alive(seconds(5), seconds(15)).build()?;
    let options = AcceptOptions::new().origins(OriginPolicy::Any);
    let (mut poll, mut listener) = (Poll::new()?, TcpListener::bind(address)?);
    poll.registry().register(&mut listener, Token(usize::MAX), Interest::READABLE)?;
    println!("listening on http://{0}, WebSocket ws://{0}/ws", listener.local_addr()?);

    let (mut events, mut buffer) = (Events::with_capacity(1024), vec![0; 64 * 1024]);
    let (mut clients, mut timers) = (slab::Slab::new(), collections::BTreeSet::new());
    loop {
        let wait = |(due, _): &(Instant, usize)| due.saturating_duration_since(Instant::now());
        let _ = poll.poll(&mut events, timers.first().map(wait)); // a signal may interrupt it
        while let Ok((mut io, _)) = listener.accept() {
            let (id, both) = (clients.vacant_key(), Interest::READABLE | Interest::WRITABLE);
            let Ok(()) = poll.registry().register(&mut io, Token(id), both) else { continue };
            let _ = io.set_nodelay(true);
            let (driver, due) = (Driver::server(&config, Instant::now()), Instant::now());
            // The socket is writable, so the first turn follows at once.
            clients.insert(Client { io, driver, due });
        }
        let due = timers.range(..=(Instant::now(), usize::MAX)).map(|(_, id)| *id);
        let turns: Vec<_> = events.iter().map(|event| event.token().0).chain(due).collect();
        for id in turns {
            let Some(client) = clients.get_mut(id) else { continue }; // the listener, or removed
            timers.remove(&(client.due, id));
            if let Some(due) = turn(client, &options, &mut buffer) {
                client.due = due;
                timers.insert((due, id));
                client.driver.intake.shrink(); // an idle client holds no memory
            } else {
                let _ = poll.registry().deregister(&mut clients.remove(id).io);
            }
        }
    }
}
