//! Calls of each `send_*`, and a model of the output that they must have.

use bytes::BytesMut;
use sansocket::connection::Negotiated;
use sansocket::message::OwnedCloseFrame;
use sansocket::{CloseCode, Connection, Instant, Message, Role};

use super::preset;

pub fn server(now: Instant) -> Connection {
    let config = preset(Role::Server).build().unwrap();
    Connection::new(Role::Server, &config, &Negotiated::new(), now)
}

/// Returns a message of each kind, the Close frame last.
pub fn messages() -> [Message; 5] {
    let close = OwnedCloseFrame { code: CloseCode::new(4000), reason: "enough".into() };
    [
        Message::Text("x".repeat(1000).into()),
        Message::Binary(vec![7; 1000].into()),
        Message::Ping(vec![7; 125].into()),
        Message::Pong(vec![7; 125].into()),
        Message::Close(Some(close)),
    ]
}

/// Appends a message to the output of the model.
pub fn append(model: &mut Connection, message: &Message, now: Instant, out: &mut BytesMut) {
    match message {
        Message::Text(text) => model.send_text(text, out),
        Message::Binary(bytes) => model.send_binary(bytes, out),
        Message::Ping(payload) => model.send_ping(payload, out),
        Message::Pong(payload) => model.send_pong(payload, out),
        Message::Close(frame) => {
            let frame = frame.as_ref().expect("each message of `messages` has a code");
            model.close(frame.code, &frame.reason, now, out)
        }
    }
    .unwrap();
}

/// Calls a method of `$target`, which has the type `$type`, and the same method of the model of
/// `$peer`.
macro_rules! send {
    ($type:literal, $target:ident, $peer:ident, [$($await:tt)?], $method:ident($($argument:expr),*)) => {
        $target.$method($($argument),*)$(.$await)?.unwrap();
        let unsent = $target.unsent();
        $peer.model.$method($($argument),*, &mut $peer.expected).unwrap();
        $peer.check(concat!($type, "::", stringify!($method)), unsent)$(.$await)?;
    };
}

/// Calls each `send_*` of a type. The last argument is `[await]` for the tokio adapter, and `[]` for
/// the blocking one.
macro_rules! each_send {
    ($type:literal, $target:ident, $peer:ident, $await:tt) => {{
        use sansocket::Prepared;
        use sansocket::message::{Data, SendOptions};

        use $crate::common::sends::send;

        let (bytes, options) = ([7; 1000], SendOptions::new());
        send!($type, $target, $peer, $await, send_text(&"x".repeat(1000)));
        send!($type, $target, $peer, $await, send_binary(&bytes));
        send!($type, $target, $peer, $await, send(Data::Binary(&bytes), options));
        send!($type, $target, $peer, $await, send_part(Data::Binary(&bytes), false, options));
        send!($type, $target, $peer, $await, send_part(Data::Binary(&bytes), true, options));
        send!($type, $target, $peer, $await, send_prepared(&Prepared::binary(&bytes)));
        send!($type, $target, $peer, $await, send_ping(&[7; 125]));
        send!($type, $target, $peer, $await, send_pong(&[7; 125]));
    }};
}

/// Feeds to a type, and sends with the model of the peer.
macro_rules! feed {
    ($target:ident, $peer:ident, $feed:ident, $send:ident($($argument:expr),*)) => {
        $target.$feed($($argument),*).unwrap();
        $peer.model.$send($($argument),*, &mut $peer.expected).unwrap();
    };
}

/// Feeds each kind of output to a type, then flushes it. The last argument is that of `each_send`.
macro_rules! each_feed {
    ($type:literal, $target:ident, $peer:ident, [$($await:tt)?]) => {{
        use sansocket::Prepared;
        use sansocket::message::{Data, SendOptions};

        use $crate::common::sends::feed;

        let (bytes, options) = ([7; 1000], SendOptions::new());
        let before = $peer.expected.len();
        feed!($target, $peer, feed_text, send_text(&"x".repeat(1000)));
        feed!($target, $peer, feed_binary, send_binary(&bytes));
        feed!($target, $peer, feed, send(Data::Binary(&bytes), options));
        feed!($target, $peer, feed_part, send_part(Data::Binary(&bytes), false, options));
        feed!($target, $peer, feed_part, send_part(Data::Binary(&bytes), true, options));
        feed!($target, $peer, feed_prepared, send_prepared(&Prepared::binary(&bytes)));
        feed!($target, $peer, feed_ping, send_ping(&[7; 125]));
        feed!($target, $peer, feed_pong, send_pong(&[7; 125]));
        assert_eq!($target.unsent(), $peer.expected.len() - before, "{} has written", $type);
        $target.flush()$(.$await)?.unwrap();
        $peer.check(concat!($type, "::flush"), $target.unsent())$(.$await)?;
    }};
}

pub(crate) use {each_feed, each_send, feed, send};
