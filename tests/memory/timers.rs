//! Heap of rarely needed state: none by default, and a small bounded amount with a setting.

use bytes::BytesMut;
use sansocket::config::{ConfigBuilder, Delivery};
use sansocket::connection::Negotiated;
use sansocket::{Connection, Inbox, Input, Role};

use crate::alloc::count;
use crate::common::{BOTH, Frame, at_ms, preset, secs};

fn connection(role: Role, config: ConfigBuilder, negotiated: &Negotiated) -> Connection {
    Connection::new(role, &config.build().unwrap(), negotiated, at_ms(0))
}

/// Receives messages of every kind, read byte by byte, and calls all methods of timers.
fn receive_slowly(conn: &mut Connection, input: &[u8]) -> Inbox {
    let (mut inbox, mut out) = (Inbox::new(), BytesMut::new());
    for (n, byte) in input.iter().enumerate() {
        let now = at_ms(n as u64);
        let mut byte = [*byte];
        let mut cursor = Input::new(now, &mut byte);
        while conn.receive(&mut cursor, &mut inbox, &mut out).unwrap().is_some() {}
        conn.output_written(now, &mut out);
        conn.handle_timeout(now, &mut out).unwrap();
        conn.message_rested(secs(1));
        conn.discard_data();
        let _ = (conn.poll_timeout(), conn.close_status(), conn.subprotocol(), conn.stats());
    }
    inbox.shrink();
    inbox
}

fn input(role: Role) -> Vec<u8> {
    [Frame::text("ab").not_fin(), Frame::cont(vec![b'x'; 500]), Frame::binary([1; 300])]
        .into_iter()
        .flat_map(|frame| frame.to(role).bytes())
        .collect()
}

#[test]
fn without_a_message_timeout_a_slow_message_uses_only_the_inbox() {
    for role in BOTH {
        for delivery in [Delivery::Whole, Delivery::Parts] {
            let input = input(role);
            let config = preset(role).delivery(delivery).keep_alive(Some(secs(100)), Some(secs(9)));
            let mut conn = connection(role, config, &Negotiated::new());
            let (inbox, counted) = count(|| receive_slowly(&mut conn, &input));
            assert_eq!(counted.live, 0, "{role:?} {delivery:?}");
            drop((conn, inbox));
        }
    }
}

#[test]
fn with_a_message_timeout_a_connection_keeps_a_small_box() {
    for role in BOTH {
        let input = input(role);
        let config = preset(role).message_timeout(Some(secs(100)));
        let mut conn = connection(role, config, &Negotiated::new());
        let (_, counted) = count(|| receive_slowly(&mut conn, &input));
        assert!((1..512).contains(&counted.live), "{counted:?}");
        // Messages that are complete in one read need none.
        let config = preset(role).message_timeout(Some(secs(100)));
        let mut conn = connection(role, config, &Negotiated::new());
        let mut bytes = Frame::text("complete").to(role).bytes();
        let (mut inbox, mut out) = (Inbox::new(), BytesMut::new());
        let ((), counted) = count(|| {
            let mut cursor = Input::new(at_ms(0), &mut bytes);
            while conn.receive(&mut cursor, &mut inbox, &mut out).unwrap().is_some() {}
        });
        assert_eq!(counted.calls, 0);
    }
}

#[test]
fn a_connection_without_a_subprotocol_keeps_no_heap_for_it() {
    for role in BOTH {
        let config = preset(role).build().unwrap();
        let negotiated = Negotiated::new();
        let (conn, counted) = count(|| Connection::new(role, &config, &negotiated, at_ms(0)));
        assert_eq!((counted.live, conn.subprotocol()), (0, None));
        let negotiated = negotiated.with_subprotocol("chat.v2");
        let (conn, counted) = count(|| Connection::new(role, &config, &negotiated, at_ms(0)));
        assert!((1..512).contains(&counted.live), "{counted:?}");
        assert_eq!(conn.subprotocol(), Some("chat.v2"));
    }
}

/// The end of an idle connection needs no heap except for its Close frame, and the bytes of a
/// reason.
#[test]
fn the_end_of_a_connection_costs_little_heap() {
    for role in BOTH {
        let config = preset(role).build().unwrap();
        let mut out = BytesMut::with_capacity(1000);
        // The first keys of a client are in a box.
        let open = || {
            let mut conn = Connection::new(role, &config, &Negotiated::new(), at_ms(0));
            conn.send_ping(b"", &mut BytesMut::new()).unwrap();
            conn
        };
        let mut conn = open();
        let (_, counted) = count(|| conn.receive_eof(&mut out).unwrap_err());
        assert_eq!((counted.live, counted.calls), (0, 0), "{role:?}");
        let mut conn = open();
        let ((), counted) = count(|| conn.abort());
        assert_eq!((counted.live, counted.calls), (0, 0), "{role:?}");
        for (reason, most) in [("", 0), ("why", 512)] {
            let mut conn = open();
            let mut close = Frame::close(1000, reason).to(role).bytes();
            let mut inbox = Inbox::new();
            let ((), counted) = count(|| {
                let mut cursor = Input::new(at_ms(0), &mut close);
                while conn.receive(&mut cursor, &mut inbox, &mut out).unwrap().is_some() {}
            });
            assert!(counted.live <= most, "{role:?} {reason}: {counted:?}");
            assert_eq!(conn.close_status().unwrap().reason.as_str(), reason);
        }
    }
}
