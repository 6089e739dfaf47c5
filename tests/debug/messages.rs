//! Connections, inboxes, inputs and prepared messages; and values, which show their data.

use core::fmt::Debug;

use bytes::Bytes;
use sansocket::config::Delivery;
use sansocket::connection::{Negotiated, OwnedEvent};
use sansocket::message::{Data, OwnedCloseFrame, OwnedData, SendOptions, Utf8Bytes};
use sansocket::{CloseCode, CloseFrame, Event, Input, Message, Prepared, Role};

use crate::common::shown::note_type;
use crate::common::{BOTH, End, Frame, at_ms, entropy, preset, reseed};
use crate::debug::secrets::{add_end, check};

#[test]
fn unfinished_messages_in_every_state() {
    for role in BOTH {
        for delivery in [Delivery::Whole, Delivery::Parts] {
            check(|secrets, shown| {
                let config = preset(role).delivery(delivery).build().unwrap();
                let cut_text = [secrets.bytes(), secrets.char.to_string().as_bytes()].concat();
                for (name, frame) in [
                    ("text", Frame::text(secrets.bytes())),
                    ("text that ends in a long character", Frame::text(&cut_text)),
                    ("binary", Frame::binary(secrets.bytes())),
                    ("fragment", Frame::binary(secrets.bytes()).not_fin()),
                    ("ping", Frame::ping(secrets.short())),
                    ("pong", Frame::pong(secrets.short())),
                    ("close", Frame::close(4321, secrets.short())),
                ] {
                    let wire = secrets.wire(frame, role);
                    for at in [1, 5, 7, 50, wire.len() - 1, wire.len()] {
                        let mut end = End::new(role, &config);
                        end.conn.enable_stats();
                        end.feed(&wire[..at]).unwrap();
                        let name = format!("{name}, {at} bytes");
                        add_end(shown, &name, &end);
                        if let Some(room) = end.conn.direct_room(&mut end.inbox) {
                            let n = room.len().min(secrets.bytes().len()).min(10);
                            room[..n].copy_from_slice(&secrets.bytes()[..n]);
                            // Not received: the bytes after the message aren't shown either.
                            add_end(shown, &format!("{name}, read directly"), &end);
                        }
                        // The data stays in the buffer until it is replaced.
                        let rest = [&wire[at..], &secrets.wire(Frame::ping(""), role)].concat();
                        end.feed_owned(&rest).unwrap();
                        add_end(shown, &format!("{name}, and more"), &end);
                    }
                }
            });
        }
    }
}

#[test]
pub(crate) fn messages_sent_in_every_form() {
    for role in BOTH {
        check(|secrets, shown| {
            let config = preset(role).max_unsent(20_000).high_water_mark(10_000).build().unwrap();
            let mut end = End::new(role, &config);
            let text = secrets.text.as_str();
            end.conn.send_text(text, &mut end.out).unwrap();
            end.conn.send_part(Data::Text(text), false, SendOptions::new(), &mut end.out).unwrap();
            end.conn.send_ping(secrets.short(), &mut end.out).unwrap();
            add_end(shown, "sent", &end);
            // A pong that is pending until there is room.
            end.conn.send_part(Data::Text(text), true, SendOptions::new(), &mut end.out).unwrap();
            end.conn.send_binary(&[0; 21_000], &mut end.out).unwrap();
            end.feed(&secrets.wire(Frame::ping(secrets.short()), role)).unwrap();
            add_end(shown, "a pending pong", &end);
            let reason = core::str::from_utf8(secrets.short()).unwrap();
            end.conn.close(CloseCode::NORMAL, reason, at_ms(0), &mut end.out).unwrap();
            add_end(shown, "closing", &end);
            end.feed(&secrets.wire(Frame::close(1000, secrets.short()), role)).unwrap();
            add_end(shown, "closed", &end);
        });
    }
}

#[test]
pub(crate) fn mask_keys() {
    check(|secrets, shown| {
        let mut end = End::preset(Role::Client);
        reseed(u64::from(secrets.key[0]));
        let keys: Vec<u8> = (0..8).flat_map(|_| entropy::next().to_le_bytes()).collect();
        reseed(u64::from(secrets.key[0]));
        end.conn.send_text("x", &mut end.out).unwrap();
        add_end(shown, "keys", &end);
        shown.add("config", end.conn.config());
        shown.assert_hides(&[&keys]);
    });
}

#[test]
pub(crate) fn inputs_prepared_messages_and_negotiated_values() {
    check(|secrets, shown| {
        let mut wire = secrets.wire(Frame::text(secrets.bytes()), Role::Server);
        shown.add("input", &Input::new(at_ms(0), &mut wire));
        let mut end = End::preset(Role::Server);
        let mut input = Input::new(at_ms(0), &mut wire);
        let mut ping = secrets.wire(Frame::ping(""), Role::Server);
        assert!(end.conn.receive(&mut input, &mut end.inbox, &mut end.out).unwrap().is_some());
        shown.add("input used up", &input);
        shown.add("input of a ping", &Input::new(at_ms(0), &mut ping));
        shown.add("prepared text", &Prepared::text(&secrets.text));
        shown.add("prepared binary", &Prepared::binary(secrets.bytes()));
        // Some clients send their token as a subprotocol, since a browser has no other place for
        // it.
        let negotiated = Negotiated::new().with_subprotocol(&secrets.text);
        shown.add("negotiated", &negotiated);
        add_end(shown, "subprotocol", &End::agreed(Role::Server, end.conn.config(), &negotiated));
    });
}

/// Values that the caller has requested show their data.
#[test]
pub(crate) fn values_show_their_data() {
    fn shows(value: &impl Debug) {
        note_type(value);
        let shown = format!("{value:?}");
        // Borrowed bytes are shown as a list of numbers.
        let numbers = "[115, 101, 99, 114, 101, 116]";
        assert!(shown.contains("secret") || shown.contains(numbers), "{shown}");
    }
    let close = CloseFrame { code: CloseCode::new(4000), reason: "secret" };
    let data = Data::Text("secret");
    shows(&Event::Text("secret"));
    shows(&Event::Binary(b"secret"));
    shows(&Event::Ping(b"secret"));
    shows(&Event::Part { data, start: true, end: true });
    shows(&Event::Close(Some(close)));
    shows(&data);
    shows(&close);
    shows(&OwnedCloseFrame::from(close));
    shows(&OwnedData::from(data));
    shows(&OwnedData::binary("secret"));
    shows(&OwnedEvent::from(Event::Ping(b"secret")));
    shows(&OwnedEvent::Message(OwnedData::text("secret")));
    shows(&Message::text("secret"));
    shows(&Message::Pong(Bytes::from_static(b"secret")));
    shows(&Utf8Bytes::from_static("secret"));
    let mut end = End::preset(Role::Client);
    end.feed(&Frame::close(4000, "secret").bytes()).unwrap();
    shows(&end.conn.close_status().unwrap());
}
