//! Allocations, counted: idle connections own no heap, announcements reserve no memory, and kept
//! memory is proportional to the received bytes.

use bytes::BytesMut;
use sansocket::config::Delivery;
#[cfg(feature = "std")]
use sansocket::connection::Negotiated;
use sansocket::driver::{Driver, Step};
use sansocket::error::{ProtocolError, SendError};
#[cfg(feature = "std")]
use sansocket::{Config, Entropy};
use sansocket::{Connection, Event, Inbox, Input, Role};

use crate::alloc::{count, counted, start};
use crate::common::frame::{BINARY, TEXT};
use crate::common::{BOTH, Frame, at_ms, connection, preset};

#[test]
fn sizes_of_connections() {
    assert!(size_of::<Connection>() <= 128, "{}", size_of::<Connection>());
    assert_eq!(size_of::<Inbox>(), size_of::<usize>());
    assert!(size_of::<ProtocolError>() <= 8);
    assert!(size_of::<Result<(), ProtocolError>>() <= 8);
    assert!(size_of::<SendError>() <= 8);
    assert!(size_of::<Result<(), SendError>>() <= 8);
}

/// 10,000 idle connections, each after one complete message in and one out: no heap.
#[cfg(feature = "std")]
#[test]
fn idle_connections_own_no_heap() {
    for role in BOTH {
        let config = match role {
            Role::Server => Config::server().build().unwrap(),
            // Keys are drawn from the thread's common block, as outside of tests.
            Role::Client => Config::client(Entropy::os()).build().unwrap(),
        };
        let mut connections: Vec<(Connection, Inbox)> = Vec::with_capacity(10_000);
        let mut out = BytesMut::with_capacity(1 << 16);
        let frames = [Frame::text("hello"), Frame::ping("p"), Frame::binary([1; 200])];
        let input: Vec<u8> = frames.into_iter().flat_map(|f| f.to(role).bytes()).collect();
        let mut buffer = input.clone();
        let ((), counted) = count(|| {
            for _ in 0..10_000 {
                let mut conn = Connection::new(role, &config, &Negotiated::new(), at_ms(0));
                let mut inbox = Inbox::new();
                buffer.copy_from_slice(&input);
                let mut cursor = Input::new(at_ms(1), &mut buffer);
                while let Some(event) = conn.receive(&mut cursor, &mut inbox, &mut out).unwrap() {
                    match event {
                        Event::Text(text) => conn.send_text(text, &mut out).unwrap(),
                        Event::Binary(bytes) => conn.send_binary(bytes, &mut out).unwrap(),
                        _ => {}
                    }
                }
                inbox.shrink();
                out.clear();
                connections.push((conn, inbox));
            }
        });
        assert_eq!(counted.live, 0, "{role:?}: bytes of heap for 10,000 connections");
        assert_eq!(counted.calls, 0, "{role:?}: no allocation in between either");
        assert_eq!(connections.len(), 10_000);
    }
}

/// The same after messages split across inputs: no heap after `shrink`.
#[test]
fn idle_connections_own_no_heap_after_straddling_messages() {
    for role in BOTH {
        for delivery in [Delivery::Whole, Delivery::Parts] {
            let mut conn = connection(role, preset(role).delivery(delivery));
            let (mut inbox, mut out) = (Inbox::new(), BytesMut::new());
            let frames = [
                Frame::text("ab\u{20ac}").not_fin(),
                Frame::ping("ping"),
                Frame::cont(vec![b'x'; 100_000]),
                Frame::binary(vec![1; 100_000]),
            ];
            let mut input: Vec<u8> = frames.into_iter().flat_map(|f| f.to(role).bytes()).collect();
            // The first keys of a client are in a box.
            conn.send_ping(b"", &mut out).unwrap();
            out = BytesMut::new();
            let ((), counted) = count(|| {
                for chunk in input.chunks_mut(7) {
                    let mut cursor = Input::new(at_ms(1), chunk);
                    while conn.receive(&mut cursor, &mut inbox, &mut out).unwrap().is_some() {}
                    out = BytesMut::new();
                }
                inbox.shrink();
            });
            assert_eq!(counted.live, 0, "{role:?} {delivery:?}");
            let parts = delivery == Delivery::Parts;
            assert!(!parts || counted.peak < 1000, "parts keep no memory: {}", counted.peak);
        }
    }
}

/// V8: a header that announces 1 GiB, with and without one byte of payload after it.
#[test]
fn v8_an_announcement_of_a_gigabyte_reserves_no_memory() {
    for role in BOTH {
        for opcode in [TEXT, BINARY] {
            for payload in [0, 1, 100, 1000] {
                let mut conn = connection(role, preset(role).max_message_len(isize::MAX as u64));
                let (mut inbox, mut out) = (Inbox::new(), BytesMut::new());
                let mut input =
                    Frame::new(opcode, vec![b'x'; payload]).announce(1 << 30).to(role).bytes();
                let ((), counted) = count(|| {
                    for chunk in input.chunks_mut(100) {
                        let mut cursor = Input::new(at_ms(0), chunk);
                        assert_eq!(conn.receive(&mut cursor, &mut inbox, &mut out), Ok(None));
                    }
                    let _ = conn.direct_room(&mut inbox);
                });
                assert!(counted.peak < 64 << 10, "{payload}: {counted:?}");
                assert!(counted.largest <= 32 * payload.max(4), "{payload}: {counted:?}");
            }
        }
    }
}

/// The inbox holds at most 32 times the received bytes, however they arrive: by `receive`, by
/// direct reads, or by both in turn; and near the end no more than the message.
#[test]
fn the_inbox_grows_with_the_received_bytes() {
    for role in BOTH {
        for opcode in [TEXT, BINARY] {
            for direct in [false, true] {
                for chunk_len in [1, 7, 100, 1500, 5000] {
                    let len = 60_000;
                    let mut conn = connection(role, preset(role));
                    let (mut inbox, mut out) = (Inbox::new(), BytesMut::new());
                    let frame = Frame::new(opcode, vec![b'x'; len]).to(role).bytes();
                    let header = frame.len() - len;
                    let mut fed = 0;
                    let mut lent = 0;
                    while fed < frame.len() - 1 {
                        let n = chunk_len.min(frame.len() - 1 - fed);
                        let bytes = &frame[fed..fed + n];
                        match conn.direct_room(&mut inbox) {
                            Some(room) if direct && fed % 2 == 0 => {
                                lent += 1;
                                let n = n.min(room.len());
                                room[..n].copy_from_slice(&bytes[..n]);
                                conn.received_direct(n, at_ms(0), &mut inbox);
                                fed += n;
                            }
                            _ => {
                                let mut bytes = bytes.to_vec();
                                let mut cursor = Input::new(at_ms(0), &mut bytes);
                                let result = conn.receive(&mut cursor, &mut inbox, &mut out);
                                assert_eq!(result, Ok(None));
                                fed += n;
                            }
                        }
                        let arrived = fed.saturating_sub(header);
                        let most = (32 * arrived).min(len + len / 10);
                        assert!(inbox.capacity() <= most, "{arrived}: {}", inbox.capacity());
                    }
                    assert_eq!(lent > 0, direct && opcode == BINARY);
                    let mut last = frame[fed..].to_vec();
                    let mut cursor = Input::new(at_ms(0), &mut last);
                    assert!(conn.receive(&mut cursor, &mut inbox, &mut out).unwrap().is_some());
                }
            }
        }
    }
}

/// A large message costs few allocations and moves out of the inbox without a copy.
#[test]
fn a_large_message_is_moved_out_without_a_copy() {
    for role in BOTH {
        for (opcode, direct) in [(TEXT, false), (BINARY, false), (BINARY, true)] {
            let len = 4 << 20;
            let mut conn = connection(role, preset(role));
            let (mut inbox, mut out) = (Inbox::new(), BytesMut::new());
            let frame = Frame::new(opcode, vec![b'x'; len]).to(role).bytes();
            let mut chunks: Vec<Vec<u8>> = frame.chunks(1460).map(<[u8]>::to_vec).collect();
            let (events, counted) = count(|| {
                let mut events = Vec::with_capacity(1);
                for chunk in &mut chunks {
                    let mut rest = &mut chunk[..];
                    while direct
                        && !rest.is_empty()
                        && let Some(room) = conn.direct_room(&mut inbox)
                    {
                        let n = rest.len().min(room.len());
                        room[..n].copy_from_slice(&rest[..n]);
                        conn.received_direct(n, at_ms(0), &mut inbox);
                        rest = &mut rest[n..];
                    }
                    let mut cursor = Input::new(at_ms(0), rest);
                    events.extend(conn.receive_owned(&mut cursor, &mut inbox, &mut out).unwrap());
                }
                events
            });
            assert_eq!(events.len(), 1);
            assert!(counted.calls < 20, "{counted:?}");
            // The old and the new buffer during the last growth; no copy of the message.
            assert!(counted.peak < (2 * len + len / 4) as isize, "{counted:?}");
            assert!(counted.live <= (len + len / 10) as isize, "{counted:?}");
        }
    }
}

/// A short message leaves the capacity for long ones in the inbox.
#[test]
fn a_short_message_does_not_take_the_capacity_of_a_long_one() {
    const LONG: usize = 1 << 20;
    for role in BOTH {
        for opcode in [TEXT, BINARY] {
            let mut conn = connection(role, preset(role));
            let (mut inbox, mut out) = (Inbox::new(), BytesMut::new());
            let mut long = Frame::new(opcode, vec![b'x'; LONG]).to(role).bytes();
            let (begin, end) = long.split_at_mut(20);
            let mut cursor = Input::new(at_ms(0), begin);
            assert_eq!(conn.receive(&mut cursor, &mut inbox, &mut out), Ok(None));
            let mut cursor = Input::new(at_ms(0), end);
            assert!(conn.receive(&mut cursor, &mut inbox, &mut out).unwrap().is_some());

            let mut short = Frame::new(opcode, "short").to(role).bytes();
            let (begin, end) = short.split_at_mut(4);
            let mut cursor = Input::new(at_ms(0), begin);
            assert_eq!(conn.receive(&mut cursor, &mut inbox, &mut out), Ok(None));
            let mut cursor = Input::new(at_ms(0), end);
            let (event, counted) = count(|| conn.receive_owned(&mut cursor, &mut inbox, &mut out));
            assert!(event.unwrap().is_some());
            assert!(counted.live < 100, "{role:?} {opcode}: {counted:?}");
            assert!(inbox.capacity() >= LONG, "{role:?} {opcode}: {}", inbox.capacity());
        }
    }
}

/// V38: 40 connections, each of which receives far more than its limit in its own form: at most 1.1
/// times the limit each.
#[test]
fn v38_forty_connections_over_their_limit() {
    let limit = 200_000;
    for role in BOTH {
        let mut connections = Vec::new();
        let ((), counted) = count(|| {
            for i in 0..40 {
                let mut conn = connection(role, preset(role).max_message_len(limit as u64));
                let (mut inbox, mut out) = (Inbox::new(), BytesMut::new());
                let opcode = if i % 2 == 0 { TEXT } else { BINARY };
                let other = if i % 2 == 0 { BINARY } else { TEXT };
                // A long message of the other kind first, and then one that is too long.
                let size = 1000 * (i + 1);
                let first = [
                    Frame::new(other, vec![b'x'; limit / 2]).not_fin(),
                    Frame::cont(vec![b'x'; limit / 2]),
                ];
                // Bounded, so that a missing limit does not run forever.
                let fragments = (0..1000).map(|j| {
                    Frame::new(if j == 0 { opcode } else { 0 }, vec![b'x'; size]).not_fin()
                });
                let mut failed = None;
                let mut held = 0;
                for frame in first.into_iter().chain(fragments) {
                    let mut input = frame.to(role).bytes();
                    for chunk in input.chunks_mut(1460) {
                        held = held.max(inbox.capacity());
                        let mut cursor = Input::new(at_ms(0), chunk);
                        if let Err(error) = conn.receive(&mut cursor, &mut inbox, &mut out) {
                            failed = Some(error);
                            break;
                        }
                    }
                    if failed.is_some() {
                        break;
                    }
                }
                assert_eq!(failed.unwrap().close_code().value(), 1009);
                assert!((limit / 2..=limit + limit / 10).contains(&held), "{held}");
                connections.push((conn, inbox));
            }
        });
        // Each has freed it at its failure.
        assert!(counted.peak <= 3 * limit as isize, "{counted:?}");
        assert!(counted.live <= 40 * 1000, "{counted:?}");
    }
}

/// An event that ends a connection, and the data borrowed from the inbox then.
#[derive(Clone, Copy, Debug)]
enum End {
    /// A frame with a violation.
    Violation,
    /// A fragment that makes the message too long.
    Limit,
    /// Text that is not UTF-8.
    Text,
    /// A Close frame in one input.
    Close,
    /// A Close frame in two inputs: its reason is borrowed from the inbox.
    CloseInInbox,
    /// A Close frame with a code that must not be sent, in two inputs.
    BadCloseInInbox,
}

/// The call that ends the connection frees the memory, not a later one.
#[test]
fn a_connection_that_ends_frees_its_inbox_in_the_same_call() {
    use End::{BadCloseInInbox, Close, CloseInInbox, Limit, Text, Violation};
    const LEN: usize = 1_000_000;
    for role in BOTH {
        for end in [Violation, Limit, Text, Close, CloseInInbox, BadCloseInInbox] {
            for opcode in [TEXT, BINARY] {
                let mut conn = connection(role, preset(role).max_message_len(2 * LEN as u64));
                let (mut inbox, mut out) = (Inbox::new(), BytesMut::new());
                // From the first frame on, the keys of a client are in a box.
                conn.send_ping(b"", &mut out).unwrap();
                out.reserve(1000);
                let text = matches!(end, Text);
                let opcode = if text { TEXT } else { opcode };
                let mut input = Frame::new(opcode, vec![b'x'; LEN]).not_fin().to(role).bytes();
                let mut cursor = Input::new(at_ms(0), &mut input);
                assert_eq!(conn.receive(&mut cursor, &mut inbox, &mut out), Ok(None));
                assert!(inbox.capacity() >= LEN);
                let last = match end {
                    Violation => Frame::text("in a message"),
                    Limit => Frame::cont("").announce(2 * LEN as u64),
                    Text => Frame::cont([0xff]),
                    Close | CloseInInbox => Frame::close(1000, "the reason"),
                    BadCloseInInbox => Frame::close(1005, "the reason"),
                };
                let mut last = last.to(role).bytes();
                let in_inbox = matches!(end, CloseInInbox | BadCloseInInbox);
                let cut = if in_inbox { last.len() - 1 } else { 0 };
                let (before, last) = last.split_at_mut(cut);
                let mut cursor = Input::new(at_ms(0), before);
                assert_eq!(conn.receive(&mut cursor, &mut inbox, &mut out), Ok(None));
                let ((), counted) = count(|| {
                    let mut cursor = Input::new(at_ms(0), last);
                    let event = conn.receive(&mut cursor, &mut inbox, &mut out);
                    let live = counted().live;
                    assert!(live < 1000 - LEN as isize, "{role:?} {end:?}: {live}, event held");
                    match event {
                        Ok(Some(Event::Close(Some(frame)))) => {
                            assert!(matches!(end, Close | CloseInInbox));
                            assert_eq!(frame.reason, "the reason");
                        }
                        Err(_) => assert!(!matches!(end, Close | CloseInInbox)),
                        event => panic!("{event:?}"),
                    }
                    assert!(conn.is_closed());
                });
                assert!(counted.live < 1000 - LEN as isize, "{role:?} {end:?}: {counted:?}");
                // The next call frees the rest.
                let mut cursor = Input::new(at_ms(0), &mut []);
                let _ = conn.receive(&mut cursor, &mut inbox, &mut out);
                let ((), counted) = count(|| drop(inbox));
                assert_eq!(counted.live, 0, "{role:?} {end:?}: no memory is left");
            }
        }
    }
}

/// A connection with the inbox of another connection fails, and leaves the message in it unchanged.
#[test]
fn a_connection_that_fails_keeps_the_data_of_another_one() {
    for role in BOTH {
        let mut conns = [connection(role, preset(role)), connection(role, preset(role))];
        let (mut inbox, mut out) = (Inbox::new(), BytesMut::new());
        let halves = [Frame::text("abc").not_fin(), Frame::cont("def")];
        let [mut first, mut second] = halves.map(|frame| frame.to(role).bytes());
        let mut violation = Frame::cont("").to(role).bytes();
        let mut cursor = Input::new(at_ms(0), &mut first);
        assert_eq!(conns[0].receive(&mut cursor, &mut inbox, &mut out), Ok(None));
        let mut cursor = Input::new(at_ms(0), &mut violation);
        conns[1].receive(&mut cursor, &mut inbox, &mut out).unwrap_err();
        let mut cursor = Input::new(at_ms(0), &mut second);
        let event = conns[0].receive(&mut cursor, &mut inbox, &mut out);
        assert_eq!(event, Ok(Some(Event::Text("abcdef"))));
    }
}

/// Statistics and a pending pong are boxed; a flood of pings never holds more than one.
#[test]
fn rarely_needed_state_is_small() {
    for role in BOTH {
        let mut conn = connection(role, preset(role).max_unsent(10));
        let (mut inbox, mut out) = (Inbox::new(), BytesMut::with_capacity(100));
        conn.send_binary(&[0; 20], &mut out).unwrap();
        let mut ping = Frame::ping([1; 125]).to(role).bytes();
        let pristine = ping.clone();
        let ((), counted) = count(|| {
            conn.enable_stats();
            for _ in 0..1000 {
                ping.copy_from_slice(&pristine);
                let mut cursor = Input::new(at_ms(0), &mut ping);
                while conn.receive(&mut cursor, &mut inbox, &mut out).unwrap().is_some() {}
            }
        });
        assert!(counted.peak < 1000, "{counted:?}");
    }
}

/// V35: half a request holds no read buffer while the rest is pending, and neither does an idle
/// connection.
#[cfg(feature = "tokio")]
#[test]
fn waiting_keeps_no_read_buffer() {
    use core::future::Future;
    use core::pin::{Pin, pin};
    use core::task::{Context, Waker};
    use sansocket::tokio::{PendingRequest, WebSocket};
    use tokio::io::{AsyncWriteExt, duplex};

    const COUNT: usize = 100;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let _entered = runtime.enter();
    let mut cx = Context::from_waker(Waker::noop());
    let mut poll = |future: Pin<&mut dyn Future<Output = ()>>| future.poll(&mut cx).is_ready();
    // One buffer stays with the thread.
    let most = isize::try_from(COUNT * 8 * 1024 + 64 * 1024).unwrap();

    let config = Config::server().build().unwrap();
    count(|| {
        let mut waiting = Vec::new();
        for _ in 0..COUNT {
            let (mut raw, b) = duplex(64);
            let write = async { raw.write_all(b"GET / HTTP/1.1\r\nHost: a").await.unwrap() };
            assert!(poll(pin!(write)));
            let config = config.clone();
            let mut read = Box::pin(async move { drop(PendingRequest::read(b, &config).await) });
            assert!(!poll(read.as_mut()));
            waiting.push((raw, read));
        }
        assert!(counted().live < most, "{:?}", counted());
    });

    count(|| {
        let mut waiting = Vec::new();
        for _ in 0..COUNT {
            let (mut raw, b) = duplex(64);
            let write = async { raw.write_all(b"\x81\x82\0\0\0\0hi\x81").await.unwrap() };
            assert!(poll(pin!(write)));
            let connection = Connection::new(Role::Server, &config, &Negotiated::new(), at_ms(0));
            let mut ws = WebSocket::from_connection(b, connection, &[]);
            let mut read = Box::pin(async move { while let Ok(Some(_)) = ws.read().await {} });
            assert!(!poll(read.as_mut()));
            waiting.push((raw, read));
        }
        assert!(counted().live < most, "{:?}", counted());
    });
}

/// A request; and a Close frame, from a client.
#[cfg(feature = "std")]
const ACCEPTED: (&[u8], &[u8]) = (
    b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
      Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    b"\x88\x82\0\0\0\0\x03\xe8",
);

/// Calls `accept` with and without a Close frame after the request: after the first call no read
/// buffer is allocated.
#[cfg(feature = "std")]
fn assert_read_buffers_are_given_back(mut accept: impl FnMut(&[u8])) {
    let (request, close) = ACCEPTED;
    for input in [request.to_vec(), [request, close].concat()] {
        accept(&input);
        let ((), counted) = count(|| (0..3).for_each(|_| accept(&input)));
        assert!(counted.largest < 64 * 1024, "{counted:?}");
    }
}

#[cfg(feature = "tokio")]
#[test]
fn accepted_connections_release_their_read_buffers_tokio() {
    use sansocket::AcceptOptions;
    use sansocket::tokio::WebSocket;
    use tokio::io::{AsyncWriteExt, duplex};

    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let (config, options) = (Config::server().build().unwrap(), AcceptOptions::new());
    assert_read_buffers_are_given_back(|input| {
        runtime.block_on(async {
            let (mut raw, io) = duplex(1024);
            raw.write_all(input).await.unwrap();
            let mut ws = WebSocket::accept(io, &config, &options).await.unwrap();
            if input.len() > ACCEPTED.0.len() {
                raw.shutdown().await.unwrap();
                while ws.read().await.unwrap().is_some() {}
            }
        });
    });
}

#[cfg(feature = "std")]
#[test]
fn accepted_connections_release_their_read_buffers_blocking() {
    use sansocket::AcceptOptions;
    use sansocket::blocking::WebSocket;
    use std::io::Write;
    use std::net::{Shutdown, TcpListener, TcpStream};

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (config, options) = (Config::server().build().unwrap(), AcceptOptions::new());
    for split in [false, true] {
        assert_read_buffers_are_given_back(|input| {
            let mut raw = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            raw.write_all(input).unwrap();
            let mut ws =
                WebSocket::accept(listener.accept().unwrap().0, &config, &options).unwrap();
            if input.len() == ACCEPTED.0.len() {
                return;
            }
            raw.shutdown(Shutdown::Write).unwrap();
            if split {
                let (mut reader, _writer) = ws.split().unwrap();
                while reader.read().unwrap().is_some() {}
            } else {
                while ws.read().unwrap().is_some() {}
            }
        });
    }
}

#[test]
fn written_output_leaves_no_memory() {
    const LEN: usize = 100_000;
    for closes in [false, true] {
        let connection = connection(Role::Server, preset(Role::Server));
        let mut driver = Driver::new(connection, at_ms(0));
        start();
        driver.flow.send_binary(&[7; LEN]).unwrap();
        assert!(counted().live > 90_000);
        if closes {
            let mut close = *b"\x88\x80\0\0\0\0";
            while driver.received(&mut close, at_ms(0)).next().unwrap().is_some() {}
        }
        let unsent = driver.flow.unsent();
        driver.flow.write_done(unsent, at_ms(0));
        if closes {
            assert_eq!(driver.step(), Step::EndWriting);
        } else {
            assert_eq!(driver.step(), Step::Read);
        }
        let live = counted().live;
        assert!(live < 10_000, "{live} bytes");
        drop(driver);
    }
}
