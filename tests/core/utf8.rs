//! Text: valid and invalid, split at every byte, over fragments, in both deliveries, refused at the
//! first invalid byte.

use sansocket::Role;
use sansocket::config::Delivery;
use sansocket::connection::OwnedEvent;
use sansocket::error::{PeerError, ProtocolError};
use sansocket::message::OwnedData;

use crate::common::frame::sent;
use crate::common::{BOTH, End, Frame, model, preset};

const INVALID: ProtocolError = ProtocolError::Peer(PeerError::InvalidUtf8);

const VALID: [&str; 9] = [
    "",
    "plain",
    "\u{0}\u{7f}",
    "\u{80}\u{7ff}\u{800}\u{ffff}\u{10000}\u{10ffff}",
    "\u{d7ff}\u{e000}\u{fffe}\u{feff}",
    "a\u{e4}\u{20ac}\u{1f600}z",
    "\u{3ba}\u{1f79}\u{3c3}\u{3bc}\u{3b5}",
    "\u{1f600}\u{1f600}\u{1f600}",
    "\u{1f600}x",
];

/// Overlong forms, surrogates, values that are too large, and stray, missing and impossible bytes.
const INVALID_PIECES: [&[u8]; 22] = [
    b"\x80",
    b"\xbf",
    b"\xc0",
    b"\xc0\x80",
    b"\xc1\xbf",
    b"\xc3\x28",
    b"\xc3\xc3",
    b"\xe0\x80",
    b"\xe0\x9f\xbf",
    b"\xe2\x28\xa1",
    b"\xe2\x82\x28",
    b"\xed\xa0\x80",
    b"\xed\xbf\xbf",
    b"\xf0\x80\x80\x80",
    b"\xf0\x8f\xbf\xbf",
    b"\xf0\x9f\x98\x28",
    b"\xf4\x90\x80\x80",
    b"\xf5\x80\x80\x80",
    b"\xf8\x88\x80\x80\x80",
    b"\xfe",
    b"\xff",
    b"\xed\xa0\x80\xed\xb0\x80",
];

/// A text as one message of two frames, split at `cut`; at the end of the text it is one frame.
fn frames(text: &[u8], cut: usize) -> Vec<Frame> {
    vec![Frame::text(&text[..cut]).not_fin(), Frame::cont(&text[cut..])]
}

fn wire(role: Role, frames: &[Frame]) -> Vec<u8> {
    frames.iter().flat_map(|frame| frame.clone().to(role).bytes()).collect()
}

/// The delivered text, and whether its message is complete.
fn text_of(events: &[OwnedEvent]) -> (String, bool) {
    let (mut text, mut complete) = (String::new(), false);
    for (i, event) in events.iter().enumerate() {
        match event {
            OwnedEvent::Message(OwnedData::Text(message)) => {
                text.push_str(message);
                complete = true;
            }
            OwnedEvent::Part { data: OwnedData::Text(data), start, end } => {
                assert_eq!(*start, i == 0);
                text.push_str(data);
                complete = *end;
            }
            _ => panic!("{event:?}"),
        }
    }
    (text, complete)
}

#[test]
fn f12_valid_texts_split_at_every_byte_over_fragments_in_both_deliveries() {
    for role in BOTH {
        for delivery in [Delivery::Whole, Delivery::Parts] {
            let config = preset(role).delivery(delivery).build().unwrap();
            for text in VALID {
                for fragment in 0..=text.len() {
                    let input = wire(role, &frames(text.as_bytes(), fragment));
                    for cut in 0..=input.len() {
                        let mut end = End::new(role, &config);
                        end.feed_cut(&input, &[cut]).unwrap();
                        assert_eq!(text_of(&end.events), (text.to_owned(), true));
                    }
                    for chunk_len in 1..=input.len().min(8) {
                        let mut end = End::new(role, &config);
                        end.feed_in_chunks(&input, chunk_len).unwrap();
                        assert_eq!(text_of(&end.events), (text.to_owned(), true));
                    }
                }
                // Every byte in its own fragment, with empty ones between.
                let mut many = vec![Frame::text("").not_fin()];
                for byte in text.bytes() {
                    many.push(Frame::cont([byte]).not_fin());
                    many.push(Frame::cont("").not_fin());
                    many.push(Frame::ping(""));
                }
                many.push(Frame::cont(""));
                let mut end = End::new(role, &config);
                end.feed(&wire(role, &many)).unwrap();
                end.events.retain(|event| !matches!(event, OwnedEvent::Ping(_)));
                assert_eq!(text_of(&end.events), (text.to_owned(), true));
            }
        }
    }
}

/// Every scalar value, complete and split inside.
#[test]
fn f12_every_character() {
    // All of the first planes, some values of the others: a debug build is slow.
    let all: String = (0..0x1_1000)
        .chain((0x1_1000..=0x10_ffff).step_by(29))
        .filter_map(char::from_u32)
        .collect();
    for role in BOTH {
        for delivery in [Delivery::Whole, Delivery::Parts] {
            let config = preset(role).delivery(delivery).build().unwrap();
            let input = Frame::text(&all).to(role).bytes();
            for chunk_len in [input.len(), 65_537, 4099] {
                let mut end = End::new(role, &config);
                end.feed_in_chunks(&input, chunk_len).unwrap();
                assert!(text_of(&end.events) == (all.clone(), true), "{chunk_len}");
            }
        }
    }
}

/// F13, Q3: refused with 1007 at the first byte that can't continue a text, and not later, inside
/// an unfinished frame, too; the model has the index of that byte.
#[test]
fn f12_f13_q3_invalid_text_fails_at_the_first_invalid_byte() {
    for role in BOTH {
        for delivery in [Delivery::Whole, Delivery::Parts] {
            let config = preset(role).delivery(delivery).build().unwrap();
            for bad in INVALID_PIECES {
                for before in ["", "a", "\u{1f600}", &"x".repeat(70)] {
                    let text = [before.as_bytes(), bad, b"after"].concat();
                    let valid = model::valid_text_len(&text).unwrap_err();
                    for fragment in 0..=text.len().min(before.len() + 5) {
                        // The frame announces more payload than it has.
                        let all = frames(&text, fragment);
                        let long = Frame::cont(&text[fragment..]).announce(10_000).to(role);
                        let input = [all[0].clone().to(role).bytes(), long.bytes()].concat();
                        let expected = model::receive(role, 16 << 20, &input);
                        let Some((at, INVALID)) = expected.error else { panic!("{expected:?}") };

                        let mut end = End::new(role, &config);
                        assert_eq!(end.feed_bytes(&input), Err((at, INVALID)), "{text:x?}");
                        assert_eq!(sent(role, &end.out), [Frame::close(1007, "")]);
                        if delivery == Delivery::Parts {
                            assert_eq!(text_of(&end.events).0.as_bytes(), &text[..valid]);
                        } else {
                            assert!(end.events.is_empty());
                        }
                        for cut in (0..=input.len()).skip(input.len().saturating_sub(16)) {
                            let mut end = End::new(role, &config);
                            assert_eq!(end.feed_cut(&input, &[cut]), Err(INVALID));
                            let (seen, complete) = text_of(&end.events);
                            assert!(!complete);
                            if delivery == Delivery::Parts {
                                assert_eq!(seen.as_bytes(), &text[..valid]);
                            }
                        }
                    }
                    // Complete in one frame: the fast path.
                    for frame in
                        [Frame::text(&text), Frame::text(&text[..before.len() + bad.len()])]
                    {
                        let mut end = End::new(role, &config);
                        assert_eq!(end.feed(&frame.to(role).bytes()), Err(INVALID));
                        assert_eq!(sent(role, &end.out), [Frame::close(1007, "")]);
                    }
                }
            }
        }
    }
}

/// F13: every byte after every beginning of a character, refused on arrival.
#[test]
fn f13_q3_every_next_byte_after_every_incomplete_character() {
    let beginnings: Vec<Vec<u8>> =
        ["\u{e4}", "\u{800}", "\u{d7ff}", "\u{20ac}", "\u{10000}", "\u{1f600}", "\u{10ffff}"]
            .iter()
            .flat_map(|c| (1..c.len()).map(|n| c.as_bytes()[..n].to_vec()))
            .collect();
    for role in BOTH {
        for delivery in [Delivery::Whole, Delivery::Parts] {
            let config = preset(role).delivery(delivery).build().unwrap();
            for beginning in &beginnings {
                for next in 0..=255_u8 {
                    let text = [&beginning[..], &[next]].concat();
                    let legal = model::valid_text_len(&text).is_ok();
                    let input = Frame::text(&text).announce(100).to(role).bytes();
                    for cut in [0, input.len() - 1] {
                        let mut end = End::new(role, &config);
                        let result = end.feed_cut(&input, &[cut]);
                        assert_eq!(result, if legal { Ok(()) } else { Err(INVALID) }, "{text:x?}");
                    }
                }
            }
        }
    }
}

/// V40: a text that ends inside a character, with and without an empty last fragment.
#[test]
fn v40_f12_a_text_that_ends_inside_a_character() {
    for role in BOTH {
        for delivery in [Delivery::Whole, Delivery::Parts] {
            let config = preset(role).delivery(delivery).build().unwrap();
            for character in ["\u{e4}", "\u{20ac}", "\u{1f600}"] {
                for n in 1..character.len() {
                    for before in ["", "ab", &"x".repeat(200)] {
                        let text = [before.as_bytes(), &character.as_bytes()[..n]].concat();
                        for all in [
                            vec![Frame::text(&text)],
                            vec![Frame::text(&text).not_fin(), Frame::cont("")],
                            vec![
                                Frame::text(&text).not_fin(),
                                Frame::cont("").not_fin(),
                                Frame::cont("").not_fin(),
                                Frame::cont(""),
                            ],
                            frames(&text, text.len() - 1),
                            frames(&text, 0),
                        ] {
                            let input = wire(role, &all);
                            for chunk_len in [1, 2, 3, input.len()] {
                                let mut end = End::new(role, &config);
                                assert_eq!(
                                    end.feed_in_chunks(&input, chunk_len),
                                    Err(INVALID),
                                    "{all:?}"
                                );
                                assert_eq!(sent(role, &end.out), [Frame::close(1007, "")]);
                                let (seen, complete) = text_of(&end.events);
                                assert!(!complete);
                                if delivery == Delivery::Parts {
                                    assert_eq!(seen, before);
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The end of a message resets an unfinished character: it has no effect on the next message or a
/// binary one. Control frames in between don't change it.
#[test]
fn f12_characters_stay_within_their_message() {
    for role in BOTH {
        for delivery in [Delivery::Whole, Delivery::Parts] {
            let config = preset(role).delivery(delivery).build().unwrap();
            let mut end = End::new(role, &config);
            let input = wire(
                role,
                &[
                    Frame::text(b"\xe2").not_fin(),
                    Frame::ping(b"\xff\xfe"),
                    Frame::cont(b"\x82").not_fin(),
                    Frame::pong(b"\xc3"),
                    Frame::cont(b"\xac"),
                    Frame::binary(b"\xe2").not_fin(),
                    Frame::cont(b"\xff"),
                    Frame::text("x"),
                ],
            );
            for byte in input {
                end.feed(&[byte]).unwrap();
            }
            let mut text = String::new();
            for event in &end.events {
                match event {
                    OwnedEvent::Message(OwnedData::Text(part))
                    | OwnedEvent::Part { data: OwnedData::Text(part), .. } => text.push_str(part),
                    _ => {}
                }
            }
            assert_eq!(text, "\u{20ac}x");
        }
    }
}

/// F13: invalid bytes at any position of a long text, around the lengths at which other loops are
/// used.
#[test]
fn f12_one_invalid_byte_at_any_position_of_a_long_text() {
    for role in BOTH {
        for len in [31, 32, 63, 64, 65, 127, 128, 200, 2047, 2048, 2049, 4100] {
            let step = if len < 300 { 1 } else { 61 };
            for at in (0..len).step_by(step).chain([len - 1]) {
                for bad in [0x80, 0xc3, 0xff] {
                    let mut text = vec![b'x'; len];
                    text[at] = bad;
                    let input = Frame::text(&text).to(role).bytes();
                    let mut at_once = End::preset(role);
                    assert_eq!(at_once.feed(&input), Err(INVALID), "{len} {at}");
                    let mut cut = End::preset(role);
                    assert_eq!(cut.feed_in_chunks(&input, 33), Err(INVALID), "{len} {at}");
                    // A binary message may contain any bytes.
                    let mut binary = End::preset(role);
                    binary.feed(&Frame::binary(&text).to(role).bytes()).unwrap();
                }
            }
        }
    }
}
