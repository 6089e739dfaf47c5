//! The public API: re-exports, Send and Sync, Debug, sizes, and conversions.

use core::fmt::Debug;
use core::hash::Hash;
use core::time::Duration;
use std::collections::HashSet;
use std::path::Path;

use bytes::Bytes;
use sansocket::config::{ConfigBuilder, Delivery};
use sansocket::connection::{CloseStatus, Negotiated, OwnedEvent, Stats};
use sansocket::error::{
    ConfigError, EntropyError, LimitError, MisuseError, PeerError, ProtocolError, SendError,
    TimeoutError,
};
use sansocket::frame::OpCode;
use sansocket::frame::{FrameHead, FrameHeader};
use sansocket::message::{Data, MessageKind, OwnedCloseFrame, OwnedData, SendOptions, Utf8Bytes};
use sansocket::{
    CloseCode, CloseFrame, Config, Connection, Entropy, Event, Inbox, Input, Instant, Message,
    Prepared, Role,
};

use crate::common::{BOTH, at_ms, connection, preset, weak_entropy_for_tests_only};

/// The root's public modules.
const MODULES: [&str; 14] = [
    "blocking",
    "config",
    "connection",
    "deflate",
    "driver",
    "error",
    "frame",
    "guide",
    "handshake",
    "http",
    "h2",
    "hyper",
    "message",
    "tokio",
];

/// The root's re-exports: the types that nearly every program names.
const RE_EXPORTS: [&str; 15] = [
    "AcceptOptions",
    "CloseCode",
    "CloseFrame",
    "Config",
    "ConnectRequest",
    "Connection",
    "Entropy",
    "Event",
    "Inbox",
    "Input",
    "Instant",
    "Message",
    "Prepared",
    "Role",
    "WebSocketError",
];

fn lib() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs")).unwrap()
}

#[test]
fn the_root_re_exports_exactly_the_listed_names() {
    let text: String = lib()
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect::<Vec<_>>()
        .join(" ");
    let mut found = HashSet::new();
    for statement in text.split("pub use crate::").skip(1) {
        let path = statement.split(';').next().unwrap();
        let names = match path.split_once('{') {
            Some((_, names)) => names.trim_end_matches('}'),
            None => path.rsplit("::").next().unwrap(),
        };
        found.extend(names.split(',').map(str::trim).filter(|name| !name.is_empty()));
    }
    let listed: HashSet<&str> = RE_EXPORTS.into_iter().collect();
    assert_eq!(found, listed);
    assert_eq!(text.matches("pub use ").count(), text.matches("pub use crate::").count());
    // One path per type: no glob.
    assert!(!text.contains("::*"));
}

#[test]
fn the_public_modules_are_exactly_those_listed() {
    let text = lib();
    for line in text.lines().filter(|line| line.starts_with("pub mod ")) {
        let name = line.trim_start_matches("pub mod ").trim_end_matches(';');
        assert!(MODULES.contains(&name), "{name} is public and not listed");
    }
}

#[test]
fn public_types_are_send_and_sync() {
    fn check<T: Send + Sync + Debug>() {}
    check::<Connection>();
    check::<Config>();
    check::<ConfigBuilder>();
    check::<Entropy>();
    check::<Inbox>();
    check::<Input<'_>>();
    check::<Event<'_>>();
    check::<OwnedEvent>();
    check::<OwnedCloseFrame>();
    check::<sansocket::config::MemoryBudget>();
    check::<OwnedData>();
    check::<Message>();
    check::<Utf8Bytes>();
    check::<Prepared>();
    check::<Negotiated>();
    check::<ProtocolError>();
    check::<SendError>();
    check::<ConfigError>();
    check::<CloseStatus>();
    check::<FrameHead>();
    check::<FrameHeader>();
    check::<Stats>();
    check::<sansocket::handshake::ServerHandshake>();
    check::<sansocket::handshake::ClientHandshake>();
    check::<sansocket::ConnectRequest>();
    check::<sansocket::AcceptOptions>();
    check::<sansocket::handshake::Refusal>();
    check::<sansocket::handshake::OwnedRequestHead>();
    check::<sansocket::handshake::HandshakeError>();
    check::<sansocket::handshake::ExtensionError>();
    #[cfg(feature = "deflate")]
    {
        check::<sansocket::deflate::Agreement>();
        check::<sansocket::deflate::Answer>();
        check::<sansocket::deflate::Deflate>();
        check::<sansocket::deflate::DeflateOptions>();
    }
}

#[test]
fn public_types_have_the_common_traits() {
    fn copy<T: Copy + Eq + Hash + Debug>() {}
    copy::<Role>();
    copy::<OpCode>();
    copy::<CloseCode>();
    copy::<Instant>();
    copy::<Delivery>();
    copy::<MessageKind>();
    copy::<ProtocolError>();
    copy::<SendError>();
    copy::<ConfigError>();
    copy::<sansocket::handshake::ExtensionError>();
    #[cfg(feature = "deflate")]
    {
        copy::<sansocket::deflate::Agreement>();
        copy::<sansocket::deflate::Deflate>();
        copy::<sansocket::deflate::Direction>();
        copy::<sansocket::deflate::Level>();
        copy::<sansocket::deflate::WindowBits>();
    }
    fn eq<T: Clone + PartialEq + Debug>() {}
    eq::<OwnedEvent>();
    eq::<OwnedData>();
    eq::<Message>();
    eq::<Utf8Bytes>();
    eq::<SendOptions>();
    eq::<Stats>();
    eq::<CloseStatus>();
    eq::<Negotiated>();
    fn error<T: core::error::Error + Send + Sync + 'static>() {}
    error::<ProtocolError>();
    error::<PeerError>();
    error::<LimitError>();
    error::<TimeoutError>();
    error::<MisuseError>();
    error::<SendError>();
    error::<ConfigError>();
    error::<sansocket::handshake::ExtensionError>();
    error::<EntropyError>();
}

#[test]
fn sizes_of_frequent_types() {
    assert!(size_of::<Connection>() <= 128);
    assert_eq!(size_of::<Inbox>(), size_of::<usize>());
    assert!(size_of::<ProtocolError>() <= 8);
    assert!(size_of::<SendError>() <= 8);
    assert!(size_of::<Event<'_>>() <= 32);
    assert!(size_of::<Result<Option<Event<'_>>, ProtocolError>>() <= 32);
    assert!(size_of::<FrameHead>() <= 16);
    assert_eq!(size_of::<Config>(), size_of::<usize>());
    #[cfg(feature = "deflate")]
    assert!(size_of::<Option<sansocket::deflate::Agreement>>() <= 10);
}

#[test]
fn debug_is_never_empty_and_shows_no_payload() {
    let mut bytes = *b"input";
    let texts: Vec<String> = vec![
        format!("{:?}", connection(Role::Server, preset(Role::Server))),
        format!("{:?}", preset(Role::Client)),
        format!("{:?}", preset(Role::Client).build().unwrap()),
        format!("{:?}", Inbox::new()),
        format!("{:?}", Input::new(at_ms(0), &mut bytes)),
        #[cfg(feature = "std")]
        format!("{:?}", Entropy::os()),
        format!("{:?}", weak_entropy_for_tests_only()),
        format!("{:?}", Prepared::text("x")),
        format!("{:?}", Negotiated::new()),
        format!("{:?}", SendOptions::new()),
        format!("{:?}", FrameHeader::new(OpCode::Text, 1)),
        format!("{:?}", FrameHeader::new(OpCode::Text, 1).encode()),
        format!("{:?}", Stats::default()),
        format!("{:?}", Event::Text("text")),
        format!("{:?}", Data::Binary(b"x")),
        format!("{:?}", OwnedData::text("x")),
        format!("{:?}", CloseFrame { code: CloseCode::NORMAL, reason: "r" }),
        format!("{:?}", CloseCode::NORMAL),
        format!("{:?}", Instant::from_micros(1)),
        format!("{EntropyError:?}"),
    ];
    for text in &texts {
        assert!(text.len() > 3, "{text}");
    }
    assert!(texts[0].contains("Server") && texts[0].contains("Open"), "{}", texts[0]);
}

/// Conversions that users need between the types.
#[test]
fn conversions() {
    assert_eq!(Data::from("x"), Data::Text("x"));
    assert_eq!(Data::from(&b"x"[..]), Data::Binary(b"x"));
    assert_eq!(Data::Text("x").as_bytes(), b"x");
    assert_eq!(Data::Binary(b"x").kind(), MessageKind::Binary);
    let text = Utf8Bytes::from(String::from("t\u{e4}xt"));
    assert_eq!((&*text, text.as_bytes().len()), ("t\u{e4}xt", 5));
    assert_eq!(text.to_string(), "t\u{e4}xt");
    assert_eq!(text.into_bytes(), Bytes::from("t\u{e4}xt"));
    assert_eq!(Utf8Bytes::try_from(Bytes::from_static(b"ok")).unwrap(), Utf8Bytes::from("ok"));
    assert!(Utf8Bytes::try_from(Bytes::from_static(b"\xff")).is_err());
    assert_eq!(OwnedData::text("x").as_data(), Data::Text("x"));
    assert_eq!(OwnedData::binary(vec![1]).as_data(), Data::Binary(&[1]));
    assert_eq!(OwnedData::from(Data::Text("x")), OwnedData::text("x"));
    assert_eq!(u16::from(CloseCode::from(3000)), 3000);
    assert_eq!(CloseCode::new(3000).to_string(), "3000");
    assert_eq!(OwnedEvent::from(Event::Ping(b"p")), OwnedEvent::Ping(Bytes::from_static(b"p")));
    assert_eq!(OwnedEvent::from(Event::Close(None)), OwnedEvent::Close(None));
    let part = Event::Part { data: Data::Text("x"), start: true, end: false };
    let owned = OwnedEvent::Part { data: OwnedData::text("x"), start: true, end: false };
    assert_eq!(OwnedEvent::from(part), owned);
    assert_eq!(Role::Client.peer(), Role::Server);
    for value in 0..=255 {
        let opcode = OpCode::from_low_bits(value);
        assert_eq!(opcode.map(OpCode::value), opcode.map(|_| value & 15));
        assert_eq!(opcode.is_some_and(OpCode::is_control), matches!(value & 15, 8..=10));
    }
    let prepared = Prepared::new(Data::Binary(&[7; 300]));
    assert_eq!((prepared.kind(), prepared.payload()), (MessageKind::Binary, &[7; 300][..]));
    assert_eq!(Negotiated::new().with_subprotocol("chat").subprotocol(), Some("chat"));
    assert_eq!(Negotiated::default().subprotocol(), None);
}

/// Errors as `std::io::Error`: the kinds that callers check, and the error inside.
#[cfg(feature = "std")]
#[test]
fn errors_become_io_errors() {
    use std::io::{Error, ErrorKind};
    for (error, kind) in [
        (ProtocolError::Peer(PeerError::ClosedWithoutHandshake), ErrorKind::UnexpectedEof),
        (ProtocolError::Peer(PeerError::MaskedFrame), ErrorKind::InvalidData),
        (ProtocolError::Limit(LimitError::MessageTooLong), ErrorKind::InvalidData),
        (ProtocolError::Timeout(TimeoutError::KeepAlive), ErrorKind::TimedOut),
        (ProtocolError::Misuse(MisuseError::WrongInbox), ErrorKind::InvalidInput),
    ] {
        let io = Error::from(error);
        assert_eq!(io.kind(), kind);
        assert_eq!(io.get_ref().unwrap().downcast_ref::<ProtocolError>(), Some(&error));
    }
    assert_eq!(Error::from(SendError::Closed).kind(), ErrorKind::NotConnected);
    assert_eq!(Error::from(SendError::Full).kind(), ErrorKind::WouldBlock);
}

/// Each getter returns the value of its setter, and the defaults are those of the tables.
#[test]
fn config_getters() {
    let ms = Duration::from_millis;
    for role in BOTH {
        let config = preset(role).build().unwrap();
        assert_eq!(config.max_message_len(), 16 << 20);
        assert_eq!(config.max_unsent(), 1 << 20);
        assert_eq!(config.max_head_len(), 16 << 10);
        assert_eq!(config.max_head_fields(), 100);
        assert_eq!(config.max_refusal_body_len(), 64 << 10);
        assert_eq!(config.handshake_timeout(), ms(10_000));
        assert_eq!(config.close_timeout(), ms(5000));
        assert_eq!(config.linger_timeout(), ms(2000));
        assert_eq!(config.write_timeout(), ms(60_000));
        assert_eq!(config.message_timeout(), None);
        assert_eq!(config.keep_alive_interval(), Some(ms(30_000)));
        assert_eq!(config.keep_alive_timeout(), None);
        assert_eq!(config.high_water_mark(), 64 << 10);
        assert_eq!(config.delivery(), Delivery::Whole);
        assert_eq!(config.entropy().is_some(), role == Role::Client);

        let config = preset(role)
            .max_message_len(1)
            .max_unsent(20)
            .max_head_len(3)
            .max_head_fields(4)
            .max_refusal_body_len(0)
            .handshake_timeout(ms(5))
            .close_timeout(ms(6))
            .linger_timeout(ms(7))
            .write_timeout(ms(8))
            .message_timeout(Some(ms(9)))
            .keep_alive(Some(ms(10)), Some(ms(11)))
            .high_water_mark(2)
            .delivery(Delivery::Parts)
            .build()
            .unwrap();
        assert_eq!(config.max_message_len(), 1);
        assert_eq!(config.max_unsent(), 20);
        assert_eq!(config.max_head_len(), 3);
        assert_eq!(config.max_head_fields(), 4);
        assert_eq!(config.max_refusal_body_len(), 0);
        assert_eq!(config.handshake_timeout(), ms(5));
        assert_eq!(config.close_timeout(), ms(6));
        assert_eq!(config.linger_timeout(), ms(7));
        assert_eq!(config.write_timeout(), ms(8));
        assert_eq!(config.message_timeout(), Some(ms(9)));
        assert_eq!(config.keep_alive_interval(), Some(ms(10)));
        assert_eq!(config.keep_alive_timeout(), Some(ms(11)));
        assert_eq!(config.high_water_mark(), 2);
        assert_eq!(config.delivery(), Delivery::Parts);
        // The last call takes effect.
        let config = preset(role).high_water_mark(2).high_water_mark(3).keep_alive(None, None);
        let config = config.build().unwrap();
        assert_eq!((config.high_water_mark(), config.keep_alive_interval()), (3, None));
    }
}

/// Getters of roles, settings and the rest.
#[test]
fn getters() {
    for role in BOTH {
        let config = preset(role).max_message_len(7).build().unwrap();
        let conn = Connection::new(role, &config, &Negotiated::new(), at_ms(0));
        assert_eq!(conn.role(), role);
        assert!(format!("{:?}", conn.config()).contains("max_message_len: 7"));
        assert!(conn.is_open() && !conn.is_closed());
        assert_eq!((conn.error(), conn.close_status(), conn.stats()), (None, None, None));
    }
    assert_eq!(Instant::from_micros(5).as_micros(), 5);
    assert_eq!(at_ms(1).checked_add(Duration::from_secs(1)), Some(at_ms(1001)));
    #[cfg(feature = "std")]
    {
        let now = Instant::now();
        assert!(Instant::now() >= now);
        assert!(now.into_std().is_some());
    }
}
