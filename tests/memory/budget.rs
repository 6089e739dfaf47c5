//! One budget for the memory of many connections: what is charged, when the charge ends, and the
//! behaviour at the limit.

use bytes::BytesMut;
use sansocket::config::{Delivery, MemoryBudget};
use sansocket::connection::OwnedEvent;
use sansocket::error::{ConfigError, LimitError, PeerError, ProtocolError};
use sansocket::message::OwnedData;
use sansocket::{Config, Inbox, Input, Role};

use crate::alloc::count;
use crate::common::frame::{BINARY, CONT, TEXT, sent};
use crate::common::{BOTH, End, Frame, at_ms, connection, preset};

const OVER: ProtocolError = ProtocolError::Limit(LimitError::MemoryBudget);
const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

/// An end with memory charged to the budget.
fn end(role: Role, budget: &MemoryBudget) -> End {
    End::new(role, &preset(role).memory_budget(budget.clone()).build().unwrap())
}

/// The bytes of a frame to this role.
fn bytes(role: Role, frame: Frame) -> Vec<u8> {
    frame.to(role).bytes()
}

/// A frame of `len` bytes, split before its last byte.
fn split_before_last_byte(role: Role, opcode: u8, len: usize) -> (Vec<u8>, Vec<u8>) {
    let mut first = bytes(role, Frame::new(opcode, vec![b'x'; len]));
    let last = first.split_off(first.len() - 1);
    (first, last)
}

#[test]
fn a_budget_of_zero_is_a_config_error() {
    let error = Config::server().memory_budget(MemoryBudget::new(0)).build().unwrap_err();
    assert_eq!(error, ConfigError::ZeroLimit("memory_budget"));
    assert_eq!(error.to_string(), "memory_budget is 0: set at least 1");
}

#[test]
fn the_budget_of_a_config_is_readable() {
    assert!(Config::server().build().unwrap().memory_budget().is_none());
    let budget = MemoryBudget::new(1000);
    let config = Config::server().memory_budget(budget.clone()).build().unwrap();
    assert_eq!(config.memory_budget().unwrap().limit(), 1000);
    assert_eq!(format!("{budget:?}"), "MemoryBudget { used: 0, limit: 1000 }");
}

#[test]
fn a_message_complete_in_one_read_is_not_charged() {
    for role in BOTH {
        // The budget has no byte left.
        let budget = MemoryBudget::new(1);
        let mut conn = connection(role, preset(role).memory_budget(budget.clone()));
        let (mut inbox, mut out) = (Inbox::new(), BytesMut::new());
        for frame in [Frame::text("hello"), Frame::binary(vec![0; 10 * MIB])] {
            let mut input = bytes(role, frame);
            let mut cursor = Input::new(at_ms(0), &mut input);
            let ((), counted) = count(|| {
                assert!(conn.receive(&mut cursor, &mut inbox, &mut out).unwrap().is_some());
            });
            assert_eq!((counted.calls, budget.used()), (0, 0));
        }
    }
}

/// The charge is the capacity of the inbox, however the message arrives.
#[test]
fn an_inbox_is_charged_at_its_capacity() {
    for role in BOTH {
        for opcode in [TEXT, BINARY] {
            for chunk_len in [1, 100, 5000] {
                let budget = MemoryBudget::new(MIB);
                let mut end = end(role, &budget);
                let frame = bytes(role, Frame::new(opcode, vec![b'x'; 50_000]));
                for bytes in frame.chunks(chunk_len) {
                    end.feed(bytes).unwrap();
                    assert_eq!(budget.used(), end.inbox.capacity());
                }
                assert_eq!(end.take_events().len(), 1);
                // The capacity is kept for the next message, until the inbox is shrunk.
                assert!(budget.used() >= 50_000);
                end.inbox.shrink();
                assert_eq!(budget.used(), 0);
            }
        }
    }
}

/// A kind of message that is not in use keeps almost no memory.
#[test]
fn alternating_kinds_of_messages_are_charged_once() {
    for role in BOTH {
        let budget = MemoryBudget::new(MIB);
        let mut end = end(role, &budget);
        for opcode in [TEXT, BINARY, TEXT, BINARY] {
            let (first, last) = split_before_last_byte(role, opcode, 100_000);
            end.feed(&first).unwrap();
            assert_eq!(budget.used(), end.inbox.capacity());
            assert!((100_000..110_000).contains(&budget.used()), "{}", budget.used());
            end.feed(&last).unwrap();
        }
    }
}

/// After the move it is memory of the application.
#[test]
fn the_charge_of_a_moved_message_ends() {
    for role in BOTH {
        for opcode in [TEXT, BINARY] {
            let budget = MemoryBudget::new(10 * MIB);
            let mut end = end(role, &budget);
            let (first, last) = split_before_last_byte(role, opcode, MIB);
            end.feed_owned(&first).unwrap();
            assert!(budget.used() >= MIB);
            end.feed_owned(&last).unwrap();
            assert_eq!((budget.used(), end.inbox.capacity()), (0, 0));
            match end.take_events().pop().unwrap() {
                OwnedEvent::Message(OwnedData::Text(text)) => {
                    assert_eq!(text.as_bytes().len(), MIB);
                }
                OwnedEvent::Message(OwnedData::Binary(bytes)) => assert_eq!(bytes.len(), MIB),
                event => panic!("{event:?}"),
            }
        }
    }
}

/// A copy keeps the capacity of the inbox, and the capacity stays charged.
#[test]
fn a_copied_short_message_keeps_the_charge() {
    for role in BOTH {
        for opcode in [TEXT, BINARY] {
            let budget = MemoryBudget::new(10 * MIB);
            let mut end = end(role, &budget);
            end.feed_in_chunks(&bytes(role, Frame::new(opcode, vec![b'x'; MIB])), 100_000).unwrap();
            let short = bytes(role, Frame::new(opcode, "short"));
            for chunk in short.chunks(short.len() - 1) {
                end.feed_owned(chunk).unwrap();
            }
            assert_eq!(end.take_events().len(), 2);
            assert!(budget.used() >= MIB);
            assert_eq!(budget.used(), end.inbox.capacity());
            drop(end);
            assert_eq!(budget.used(), 0);
        }
    }
}

/// After the first 16 KB, 31 times as much would be reserved in advance.
#[test]
fn near_the_limit_less_is_reserved_in_advance() {
    for role in BOTH {
        for opcode in [TEXT, BINARY] {
            let long = bytes(role, Frame::new(opcode, vec![b'x'; 3 * MIB]));
            for limit in [70, 100, 200, 400, 600, 2000] {
                for chunk_len in [100, KIB, 16 * KIB] {
                    let budget = MemoryBudget::new(limit * KIB);
                    let mut end = end(role, &budget);
                    let mut arrived = 0;
                    for bytes in long.chunks(chunk_len) {
                        assert!(budget.used() <= (limit * KIB).max(64 * KIB));
                        if end.feed(bytes).is_err() {
                            break;
                        }
                        arrived += bytes.len();
                    }
                    assert_eq!(end.error, Some(OVER));
                    assert_eq!(budget.used(), 0);
                    // The old and the new buffer are in the budget before it fails.
                    assert!(
                        arrived >= limit * KIB * 2 / 5,
                        "{arrived} of {limit} KiB, {chunk_len}"
                    );
                }
            }
        }
    }
}

/// Near the limit, received bytes are not copied for each further part.
#[test]
fn near_the_limit_growth_is_still_proportional() {
    for opcode in [TEXT, BINARY] {
        let budget = MemoryBudget::new(3 * MIB);
        let mut conn = connection(Role::Client, preset(Role::Client).memory_budget(budget.clone()));
        let (mut inbox, mut out) = (Inbox::new(), BytesMut::new());
        let mut long = bytes(Role::Client, Frame::new(opcode, vec![b'x'; 4 * MIB]));
        let (mut grown, mut last) = (0, 0);
        for chunk in long.chunks_mut(10) {
            let mut cursor = Input::new(at_ms(0), chunk);
            if conn.receive(&mut cursor, &mut inbox, &mut out).is_err() {
                break;
            }
            grown += usize::from(inbox.capacity() != last);
            last = inbox.capacity();
        }
        assert!(last >= MIB, "{last}");
        assert!(grown < 40, "{grown}");
    }
}

/// Each form of a message of 64 KiB, in small reads, while others fill the budget; one more byte is
/// refused.
#[test]
fn sixty_four_kib_are_always_available() {
    for role in BOTH {
        let budget = MemoryBudget::new(100 * KIB);
        let mut full = end(role, &budget);
        full.feed(&split_before_last_byte(role, BINARY, 90_000).0).unwrap();
        assert!(budget.used() >= 90_000);
        for opcode in [TEXT, BINARY] {
            for extra in [0, 1] {
                let payload = vec![b'x'; 64 * KIB + extra];
                let (first, second) = payload.split_at(30_000);
                let (second, third) = second.split_at(100);
                let unfragmented = vec![Frame::new(opcode, &payload)];
                let fragments = vec![
                    Frame::new(opcode, first).not_fin(),
                    Frame::ping("between"),
                    Frame::new(CONT, second).not_fin(),
                    Frame::new(CONT, third),
                ];
                for frames in [unfragmented, fragments] {
                    let input: Vec<u8> =
                        frames.into_iter().flat_map(|frame| bytes(role, frame)).collect();
                    for chunk_len in [100, 1460, 16 * KIB] {
                        // Capacity left by another message is no obstacle.
                        let mut end = end(role, &budget);
                        for opcode in [TEXT, BINARY] {
                            end.feed_in_chunks(
                                &bytes(role, Frame::new(opcode, vec![b'x'; 5000])),
                                1000,
                            )
                            .unwrap();
                        }
                        let result = end.feed_in_chunks(&input, chunk_len);
                        if extra == 0 {
                            result.unwrap();
                            assert_eq!(end.inbox.capacity(), 64 * KIB);
                        } else {
                            assert_eq!(result, Err(OVER));
                        }
                    }
                }
            }
        }
    }
}

/// The connection that allocates fails, with 1013; the others continue.
#[test]
fn the_allocating_connection_fails_with_1013_and_the_others_continue() {
    for role in BOTH {
        let budget = MemoryBudget::new(MIB);
        let mut first = end(role, &budget);
        let mut second = end(role, &budget);
        let (begin, rest) = split_before_last_byte(role, BINARY, 600_000);
        first.feed(&begin).unwrap();
        assert_eq!(second.feed(&begin), Err(OVER));
        assert_eq!(OVER.close_code().value(), 1013);
        assert_eq!(sent(role, &second.out), [Frame::close(1013, "")]);
        assert_eq!(second.error, second.conn.error());
        assert!(budget.used() < 610_000, "{}", budget.used());
        first.feed(&rest).unwrap();
        assert_eq!(first.take_events().len(), 1);
        first.inbox.shrink();
        // There is memory for another one now.
        let mut third = end(role, &budget);
        third.feed(&begin).unwrap();
        drop((first, second, third));
        assert_eq!(budget.used(), 0);
    }
}

/// Direct reads into the inbox respect the budget. Without memory no direct read is offered, and
/// the next ordinary read fails.
#[test]
fn direct_reads_respect_the_budget() {
    for role in BOTH {
        for limit in [100, 300, 1000, 3000] {
            let budget = MemoryBudget::new(limit * KIB);
            let config = preset(role).memory_budget(budget.clone());
            let mut conn = connection(role, config);
            let (mut inbox, mut out) = (Inbox::new(), BytesMut::new());
            let long = bytes(role, Frame::new(BINARY, vec![b'x'; 4 * MIB]));
            let mut rest = &long[..];
            let mut direct = 0;
            let error = loop {
                assert!(budget.used() <= (limit * KIB).max(64 * KIB));
                if let Some(room) = conn.direct_room(&mut inbox) {
                    let n = room.len().min(10_000);
                    room[..n].copy_from_slice(&rest[..n]);
                    rest = &rest[n..];
                    conn.received_direct(n, at_ms(0), &mut inbox);
                    direct += n;
                    assert_eq!(budget.used(), inbox.capacity());
                } else {
                    let mut read = rest[..1000].to_vec();
                    rest = &rest[1000..];
                    let mut cursor = Input::new(at_ms(0), &mut read);
                    if let Err(error) = conn.receive(&mut cursor, &mut inbox, &mut out) {
                        break error;
                    }
                }
            };
            assert_eq!(error, OVER);
            assert!(direct >= limit * KIB * 2 / 5, "{direct} of {limit} KiB");
            assert_eq!(budget.used(), 0);
        }
    }
}

/// An event that ends a connection.
type Finish<'f> = &'f dyn Fn(Role, &mut End);

/// Every way to end a connection releases the memory.
#[test]
fn every_end_releases_the_memory() {
    let ends: [(&str, Finish<'_>); 6] = [
        ("a broken rule", &|role, end| {
            assert!(end.feed(&bytes(role, Frame::text("in a message"))).is_err());
        }),
        ("invalid text", &|role, end| {
            assert!(end.feed(&bytes(role, Frame::cont([0xff]))).is_err());
        }),
        ("a Close frame", &|role, end| {
            end.feed(&bytes(role, Frame::close(1000, ""))).unwrap();
        }),
        ("a Close frame in many reads", &|role, end| {
            end.feed_in_chunks(&bytes(role, Frame::close(1000, "")), 1).unwrap();
        }),
        ("a transport that has ended, and the next call", &|_, end| {
            assert!(end.conn.receive_eof(&mut end.out).is_err());
            assert!(end.feed(b"").is_err());
        }),
        ("an inbox that is dropped", &|_, end| end.inbox = Inbox::new()),
    ];
    for role in BOTH {
        for (name, finish) in ends {
            let budget = MemoryBudget::new(MIB);
            let mut end = end(role, &budget);
            let first = bytes(role, Frame::text(vec![b'x'; 100_000]).not_fin());
            end.feed_in_chunks(&first, 999).unwrap();
            assert!(budget.used() >= 100_000);
            finish(role, &mut end);
            assert_eq!(budget.used(), 0, "{role:?}: {name}");
        }
    }
}

/// In parts an inbox holds an incomplete character at most.
#[test]
fn parts_are_charged_a_few_bytes() {
    for role in BOTH {
        let budget = MemoryBudget::new(1);
        let builder = preset(role).delivery(Delivery::Parts).memory_budget(budget.clone());
        let mut end = End::new(role, &builder.build().unwrap());
        let text = "\u{20ac}".repeat(100_000);
        for chunk in bytes(role, Frame::text(&text)).chunks(1000) {
            end.feed(chunk).unwrap();
            assert!(budget.used() <= 4, "{}", budget.used());
        }
        drop(end);
        assert_eq!(budget.used(), 0);
    }
}

/// The inbox is charged to the budget of the connection that begins its message.
#[test]
fn an_inbox_moves_to_the_budget_of_the_connection_that_uses_it() {
    for role in BOTH {
        let budgets = [MemoryBudget::new(MIB), MemoryBudget::new(MIB)];
        let used = || budgets.each_ref().map(MemoryBudget::used);
        let config = |i: usize| preset(role).memory_budget(budgets[i].clone()).build().unwrap();
        let free = preset(role).build().unwrap();
        for opcode in [TEXT, BINARY] {
            let (first, last) = split_before_last_byte(role, opcode, 100_000);
            let mut inbox = Inbox::new();
            for (config, charged) in
                [(&config(0), [1, 0]), (&config(1), [0, 1]), (&free, [0, 0]), (&config(0), [1, 0])]
            {
                let mut end = End::new(role, config);
                end.inbox = inbox;
                end.feed(&first).unwrap();
                let capacity = end.inbox.capacity();
                assert_eq!(used(), charged.map(|n| n * capacity));
                end.feed(&last).unwrap();
                // The connection is dropped, the inbox keeps its capacity.
                inbox = end.inbox;
                assert_eq!(used(), charged.map(|n| n * capacity));
            }
            drop(inbox);
            assert_eq!(used(), [0, 0]);
        }
    }
}

/// Capacity that the next budget cannot accept is freed.
#[test]
fn capacity_that_the_next_budget_refuses_is_freed() {
    for role in BOTH {
        for opcode in [TEXT, BINARY] {
            let (large, small) = (MemoryBudget::new(MIB), MemoryBudget::new(200_000));
            let mut first = end(role, &large);
            first
                .feed_in_chunks(&bytes(role, Frame::new(opcode, vec![b'x'; 500_000])), 1000)
                .unwrap();
            assert!(large.used() >= 500_000);
            let mut second = end(role, &small);
            second.inbox = first.inbox;
            second.feed(&split_before_last_byte(role, opcode, 1000).0).unwrap();
            assert_eq!(large.used(), 0);
            assert_eq!(small.used(), second.inbox.capacity());
            assert!(small.used() < 2000, "{}", small.used());
        }
    }
}

/// A message in the wrong inbox fails. The inbox stays charged to the budget of its message until
/// it is dropped.
#[test]
fn a_wrong_inbox_does_not_leak() {
    for role in BOTH {
        let budget = MemoryBudget::new(MIB);
        let (mut one, mut two) = (end(role, &budget), end(role, &budget));
        let (first, last) = split_before_last_byte(role, BINARY, 100_000);
        one.feed(&first).unwrap();
        two.feed(&first).unwrap();
        core::mem::swap(&mut one.inbox, &mut two.inbox);
        assert!(one.feed(&last).is_err());
        assert!((100_000..250_000).contains(&budget.used()), "{}", budget.used());
        core::mem::swap(&mut one.inbox, &mut two.inbox);
        two.feed(&last).unwrap();
        drop((one, two));
        assert_eq!(budget.used(), 0);
    }
}

/// Many unfinished frames, each with a long announced rest.
#[test]
fn forty_unfinished_frames_stay_within_the_budget() {
    for (role, opcode) in [(Role::Client, TEXT), (Role::Server, BINARY)] {
        let budget = MemoryBudget::new(64 * MIB);
        let mut ends: Vec<End> = (0..40).map(|_| end(role, &budget)).collect();
        let (long, _) = split_before_last_byte(role, opcode, 2_500_000);
        let mut failed = 0;
        let ((), counted) = count(|| {
            for chunk in long.chunks(60_000) {
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
        // Other connections still receive messages of 64 KiB.
        let mut other = end(role, &budget);
        for opcode in [TEXT, BINARY] {
            let frame = bytes(role, Frame::new(opcode, vec![b'y'; 64 * KIB]));
            other.feed_in_chunks(&frame, 5000).unwrap();
        }
        assert_eq!(other.take_events().len(), 2);
        drop((ends, other));
        assert_eq!(budget.used(), 0);
    }
}

/// Threads that begin messages, end them, fail, and panic inside one.
#[test]
fn threads_and_panics_release_all_memory() {
    const LIMIT: usize = MIB;
    let budget = MemoryBudget::new(LIMIT);
    let most = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|i: usize| {
                let budget = &budget;
                scope.spawn(move || {
                    let role = BOTH[i % 2];
                    let mut most = 0;
                    for n in 0..10 {
                        let mut end = end(role, budget);
                        let (first, last) =
                            split_before_last_byte(role, BINARY, 30_000 * (1 + (i + n) % 9));
                        let _ = end.feed_in_chunks(&first, 20_000);
                        most = most.max(budget.used());
                        if n % 3 == 0 && end.error.is_none() {
                            end.feed_owned(&last).unwrap();
                        }
                    }
                    let mut end = end(role, budget);
                    end.feed(&split_before_last_byte(role, BINARY, 60_000).0).unwrap();
                    if i >= 4 {
                        // Unwinds, with neither a message nor a backtrace.
                        std::panic::resume_unwind(Box::new(most));
                    }
                    most
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| match thread.join() {
                Ok(most) => most,
                Err(panic) => *panic.downcast::<usize>().unwrap(),
            })
            .max()
            .unwrap()
    });
    assert!(most > LIMIT / 4, "{most}");
    // 64 KiB for each connection, and for each buffer that is being replaced.
    assert!(most <= LIMIT + 8 * 2 * 64 * KIB, "{most}");
    assert_eq!(budget.used(), 0);
}

#[test]
fn a_protocol_violation_is_reported_before_a_lack_of_memory() {
    let budget = MemoryBudget::new(1);
    let mut end = end(Role::Client, &budget);
    let mut frame = bytes(Role::Client, Frame::text(vec![b'x'; 200_000]));
    frame[0] |= 0x40;
    assert_eq!(end.feed(&frame[..100_000]), Err(PeerError::ReservedBits.into()));
}
