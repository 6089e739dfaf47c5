//! The memory of compression in the budget: inflated messages, and the windows of both directions.

use core::num::NonZeroUsize;

use bytes::BytesMut;
use sansocket::config::{Delivery, MemoryBudget};
use sansocket::connection::OwnedEvent;
use sansocket::deflate::{Engine, Level, WindowBits};
use sansocket::error::{LimitError, ProtocolError};
use sansocket::message::{Data, OwnedData, SendOptions};
use sansocket::{Config, Entropy, Inbox, Prepared, Role};

use crate::alloc::count;
use crate::common::deflate::{Foreign, RSV1, Terms, chat, compressed, noise, payload};
use crate::common::frame::{self, BINARY, TEXT};
use crate::common::{BOTH, End, Frame, preset};

const OVER: ProtocolError = ProtocolError::Limit(LimitError::MemoryBudget);
const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

/// The fixed parts of a connection's state of compression, in bytes.
const FIXED: isize = 1500;

/// An end with memory charged to the budget. Keys are drawn from the thread's common block, as
/// outside of tests.
fn end(terms: Terms, role: Role, budget: &MemoryBudget) -> End {
    let builder = match role {
        Role::Server => Config::server(),
        Role::Client => Config::client(Entropy::os()),
    };
    terms.end(role, &builder.memory_budget(budget.clone()).build().unwrap())
}

/// An inbox that uses up this much of a budget.
fn fill(budget: &MemoryBudget, len: usize) -> Inbox {
    let config = preset(Role::Client).memory_budget(budget.clone()).build().unwrap();
    let mut end = End::new(Role::Client, &config);
    let frame = Frame::binary(vec![0; len]).bytes();
    end.feed(&frame[..frame.len() - 1]).unwrap();
    end.inbox
}

/// Carries the output of `from` to `to`. Returns the received messages, and whether each frame was
/// marked as compressed.
fn carry(from: &mut End, to: &mut End) -> (Vec<Vec<u8>>, Vec<bool>) {
    let out = from.take_out();
    let marks = frame::parse(&out).iter().map(|frame| frame.rsv == RSV1).collect();
    to.feed(&out).unwrap();
    let messages = to.take_events().into_iter().map(|event| match event {
        OwnedEvent::Message(OwnedData::Text(text)) => text.as_bytes().to_vec(),
        OwnedEvent::Message(OwnedData::Binary(bytes)) => bytes.to_vec(),
        event => panic!("{event:?}"),
    });
    (messages.collect(), marks)
}

/// Allocates the memory that the thread keeps for all its connections, before the count.
fn warm_up() {
    for role in BOTH {
        let mut from = Terms::default().preset(role);
        let mut to = Terms::default().preset(role.peer());
        for len in [100, 100_000] {
            let text = chat(len).repeat(len / 50);
            from.conn.send_text(&text, &mut from.out).unwrap();
            to.feed(&from.take_out()).unwrap();
        }
    }
}

/// The charge is the allocated memory, except for the fixed parts.
#[test]
fn windows_are_charged_at_their_capacity() {
    warm_up();
    for engine in [
        Engine::Native,
        #[cfg(feature = "miniz_oxide")]
        Engine::MinizOxide,
    ] {
        for role in BOTH {
            for (bits, takeover) in [(9, true), (12, true), (15, true), (15, false)] {
                if engine != Engine::Native && bits < 15 {
                    continue;
                }
                let terms = Terms { engine, ..Terms::default().bits(bits).takeover(takeover) };
                let budget = MemoryBudget::new(10 * MIB);
                let mut peer = terms.preset(role.peer());
                let mut end = end(terms, role, &budget);
                for n in 0..100 {
                    let text = chat(n).repeat(1 + n % 20);
                    peer.conn.send_text(&text, &mut peer.out).unwrap();
                    end.feed(&peer.take_out()).unwrap();
                    end.conn.send_text(&text, &mut end.out).unwrap();
                    peer.feed(&end.take_out()).unwrap();
                    peer.take_events();
                    end.take_events();
                    end.inbox.shrink();
                    assert!(budget.used() > 0 || !takeover);
                }
                end.out = BytesMut::new();
                end.events = Vec::new();
                let used = budget.used() as isize;
                let ((), counted) = count(|| drop(end));
                let heap = -counted.live;
                assert!(heap <= used + FIXED, "{engine:?} {bits}: {heap} of {used} charged");
                assert!(used <= heap + FIXED, "{engine:?} {bits}: {heap} of {used} charged");
                assert_eq!(used == 0, !takeover);
                assert_eq!(budget.used(), 0);
            }
        }
    }
}

/// Inside a message the window is kept without context takeover too.
#[test]
fn an_unfinished_compressed_message_is_charged() {
    for role in BOTH {
        for delivery in [Delivery::Whole, Delivery::Parts] {
            let terms = Terms::default().takeover(false);
            let budget = MemoryBudget::new(MIB);
            let config = preset(role).delivery(delivery).memory_budget(budget.clone()).build();
            let mut end = terms.end(role, &config.unwrap());
            let text: String = (0..2000).map(chat).collect();
            let frame = compressed(TEXT, payload(text.as_bytes())).to(role).bytes();
            let (first, last) = frame.split_at(frame.len() - 1);
            end.feed_in_chunks(first, 500).unwrap();
            let inbox = end.inbox.capacity();
            let rest = budget.used() - inbox;
            // The tables of a block; with parts also the window.
            let most = if delivery == Delivery::Parts { 40 * KIB } else { 8 * KIB };
            assert!((5 * KIB..=most).contains(&rest), "{delivery:?}: {rest} beside {inbox}");
            end.feed(last).unwrap();
            end.inbox.shrink();
            assert_eq!(budget.used(), 0);
        }
    }
}

/// Runs of zeros of any length, compressed.
fn bomb(len: usize) -> Vec<u8> {
    payload(&vec![0; len])
}

#[test]
fn forty_unfinished_bombs_stay_within_the_budget() {
    warm_up();
    let frame = compressed(BINARY, bomb(17_000_000)).to(Role::Server).bytes();
    // Everything except the end.
    let frame = &frame[..16_148];
    let budget = MemoryBudget::new(64 * MIB);
    let mut ends: Vec<End> =
        (0..40).map(|_| end(Terms::default(), Role::Server, &budget)).collect();
    let mut failed = 0;
    let ((), counted) = count(|| {
        // Each connection receives one part per turn.
        for chunk in frame.chunks(2000) {
            for end in &mut ends {
                if end.error.is_none() && end.feed(chunk).is_err() {
                    assert_eq!(end.error, Some(OVER));
                    end.out = BytesMut::new();
                    failed += 1;
                }
            }
        }
    });
    assert!((1..40).contains(&failed), "{failed}");
    assert!(counted.peak < 70 * MIB as isize, "{counted:?}");
    assert!(budget.used() > 30 * MIB, "{}", budget.used());
    // Other connections still receive messages of 64 KiB, and reply.
    let mut other = end(Terms::default(), Role::Server, &budget);
    let text = chat(1).repeat(1000)[..64 * KIB].to_owned();
    let mut foreign = Foreign::new();
    for opcode in [TEXT, BINARY, TEXT] {
        let frame = compressed(opcode, foreign.payload(text.as_bytes())).to(Role::Server).bytes();
        other.feed_in_chunks(&frame, 100).unwrap();
        other.conn.send_text(&text, &mut other.out).unwrap();
    }
    assert_eq!(other.take_events().len(), 3);
    drop((ends, other));
    assert_eq!(budget.used(), 0);
}

/// Each of them inflates as far as the others leave memory.
#[test]
fn forty_bombs_at_once_stay_within_the_budget() {
    warm_up();
    let frame = compressed(BINARY, bomb(10_000_000)).to(Role::Server).bytes();
    let budget = MemoryBudget::new(24 * MIB);
    let mut ends: Vec<End> =
        (0..40).map(|_| end(Terms::default(), Role::Server, &budget)).collect();
    let ((), counted) = count(|| {
        for chunk in frame.chunks(300) {
            for end in &mut ends {
                let _ = end.error.is_none() && end.feed_owned(chunk).is_err();
                end.out = BytesMut::new();
                end.events = Vec::new();
            }
        }
    });
    assert!(counted.peak < 24 * MIB as isize + 40 * 64 * KIB as isize, "{counted:?}");
    // After some have failed, the remaining ones have memory.
    let failed = ends.iter().filter(|end| end.error.is_some()).count();
    assert!((1..40).contains(&failed), "{failed}");
    drop(ends);
    assert_eq!(budget.used(), 0);
}

/// The peer can refer to the complete agreed window.
#[test]
fn the_window_of_received_messages_is_never_refused() {
    for role in BOTH {
        let budget = MemoryBudget::new(1);
        let mut end = end(Terms::default(), role, &budget);
        let mut peer = Terms::default().preset(role.peer());
        for n in 0..100 {
            let text = chat(n).repeat(5);
            peer.conn.send_text(&text, &mut peer.out).unwrap();
            assert_eq!(carry(&mut peer, &mut end), (vec![text.into_bytes()], vec![true]));
            assert!(budget.used() <= 106 * KIB, "{}", budget.used());
        }
        end.inbox.shrink();
        assert!((32 * KIB..=40 * KIB).contains(&budget.used()), "{}", budget.used());
        drop(end);
        assert_eq!(budget.used(), 0);
    }
}

/// An encoder without memory for a window sends uncompressed. It compresses again when there is
/// memory.
#[test]
fn an_encoder_without_memory_sends_uncompressed_and_retries() {
    for engine in [
        Engine::Native,
        #[cfg(feature = "miniz_oxide")]
        Engine::MinizOxide,
    ] {
        for role in BOTH {
            for fragment in [None, NonZeroUsize::new(40)] {
                let terms = Terms { engine, ..Terms::default() };
                let budget = MemoryBudget::new(MIB);
                let mut from = end(terms, role, &budget);
                let mut to = terms.preset(role.peer());
                let mut options = SendOptions::new();
                options.max_frame_len = fragment;
                let mut send = |from: &mut End, n: usize| {
                    from.conn.send(Data::Text(&chat(n)), options, &mut from.out).unwrap();
                    let (messages, marks) = carry(from, &mut to);
                    assert_eq!(messages, [chat(n).into_bytes()]);
                    marks[0]
                };
                // All memory except for less than the smallest window.
                let full = fill(&budget, MIB - 1000);
                assert!(!send(&mut from, 0) && !send(&mut from, 1));
                assert_eq!(budget.used(), MIB - 1000);
                drop(full);
                assert!(send(&mut from, 2) && send(&mut from, 3));
                // With a window it continues, independent of the other connections.
                let full = fill(&budget, MIB - budget.used());
                let used = budget.used();
                assert_eq!(used, MIB);
                assert!((4..100).all(|n| send(&mut from, n)));
                assert_eq!(budget.used(), used, "a window that is held");
                drop(full);
                assert!((100..200).all(|n| send(&mut from, n)));
                assert!(engine != Engine::Native || budget.used() > 40 * KIB);
                drop(from);
                assert_eq!(budget.used(), 0);
            }
        }
    }
}

/// Without context takeover the native engine keeps no memory that could be refused.
#[test]
fn without_context_takeover_no_memory_is_needed() {
    for role in BOTH {
        let terms = Terms::default().takeover(false);
        let budget = MemoryBudget::new(1);
        let (mut from, mut to) = (end(terms, role, &budget), terms.preset(role.peer()));
        for n in 0..10 {
            let text = chat(n).repeat(3);
            from.conn.send_text(&text, &mut from.out).unwrap();
            assert_eq!(carry(&mut from, &mut to), (vec![text.into_bytes()], vec![true]));
            assert_eq!(budget.used(), 0);
        }
    }
}

/// The first part decides; later ones must continue with the current window.
#[test]
fn parts_of_a_message_without_memory_for_the_window() {
    for role in BOTH {
        for takeover in [true, false] {
            for first in ["", "a", &chat(1)] {
                let terms = Terms::default().takeover(takeover);
                let budget = MemoryBudget::new(MIB);
                let (mut from, mut to) = (end(terms, role, &budget), terms.preset(role.peer()));
                let send = |from: &mut End, to: &mut End, full_at: [bool; 2]| {
                    let full = full_at[0].then(|| fill(&budget, MIB - budget.used()));
                    let options = SendOptions::new();
                    let part = Data::Text(first);
                    from.conn.send_part(part, false, options, &mut from.out).unwrap();
                    drop(full);
                    let full = full_at[1].then(|| fill(&budget, MIB - budget.used()));
                    let mut message = first.to_owned();
                    for n in 0..50 {
                        let text = chat(n).repeat(n % 7);
                        message.push_str(&text);
                        let part = Data::Text(&text);
                        from.conn.send_part(part, false, options, &mut from.out).unwrap();
                        // At most the smallest window is used above the limit.
                        assert!(budget.used() <= MIB + 2 * KIB, "{}", budget.used());
                    }
                    from.conn.send_part(Data::Text(""), true, options, &mut from.out).unwrap();
                    drop(full);
                    let (messages, marks) = carry(from, to);
                    assert_eq!(messages, [message.into_bytes()]);
                    marks[0]
                };
                assert!(!send(&mut from, &mut to, [true, false]), "as it is");
                assert!(send(&mut from, &mut to, [false, true]), "compressed to the end");
                assert!(send(&mut from, &mut to, [false, false]));
                assert_eq!(budget.used() > 0, takeover);
                drop(from);
                assert_eq!(budget.used(), 0);
            }
        }
    }
}

/// An encoder follows a prepared message with its current window.
#[test]
fn prepared_messages_without_memory_keep_both_windows_equal() {
    let level = Level::Balanced;
    let text = (0..300).map(chat).collect::<String>();
    let prepared = Prepared::text(&text).with_deflate(WindowBits::MAX, level);
    for role in BOTH {
        let budget = MemoryBudget::new(MIB);
        let terms = Terms::default();
        let (mut from, mut to) = (end(terms, role, &budget), terms.preset(role.peer()));
        for n in 0..10 {
            from.conn.send_text(&chat(n), &mut from.out).unwrap();
            let full = fill(&budget, MIB - budget.used());
            let used = budget.used();
            from.conn.send_prepared(&prepared, &mut from.out).unwrap();
            assert!(budget.used() <= used);
            drop(full);
            from.conn.send_text(&chat(299), &mut from.out).unwrap();
            let frames = frame::parse(&from.out);
            assert!(frames[2].payload.len() < 20, "it refers to the prepared one");
            let expected = [chat(n), text.clone(), chat(299)].map(String::into_bytes);
            assert_eq!(carry(&mut from, &mut to).0, expected);
        }
    }
}

/// A failure releases both windows and the message.
#[test]
fn a_failed_connection_releases_all_memory() {
    for role in BOTH {
        let budget = MemoryBudget::new(MIB);
        let terms = Terms::default();
        let mut end = end(terms, role, &budget);
        let mut foreign = Foreign::new();
        let message = noise(30_000, 1);
        for _ in 0..2 {
            let frame = compressed(BINARY, foreign.payload(&message)).to(role).bytes();
            end.feed_in_chunks(&frame, 1000).unwrap();
            end.conn.send_text(&chat(1).repeat(100), &mut end.out).unwrap();
        }
        assert!(budget.used() > 60_000);
        end.feed(&compressed(BINARY, [0x06]).to(role).bytes()).unwrap_err();
        assert_eq!(budget.used(), 0);
    }
}

/// Without a mask key a message is not sent, and no memory stays charged for it.
#[test]
fn a_refused_send_does_not_leak() {
    use crate::common::entropy;
    let budget = MemoryBudget::new(MIB);
    let config = preset(Role::Client).memory_budget(budget.clone()).build().unwrap();
    for takeover in [true, false] {
        for fragment in [None, NonZeroUsize::new(10)] {
            let mut end = Terms::default().takeover(takeover).end(Role::Client, &config);
            let mut options = SendOptions::new();
            options.max_frame_len = fragment;
            entropy::reseed(1);
            entropy::fail_after(0);
            let data = Data::Text("text text text text text text text text text text text text");
            end.conn.send(data, options, &mut end.out).unwrap_err();
            end.conn.send_part(data, false, options, &mut end.out).unwrap_err();
            assert_eq!(budget.used(), 0);
            entropy::reseed(1);
        }
    }
}
