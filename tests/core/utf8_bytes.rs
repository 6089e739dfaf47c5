//! `Utf8Bytes`: constructors, comparisons and shared memory; it only ever contains UTF-8.
//!
//! Its `Deref` has a line of `unsafe`. So these tests run under Miri, too, in seconds:
//! `cargo +nightly miri test --test protocol core::utf8_bytes::`.

use core::hash::{Hash, Hasher};
use std::collections::HashMap;
use std::hash::DefaultHasher;

use bytes::{Bytes, BytesMut};
use sansocket::Role;
use sansocket::config::Delivery;
use sansocket::connection::OwnedEvent;
use sansocket::message::{Data, OwnedData, Utf8Bytes};

use crate::common::{End, Frame, preset};

/// Characters of every length, long enough for the vector loops.
const TEXT: &str = "a\u{e4}\u{20ac}\u{1f600} and then enough plain text for a validation that takes 64 \
                    bytes at once: \u{3ba}\u{1f79}\u{3c3}\u{3bc}\u{3b5} \u{1f600}\u{20ac}\u{e4}";

/// Short, since a test makes a connection for each of its bytes.
const SHORT: &str = "a\u{e4}\u{20ac}\u{1f600}z\u{1f600}";

/// Each is invalid from its first byte on, or an incomplete text.
const INVALID: [&[u8]; 8] = [
    b"\x80",
    b"\xc0\x80",
    b"\xc3",
    b"\xe2\x82",
    b"\xed\xa0\x80",
    b"\xf0\x9f\x98",
    b"\xf5",
    b"\xff",
];

const STATIC: Utf8Bytes = Utf8Bytes::from_static(TEXT);

fn hash(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

#[test]
fn every_constructor_gives_the_same_text() {
    for text in ["", "a", SHORT, TEXT] {
        let owned = String::from(text);
        let made = [
            Utf8Bytes::from(text),
            Utf8Bytes::from(&owned),
            Utf8Bytes::from(owned.clone()),
            Utf8Bytes::try_from(Bytes::copy_from_slice(text.as_bytes())).unwrap(),
            Utf8Bytes::try_from(BytesMut::from(text)).unwrap(),
            Utf8Bytes::try_from(Vec::from(text)).unwrap(),
            Utf8Bytes::from(text).clone(),
        ];
        for made in made {
            assert_eq!(made.as_str(), text);
            assert_eq!(&*made, text);
            assert_eq!(AsRef::<str>::as_ref(&made), text);
            assert_eq!(AsRef::<[u8]>::as_ref(&made), text.as_bytes());
            assert_eq!(made.to_string(), text);
            assert_eq!(
                made.chars().rev().collect::<String>(),
                text.chars().rev().collect::<String>()
            );
            assert_eq!(Bytes::from(made.clone()), text.as_bytes());
            assert_eq!(made.into_bytes(), text.as_bytes());
        }
    }
    assert_eq!(Utf8Bytes::default(), "");
    assert_eq!(format!("{:?}", Utf8Bytes::from("\"q\"")), r#""\"q\"""#);
}

#[test]
fn a_static_text_and_a_string_keep_their_memory_and_a_borrowed_one_is_copied() {
    let text = STATIC;
    let clone = text.clone();
    assert_eq!([text.as_ptr(), clone.as_ptr()], [TEXT.as_ptr(); 2]);
    let owned = String::from(TEXT);
    let place = owned.as_ptr();
    let text = Utf8Bytes::from(owned);
    let clone = text.clone();
    assert_eq!([text.as_ptr(), clone.as_ptr()], [place; 2]);
    assert_eq!(text.into_bytes().as_ptr(), place);
    // From a text of any lifetime.
    let text = {
        let short_lived = String::from(TEXT);
        Utf8Bytes::from(&short_lived[1..])
    };
    assert_eq!(text, &TEXT[1..]);
}

#[test]
fn comparisons_are_those_of_the_other_text_types() {
    let text = Utf8Bytes::from(TEXT);
    for other in [TEXT, SHORT, ""] {
        let (owned, same) = (String::from(other), other == TEXT);
        assert_eq!([text == *other, *other == text], [same; 2]);
        assert_eq!([text == other, other == text], [same; 2]);
        assert_eq!([text == owned, owned == text], [same; 2]);
    }
    let mut sorted = ["b", "\u{1f600}", "", "\u{e4}", "a\u{20ac}", "a"].map(Utf8Bytes::from);
    sorted.sort();
    assert_eq!(sorted, ["", "a", "a\u{20ac}", "b", "\u{e4}", "\u{1f600}"]);
}

#[test]
fn the_hash_is_that_of_the_bytes() {
    for text in ["", SHORT, TEXT] {
        assert_eq!(hash(&Utf8Bytes::from(text)), hash(&Bytes::from(text)));
    }
    let map = HashMap::from([(STATIC, 1), (Utf8Bytes::from("other"), 2)]);
    assert_eq!(map.get(&Utf8Bytes::from(TEXT)), Some(&1));
}

#[test]
fn invalid_text_is_refused_with_its_position() {
    for invalid in INVALID {
        for before in ["", "x", SHORT, TEXT] {
            for after in ["", "x", TEXT] {
                let bytes = [before.as_bytes(), invalid, after.as_bytes()].concat();
                let error = core::str::from_utf8(&bytes).unwrap_err();
                assert_eq!(error.valid_up_to(), before.len());
                assert_eq!(Utf8Bytes::try_from(bytes.clone()), Err(error));
                assert_eq!(Utf8Bytes::try_from(BytesMut::from(&bytes[..])), Err(error));
                assert_eq!(Utf8Bytes::try_from(Bytes::from(bytes)), Err(error));
            }
        }
    }
}

#[test]
fn slices_are_text_at_character_boundaries() {
    let shared = Bytes::from(Vec::from(TEXT));
    let mut kept = Vec::new();
    for start in 0..=SHORT.len() {
        for end in start + 1..=SHORT.len() {
            let slice = Utf8Bytes::try_from(shared.slice(start..end));
            match TEXT.get(start..end) {
                Some(text) => kept.push((slice.unwrap(), text)),
                None => assert!(slice.is_err(), "{start}..{end}"),
            }
        }
    }
    // They stay valid after the others are dropped, at any position.
    drop(shared);
    let half = kept.split_off(kept.len() / 2);
    let other = std::thread::spawn(move || {
        for (slice, text) in &half {
            assert_eq!(slice, text);
        }
    });
    for (slice, text) in kept.into_iter().rev() {
        assert_eq!(slice.as_str(), text);
    }
    other.join().unwrap();
}

#[test]
fn no_other_owner_of_the_bytes_can_write_to_them() {
    let texts = [
        Utf8Bytes::from(TEXT),
        Utf8Bytes::from(String::from(TEXT)),
        Utf8Bytes::try_from(Vec::from(TEXT)).unwrap(),
        Utf8Bytes::try_from(BytesMut::from(TEXT)).unwrap(),
        STATIC,
    ];
    for text in texts {
        let clone = text.as_bytes().clone();
        assert!(clone.try_into_mut().is_err());
        let mut copy = BytesMut::from(text.as_bytes().clone());
        copy.fill(0xff);
        assert_eq!(text, TEXT);
    }
    // A sole owner can, after the text has been converted back into bytes.
    let bytes = Utf8Bytes::from(TEXT).into_bytes();
    let mut bytes = bytes.try_into_mut().unwrap();
    bytes.fill(b'x');
}

/// The text of the received events, which must be complete messages or parts of one.
fn joined(events: &[OwnedEvent]) -> String {
    let text = |event: &OwnedEvent| match event {
        OwnedEvent::Message(OwnedData::Text(text))
        | OwnedEvent::Part { data: OwnedData::Text(text), .. } => String::from(text.as_str()),
        _ => panic!("{event:?}"),
    };
    events.iter().map(text).collect()
}

/// Feeds `wire` in two reads split at any byte, and byte by byte, and keeps the events while the
/// inbox receives the next message.
fn received_in_every_split(text: &str, wire: &[u8], end: impl Fn(Delivery) -> End) {
    for delivery in [Delivery::Whole, Delivery::Parts] {
        // Miri is slow, and the reads byte by byte cover every split.
        for cut in (0..=wire.len()).step_by(if cfg!(miri) { 5 } else { 1 }) {
            let mut end = end(delivery);
            for bytes in [&wire[..cut], &wire[cut..]] {
                end.feed_owned(bytes).unwrap();
            }
            assert_eq!(joined(&end.events), text, "cut at {cut}");
        }
        let mut end = end(delivery);
        for byte in wire {
            end.feed_owned(&[*byte]).unwrap();
        }
        let first = end.take_events();
        let next = Frame::text("the next message, in the same inbox").to(end.conn.role()).bytes();
        for byte in &next {
            end.feed_owned(&[*byte]).unwrap();
        }
        end.inbox.shrink();
        assert_eq!(joined(&first), text);
        assert_eq!(joined(&end.events), "the next message, in the same inbox");
    }
}

#[test]
fn text_received_in_parts() {
    let role = Role::Server;
    let end = |delivery| End::new(role, &preset(role).delivery(delivery).build().unwrap());
    let input = Frame::text(SHORT).to(role).bytes();
    received_in_every_split(SHORT, &input, end);
    // Split inside characters by fragments.
    let (first, second) = SHORT.as_bytes().split_at(5);
    let mut fragments = Frame::text(first).not_fin().to(role).bytes();
    fragments.extend(Frame::cont(second).to(role).bytes());
    received_in_every_split(SHORT, &fragments, end);
}

#[cfg(feature = "deflate")]
#[test]
fn text_inflated_in_parts() {
    use crate::common::deflate::{Terms, compressed, payload};

    let role = Role::Client;
    let terms = Terms::default().bits(9);
    let end = |delivery| terms.end(role, &preset(role).delivery(delivery).build().unwrap());
    // With back-references, so that the decoder reads its own output.
    let text = SHORT.repeat(3);
    let payload = payload(text.as_bytes());
    let input = compressed(crate::common::frame::TEXT, &payload).to(role).bytes();
    received_in_every_split(&text, &input, end);
    let (first, second) = payload.split_at(payload.len() / 2);
    let mut fragments = compressed(crate::common::frame::TEXT, first).not_fin().to(role).bytes();
    fragments.extend(Frame::cont(second).to(role).bytes());
    received_in_every_split(&text, &fragments, end);
}

#[test]
fn text_copied_from_borrowed_data() {
    for text in ["", SHORT, TEXT] {
        let owned = OwnedData::from(Data::Text(text));
        assert_eq!(owned.as_data(), Data::Text(text));
        assert_eq!(owned, OwnedData::text(text));
    }
}
