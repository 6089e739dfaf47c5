//! Connections and inboxes in any order, with two memory budgets: the charge is the allocated
//! memory, it stays within the limit, and it is zero at the end.

use core::num::NonZeroUsize;
use std::collections::VecDeque;

use bytes::BytesMut;
use proptest::prelude::*;
use sansocket::config::{Delivery, MemoryBudget};
use sansocket::connection::OwnedEvent;
use sansocket::deflate::{Engine, Level, WindowBits};
use sansocket::error::{LimitError, MisuseError, PeerError, ProtocolError};
use sansocket::message::{Data, SendOptions};
use sansocket::{Connection, Event, Inbox, Input, Prepared, Role};

use crate::alloc::count;
use crate::common::deflate::{Terms, chat, noise};
use crate::common::{BOTH, Frame, at_ms, preset};

const KIB: usize = 1 << 10;
const SLOTS: usize = 4;

/// Longer than any message, in bytes.
const LONGEST: usize = 512 * KIB;

/// The amount by which each connection can exceed the budget.
const BEYOND: usize = 108 * KIB;

/// The fixed parts of a connection and an inbox, which are not charged.
const FIXED: isize = 2500;

/// The tables of a block, which the thread keeps for the next connection that needs some.
const SPARE: isize = 8 * 1024;

#[derive(Clone, Copy, Debug)]
enum Content {
    Zeros,
    Chat,
    Noise,
}

impl Content {
    /// Valid UTF-8 except for noise.
    fn bytes(self, len: usize, seed: usize) -> Vec<u8> {
        match self {
            Self::Zeros => vec![0; len],
            Self::Chat => {
                let mut text = chat(seed).repeat(len / 70 + 1).into_bytes();
                text.truncate(len);
                text
            }
            Self::Noise => noise(len / 8, seed as u64),
        }
    }
}

#[derive(Clone, Debug)]
enum Op {
    /// The peer sends a message, in parts of at most this many bytes.
    Peer {
        content: Content,
        len: usize,
        part: usize,
    },
    /// The peer sends another frame.
    PeerFrame(Other),
    /// Receives this many bytes of the peer's output.
    Receive {
        len: usize,
        owned: bool,
        direct: bool,
    },
    Send {
        content: Content,
        len: usize,
        max_frame: Option<NonZeroUsize>,
    },
    SendPart {
        content: Content,
        len: usize,
        end: bool,
    },
    SendPrepared {
        content: Content,
        len: usize,
    },
    /// Exchanges the inbox with that of another slot.
    Swap {
        with: usize,
    },
    Shrink,
    DropInbox,
    /// Another connection, which continues with the same inbox.
    Replace(Kind),
}

#[derive(Clone, Copy, Debug)]
enum Other {
    Ping,
    Close,
    Violation,
}

#[derive(Debug)]
enum Received {
    Message(Vec<u8>),
    /// With the mark of the last part.
    Part(Vec<u8>, bool),
    /// An event without data.
    Other,
    Nothing,
}

/// The settings of a connection.
#[derive(Clone, Copy, Debug)]
struct Kind {
    server: bool,
    takeover: bool,
    bits: u8,
    engine: Engine,
    parts: bool,
    second_budget: bool,
}

fn content() -> impl Strategy<Value = Content> {
    prop_oneof![Just(Content::Zeros), Just(Content::Chat), Just(Content::Noise)]
}

fn len() -> impl Strategy<Value = usize> {
    prop_oneof![0..200_usize, 0..5000_usize, 0..70_000_usize, 0..400_000_usize]
}

fn kind() -> impl Strategy<Value = Kind> {
    let flags = any::<(bool, bool, bool, bool)>();
    (flags, any::<bool>(), prop_oneof![Just(9_u8), Just(12), Just(15)]).prop_map(
        |((server, takeover, miniz, parts), second_budget, bits)| {
            let engine = match (miniz, bits) {
                #[cfg(feature = "miniz_oxide")]
                (true, 15) => Engine::MinizOxide,
                _ => Engine::Native,
            };
            Kind { server, takeover, bits, engine, parts, second_budget }
        },
    )
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (content(), len(), 1..50_000_usize)
            .prop_map(|(content, len, part)| Op::Peer { content, len, part }),
        1 => prop_oneof![Just(Other::Ping), Just(Other::Close), Just(Other::Violation)]
            .prop_map(Op::PeerFrame),
        8 => (len(), any::<bool>(), any::<bool>())
            .prop_map(|(len, owned, direct)| Op::Receive { len, owned, direct }),
        2 => (content(), len(), proptest::option::of(1000..5000_usize)).prop_map(
            |(content, len, max)| Op::Send { content, len, max_frame: max.and_then(NonZeroUsize::new) }
        ),
        2 => (content(), len(), any::<bool>())
            .prop_map(|(content, len, end)| Op::SendPart { content, len, end }),
        1 => (content(), len()).prop_map(|(content, len)| Op::SendPrepared { content, len }),
        1 => (0..SLOTS).prop_map(|with| Op::Swap { with }),
        1 => Just(Op::Shrink),
        1 => Just(Op::DropInbox),
        1 => kind().prop_map(Op::Replace),
    ]
}

/// A connection, its peer, and the bytes in transit between them.
///
/// The memory of the peer is counted and charged too, to a budget of its own: the two share the
/// memory of the thread.
struct Slot {
    role: Role,
    conn: Connection,
    inbox: Inbox,
    peer: Connection,
    peer_inbox: Inbox,
    /// Bytes of the peer.
    wire: Vec<u8>,
    /// The expected messages of the connection.
    expected: VecDeque<Vec<u8>>,
    /// The beginning of a message that is received in parts.
    part: Vec<u8>,
    /// The beginning of a message that is sent in parts.
    sending: Option<Vec<u8>>,
}

struct World {
    budgets: [MemoryBudget; 2],
    peers: MemoryBudget,
    slots: Vec<Slot>,
    out: BytesMut,
    /// The memory that the library has allocated and not freed.
    heap: isize,
    seed: usize,
}

/// The errors that can fail a connection here.
const OVER: ProtocolError = ProtocolError::Limit(LimitError::MemoryBudget);
const WRONG_INBOX: ProtocolError = ProtocolError::Misuse(MisuseError::WrongInbox);
const VIOLATION: ProtocolError = ProtocolError::Peer(PeerError::ReservedBits);

impl World {
    fn new(limits: [usize; 2], kinds: [Kind; SLOTS]) -> Self {
        let mut world = Self {
            budgets: limits.map(MemoryBudget::new),
            peers: MemoryBudget::new(usize::MAX),
            slots: Vec::new(),
            out: BytesMut::with_capacity(1 << 20),
            heap: 0,
            seed: 0,
        };
        for kind in kinds {
            let slot = world.call(|world| world.slot(kind, Inbox::new()));
            world.slots.push(slot);
        }
        world
    }

    fn slot(&self, kind: Kind, inbox: Inbox) -> Slot {
        let role = if kind.server { Role::Server } else { Role::Client };
        let terms = Terms::default().bits(kind.bits).takeover(kind.takeover);
        let terms = Terms { engine: kind.engine, ..terms };
        let delivery = if kind.parts { Delivery::Parts } else { Delivery::Whole };
        let budget = self.budgets[usize::from(kind.second_budget)].clone();
        let config = preset(role).delivery(delivery).memory_budget(budget).build().unwrap();
        let peer = preset(role.peer()).memory_budget(self.peers.clone()).build().unwrap();
        // The connection's own engine is ours.
        let peers_terms = Terms { engine: Engine::Native, ..terms };
        Slot {
            role,
            conn: Connection::new(role, &config, &terms.negotiated(role), at_ms(0)),
            inbox,
            peer: Connection::new(
                role.peer(),
                &peer,
                &peers_terms.negotiated(role.peer()),
                at_ms(0),
            ),
            peer_inbox: Inbox::new(),
            wire: Vec::new(),
            expected: VecDeque::new(),
            part: Vec::new(),
            sending: None,
        }
    }

    /// Calls the library, and counts its allocations.
    fn call<T>(&mut self, f: impl FnOnce(&mut Self) -> T) -> T {
        let before = self.peers.used();
        let (result, counted) = count(|| f(self));
        let limit: usize = self.budgets.iter().map(MemoryBudget::limit).sum();
        // In addition: one buffer that is being replaced, and frames on their way to the output.
        let most = limit + SLOTS * BEYOND + 64 * KIB + 200 * KIB;
        // The peer can be replacing a long buffer.
        let most = most + before.max(self.peers.used()) + 2 * LONGEST;
        assert!(self.heap + counted.peak <= most as isize, "{counted:?} beside {}", self.heap);
        self.heap += counted.live;
        result
    }

    fn apply(&mut self, i: usize, op: Op) {
        self.seed += 1;
        let seed = self.seed;
        match op {
            Op::Peer { content, len, part } => {
                if !self.slots[i].conn.is_open() {
                    return;
                }
                let bytes = content.bytes(len, seed);
                let mut parts = bytes.chunks(part).peekable();
                let mut first = true;
                while first || parts.peek().is_some() {
                    let part = parts.next().unwrap_or_default();
                    let (end, options) = (parts.peek().is_none(), SendOptions::new());
                    self.call(|world| {
                        let peer = &mut world.slots[i].peer;
                        peer.send_part(Data::Binary(part), end, options, &mut world.out).unwrap();
                    });
                    self.slots[i].wire.extend_from_slice(&self.out);
                    self.out.clear();
                    first = false;
                }
                self.slots[i].expected.push_back(bytes);
            }
            Op::PeerFrame(other) => {
                let slot = &mut self.slots[i];
                let frame = match other {
                    Other::Ping => Frame::ping([b'p'; 100]),
                    Other::Close => Frame::close(1000, "a reason"),
                    Other::Violation => Frame::binary("").rsv(1),
                };
                slot.wire.extend_from_slice(&frame.to(slot.role).bytes());
            }
            Op::Receive { len, owned, direct } => self.receive(i, len, owned, direct),
            Op::Send { content, len, max_frame } => {
                let bytes = content.bytes(len, seed);
                let mut options = SendOptions::new();
                options.max_frame_len = max_frame;
                let sent = self.call(|world| {
                    let (slot, out) = (&mut world.slots[i], &mut world.out);
                    slot.conn.send(Data::Binary(&bytes), options, out).is_ok()
                });
                self.carry(i, sent.then_some(bytes));
            }
            Op::SendPart { content, len, end } => {
                let before = self.slots[i].sending.as_ref().map_or(0, Vec::len);
                let bytes = content.bytes(len.min(LONGEST - before), seed);
                let sent = self.call(|world| {
                    let (slot, out) = (&mut world.slots[i], &mut world.out);
                    slot.conn.send_part(Data::Binary(&bytes), end, SendOptions::new(), out).is_ok()
                });
                let mut message = None;
                if sent {
                    let sending = self.slots[i].sending.get_or_insert_default();
                    sending.extend_from_slice(&bytes);
                    if end {
                        message = self.slots[i].sending.take();
                    }
                }
                self.carry(i, message);
            }
            Op::SendPrepared { content, len } => {
                let bytes = content.bytes(len, seed);
                let prepared =
                    Prepared::binary(&bytes).with_deflate(WindowBits::MAX, Level::Balanced);
                // The compressed form, which belongs to the caller, is allocated before the count.
                let mut first = Terms::default().preset(Role::Server);
                first.conn.send_prepared(&prepared, &mut first.out).unwrap();
                let sent = self.call(|world| {
                    let (slot, out) = (&mut world.slots[i], &mut world.out);
                    slot.conn.send_prepared(&prepared, out).is_ok()
                });
                self.carry(i, sent.then_some(bytes));
            }
            Op::Swap { with } => {
                if let Ok([one, other]) = self.slots.get_disjoint_mut([i, with]) {
                    core::mem::swap(&mut one.inbox, &mut other.inbox);
                }
            }
            Op::Shrink => self.call(|world| world.slots[i].inbox.shrink()),
            Op::DropInbox => self.call(|world| world.slots[i].inbox = Inbox::new()),
            Op::Replace(kind) => {
                let inbox = core::mem::take(&mut self.slots[i].inbox);
                let new = self.call(|world| world.slot(kind, inbox));
                let old = core::mem::replace(&mut self.slots[i], new);
                let Slot { conn, peer, peer_inbox, .. } = old;
                self.call(|_| drop((conn, peer, peer_inbox)));
            }
        }
    }

    /// The output reaches the peer, which accepts it.
    fn carry(&mut self, i: usize, message: Option<Vec<u8>>) {
        let mut bytes = self.out.to_vec();
        self.out.clear();
        let mut input = Input::new(at_ms(0), &mut bytes);
        let mut received = Vec::new();
        loop {
            let result = self.receive_one(&mut input, false, |world| {
                let Slot { peer, peer_inbox, .. } = &mut world.slots[i];
                (peer, peer_inbox, &mut world.out)
            });
            match result.unwrap() {
                Received::Message(data) => received.push(data),
                Received::Other => {}
                Received::Nothing => break,
                Received::Part(..) => panic!("a part of a message"),
            }
        }
        self.out.clear();
        assert!(received.iter().eq(&message), "another message than the one that was sent");
    }

    /// Receives once.
    fn receive_one(
        &mut self,
        input: &mut Input<'_>,
        owned: bool,
        end: impl FnOnce(&mut Self) -> (&mut Connection, &mut Inbox, &mut BytesMut),
    ) -> Result<Received, ProtocolError> {
        // A moved message is dropped at once, except for a copy for the comparison.
        let mut room = Vec::with_capacity(LONGEST);
        let mut keep = |data: Data<'_>| {
            room.extend_from_slice(data.as_bytes());
            core::mem::take(&mut room)
        };
        self.call(|world| {
            let (conn, inbox, out) = end(world);
            if owned {
                return Ok(match conn.receive_owned(input, inbox, out)? {
                    Some(OwnedEvent::Message(message)) => {
                        Received::Message(keep(message.as_data()))
                    }
                    Some(OwnedEvent::Part { data, end, .. }) => {
                        Received::Part(keep(data.as_data()), end)
                    }
                    Some(_) => Received::Other,
                    None => Received::Nothing,
                });
            }
            Ok(match conn.receive(input, inbox, out)? {
                Some(Event::Text(text)) => Received::Message(keep(Data::Text(text))),
                Some(Event::Binary(bytes)) => Received::Message(keep(Data::Binary(bytes))),
                Some(Event::Part { data, end, .. }) => Received::Part(keep(data), end),
                Some(_) => Received::Other,
                None => Received::Nothing,
            })
        })
    }

    fn receive(&mut self, i: usize, len: usize, owned: bool, direct: bool) {
        let slot = &mut self.slots[i];
        let len = len.min(slot.wire.len());
        let mut rest: Vec<u8> = slot.wire.drain(..len).collect();
        let mut rest = &mut rest[..];
        if direct {
            let wire = core::mem::take(&mut rest);
            let n = self.call(|world| {
                let slot = &mut world.slots[i];
                let Some(room) = slot.conn.direct_room(&mut slot.inbox) else { return 0 };
                let n = room.len().min(wire.len());
                room[..n].copy_from_slice(&wire[..n]);
                slot.conn.received_direct(n, at_ms(0), &mut slot.inbox);
                n
            });
            rest = &mut wire[n..];
        }
        let mut input = Input::new(at_ms(0), rest);
        loop {
            let result = self.receive_one(&mut input, owned, |world| {
                let Slot { conn, inbox, .. } = &mut world.slots[i];
                (conn, inbox, &mut world.out)
            });
            let slot = &mut self.slots[i];
            let (bytes, end) = match result {
                Ok(Received::Message(bytes)) => (bytes, true),
                Ok(Received::Part(bytes, end)) => (bytes, end),
                Ok(Received::Other) => continue,
                Ok(Received::Nothing) => break,
                Err(error) => {
                    assert!([OVER, WRONG_INBOX, VIOLATION].contains(&error), "{error:?}");
                    assert!(slot.conn.is_closed());
                    break;
                }
            };
            slot.part.extend_from_slice(&bytes);
            if end {
                let expected = slot.expected.pop_front().unwrap();
                let received = core::mem::take(&mut slot.part);
                assert!(received == expected, "another message than the one that was sent");
            }
        }
        // Pongs and Close frames, which the peer need not see.
        self.out.clear();
    }

    fn check(&self) {
        for budget in &self.budgets {
            let most = budget.limit() + SLOTS * BEYOND;
            assert!(budget.used() <= most, "{budget:?}");
        }
        let used = self.budgets.iter().map(MemoryBudget::used).sum::<usize>() + self.peers.used();
        let used = used as isize;
        let slack = 2 * SLOTS as isize * FIXED + SPARE;
        assert!(self.heap <= used + slack, "{} bytes, charged {used}", self.heap);
        assert!(used <= self.heap + slack, "{} bytes, charged {used}", self.heap);
    }

    fn end(mut self) {
        let mut ends = Vec::new();
        for Slot { conn, inbox, peer, peer_inbox, .. } in core::mem::take(&mut self.slots) {
            ends.push((conn, inbox, peer, peer_inbox));
        }
        self.call(|_| {
            for end in ends.drain(..) {
                drop(end);
            }
        });
        assert!(self.heap.abs() <= SPARE, "{} bytes", self.heap);
        assert_eq!(self.budgets.each_ref().map(MemoryBudget::used), [0, 0]);
        assert_eq!(self.peers.used(), 0);
    }
}

/// Allocates the memory that the thread keeps for all its connections, before the count.
fn warm_up() {
    thread_local! {
        static WARM: core::cell::Cell<bool> = const { core::cell::Cell::new(false) };
    }
    if WARM.replace(true) {
        return;
    }
    for takeover in [true, false] {
        for role in BOTH {
            let terms = Terms::default().takeover(takeover);
            let (mut from, mut to) = (terms.preset(role), terms.preset(role.peer()));
            for len in [100, 400_000, 50_000, 400_000, 50_000] {
                for content in [Content::Chat, Content::Noise, Content::Zeros] {
                    let bytes = content.bytes(len, len);
                    from.conn.send_binary(&bytes, &mut from.out).unwrap();
                    to.feed(&from.take_out()).unwrap();
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn the_charge_equals_the_allocated_memory(
        limits in proptest::array::uniform2(
            prop_oneof![Just(1_usize), 1..200_000_usize, 1..3_000_000_usize],
        ),
        kinds in proptest::array::uniform4(kind()),
        ops in proptest::collection::vec((0..SLOTS, op()), 1..120),
    ) {
        warm_up();
        let mut world = World::new(limits, kinds);
        for (i, op) in ops {
            world.apply(i, op);
            world.check();
        }
        world.end();
    }
}
