//! `Message`, which has the form of the message types of tungstenite and axum, and
//! `OwnedCloseFrame`.

use core::fmt::Write;

use bytes::{Bytes, BytesMut};
use sansocket::connection::OwnedEvent;
use sansocket::message::{Data, OwnedCloseFrame, OwnedData, Utf8Bytes};
use sansocket::{CloseCode, CloseFrame, Event, Message};

const TEXT: &str = "t\u{e4}xt";

/// One of each variant, with its payload.
fn all() -> Vec<(Message, &'static [u8])> {
    let close = OwnedCloseFrame::new(CloseCode::GOING_AWAY, TEXT);
    vec![
        (Message::text(TEXT), TEXT.as_bytes()),
        (Message::text(""), b""),
        (Message::binary(TEXT), TEXT.as_bytes()),
        (Message::binary(vec![1, 2, 0xff]), &[1, 2, 0xff]),
        (Message::Ping(Bytes::from_static(b"ping")), b"ping"),
        (Message::Ping(Bytes::from_static(b"\xc3")), b"\xc3"),
        (Message::Pong(Bytes::from_static(b"\x80")), b"\x80"),
        (Message::Pong(Bytes::new()), b""),
        (Message::Close(Some(close)), TEXT.as_bytes()),
        (Message::Close(None), b""),
    ]
}

#[test]
fn the_payload_in_every_form() {
    for (message, payload) in all() {
        let text = core::str::from_utf8(payload);
        assert_eq!(message.to_text(), text, "{message:?}");
        assert_eq!(message.clone().into_text(), text.map(Utf8Bytes::from), "{message:?}");
        assert_eq!((message.len(), message.is_empty()), (payload.len(), payload.is_empty()));
        assert_eq!(Vec::from(message.clone()), payload);
        assert_eq!(Bytes::from(message.clone()), payload);
        assert_eq!(message.into_data(), payload);
    }
}

#[test]
fn the_kind() {
    for (message, _) in all() {
        let is = [
            message.is_text(),
            message.is_binary(),
            message.is_ping(),
            message.is_pong(),
            message.is_close(),
        ];
        // Without a wildcard: the enum is exhaustive, as axum's.
        let (place, data) = match &message {
            Message::Text(text) => (0, Some(Data::Text(text))),
            Message::Binary(bytes) => (1, Some(Data::Binary(bytes))),
            Message::Ping(_) => (2, None),
            Message::Pong(_) => (3, None),
            Message::Close(_) => (4, None),
        };
        assert_eq!(is, core::array::from_fn(|i| i == place), "{message:?}");
        assert_eq!(message.as_data(), data);
    }
}

#[test]
fn conversions_into_a_message() {
    let owned = String::from(TEXT);
    let text = Message::Text(Utf8Bytes::from_static(TEXT));
    assert_eq!(Message::from(TEXT), text);
    assert_eq!(Message::from(&owned[..]), text);
    assert_eq!(Message::from(&owned), text);
    assert_eq!(Message::from(Utf8Bytes::from(TEXT)), text);
    assert_eq!(Message::text(&owned), text);
    assert_eq!(Message::from(OwnedData::text(TEXT)), text);
    assert_eq!(Message::from(owned), text);
    let binary = Message::Binary(Bytes::from_static(b"\x01\xff"));
    assert_eq!(Message::from(&[1, 0xff][..]), binary);
    assert_eq!(Message::from(vec![1, 0xff]), binary);
    assert_eq!(Message::from(Bytes::from_static(b"\x01\xff")), binary);
    assert_eq!(Message::from(OwnedData::binary(vec![1, 0xff])), binary);
    assert_eq!(Message::binary(BytesMut::from(&b"\x01\xff"[..])), binary);
}

#[test]
fn every_event_converts_into_a_message() {
    let close = CloseFrame { code: CloseCode::new(4000), reason: TEXT };
    for (event, message) in [
        (Event::Text(TEXT), Message::text(TEXT)),
        (Event::Binary(b"\xff"), Message::binary(vec![0xff])),
        (Event::Part { data: Data::Text(TEXT), start: false, end: true }, Message::text(TEXT)),
        (Event::Ping(b"p"), Message::Ping("p".into())),
        (Event::Pong(b"p"), Message::Pong("p".into())),
        (Event::Close(None), Message::Close(None)),
        (Event::Close(Some(close)), Message::Close(Some(close.into()))),
    ] {
        assert_eq!(Message::from(OwnedEvent::from(event)), message);
    }
}

#[test]
fn large_payloads_are_moved_without_a_copy() {
    let bytes = vec![b'x'; 100_000];
    let place = bytes.as_ptr();
    let message = Message::from(bytes);
    assert_eq!(message.clone().into_text().unwrap().as_ptr(), place);
    let message = Message::Text(message.into_text().unwrap());
    assert_eq!(message.to_text().unwrap().as_ptr(), place);
    let bytes = message.into_data();
    assert_eq!(bytes.as_ptr(), place);
    let bytes = Vec::from(Message::from(bytes));
    assert_eq!(bytes.as_ptr(), place);
    let data = OwnedData::binary(vec![1, 2]);
    let place = data.as_data().as_bytes().as_ptr();
    assert_eq!(data.into_bytes().as_ptr(), place);
}

#[test]
fn display_shows_the_text_or_the_length() {
    for (message, shown) in [
        (Message::text(TEXT), TEXT),
        (Message::binary("text"), "text"),
        (Message::binary(vec![0xff; 5]), "5 bytes"),
        (Message::Ping(Bytes::from_static(b"p")), "p"),
        (Message::Close(None), ""),
        (Message::Close(Some(OwnedCloseFrame::new(CloseCode::NORMAL, ""))), "1000"),
        (Message::Close(Some(OwnedCloseFrame::new(CloseCode::NORMAL, TEXT))), "1000 (t\u{e4}xt)"),
    ] {
        assert_eq!(message.to_string(), shown);
    }
}

#[test]
fn close_frames_compare_and_convert_in_both_forms() {
    let owned = OwnedCloseFrame { code: CloseCode::NORMAL, reason: TEXT.into() };
    let lent = CloseFrame { code: CloseCode::NORMAL, reason: TEXT };
    assert_eq!(owned, OwnedCloseFrame::new(1000.into(), TEXT));
    assert_eq!(owned, OwnedCloseFrame::new(1000.into(), String::from(TEXT)));
    assert_eq!(owned, OwnedCloseFrame::from(lent));
    assert_eq!(owned.as_close_frame(), lent);
    assert_eq!([owned == lent, lent == owned], [true; 2]);
    for other in [
        CloseFrame { code: CloseCode::GOING_AWAY, reason: TEXT },
        CloseFrame { code: CloseCode::NORMAL, reason: "" },
    ] {
        assert_eq!([owned == other, other == owned], [false; 2]);
    }
    assert_eq!(lent.to_string(), owned.to_string());
}

/// A handler as users of axum write it: only the imports differ.
#[test]
fn a_handler_for_axum_compiles() {
    use sansocket::message::OwnedCloseFrame as CloseFrame;

    fn process(message: Message, log: &mut String) -> bool {
        match message {
            Message::Text(text) => writeln!(log, "text {text}").unwrap(),
            Message::Binary(bytes) => writeln!(log, "{} bytes: {bytes:?}", bytes.len()).unwrap(),
            Message::Close(frame) => {
                if let Some(frame) = frame {
                    writeln!(log, "close {} {}", frame.code, frame.reason).unwrap();
                } else {
                    writeln!(log, "close").unwrap();
                }
                return false;
            }
            Message::Pong(payload) => writeln!(log, "pong {payload:?}").unwrap(),
            Message::Ping(payload) => writeln!(log, "ping {payload:?}").unwrap(),
        }
        true
    }

    let mut log = String::new();
    for i in 0..2 {
        assert!(process(Message::Text(format!("message {i}").into()), &mut log));
    }
    assert!(process(Message::Binary(Bytes::from_static(&[4, 2])), &mut log));
    assert!(process(Message::Ping("Hello".into()), &mut log));
    assert!(process(Message::Pong(vec![1].into()), &mut log));
    assert!(!process(Message::Close(None), &mut log));
    let frame = CloseFrame { code: CloseCode::NORMAL, reason: Utf8Bytes::from_static("Goodbye") };
    assert!(!process(Message::Close(Some(frame)), &mut log));
    assert_eq!(
        log,
        "text message 0\ntext message 1\n2 bytes: b\"\\x04\\x02\"\nping b\"Hello\"\npong b\"\\x01\"\n\
         close\nclose 1000 Goodbye\n"
    );
}
