//! The actions of two ends.

use core::time::Duration;

use proptest::prelude::*;
use sansocket::connection::Negotiated;
use sansocket::{Connection, Instant, Role};

use super::preset;

/// The actions of one end.
#[derive(Clone, Debug)]
pub struct Plan {
    /// In halves, in two tasks or threads.
    pub split: bool,
    /// Whether unsolicited messages are fed, or sent.
    pub feeds: bool,
    /// The lengths of its unsolicited messages.
    pub messages: Vec<usize>,
    /// The number of pings that are fed with each of them, if they have room.
    pub pings: usize,
    /// The number of them that are fed before the first read.
    pub batch: usize,
    pub mark: usize,
    /// In addition to the least that the mark requires.
    pub more_unsent: usize,
}

#[derive(Clone, Debug)]
pub struct Case {
    pub client: Plan,
    pub server: Plan,
    /// The end that replies to each message with a similar one.
    pub replying: Option<Role>,
    /// The number of bytes that the transport holds in each direction.
    pub capacity: usize,
}

pub fn case(max_messages: usize) -> impl Strategy<Value = Case> {
    let plan = move || {
        let sizes = prop_oneof![Just(0..20usize), Just(0..300), Just(0..3000)];
        let messages =
            sizes.prop_flat_map(move |size| prop::collection::vec(size, 0..max_messages));
        let mark = prop_oneof![1..20usize, 1..300usize, 1..70_000usize];
        let counts = (0..5usize, 1..200usize);
        (any::<bool>(), any::<bool>(), messages, counts, mark, 0..3000usize).prop_map(
            |(split, feeds, messages, (pings, batch), mark, more_unsent)| Plan {
                split,
                feeds,
                messages,
                pings,
                batch,
                mark,
                more_unsent,
            },
        )
    };
    let replying = prop_oneof![Just(None), Just(Some(Role::Client)), Just(Some(Role::Server))];
    let capacity = prop_oneof![5..40usize, 5..70_000usize];
    (plan(), plan(), replying, capacity).prop_map(|(mut client, mut server, replying, capacity)| {
        // A `WebSocket` does not read while it sends: two such ends may block each other. Here at
        // most one end does so, and that one doesn't reply.
        if replying.is_some() || !client.split && !server.split {
            client.feeds |= !client.split;
            server.feeds |= !server.split;
        }
        Case { client, server, replying, capacity }
    })
}

pub fn connection(role: Role, plan: &Plan, now: Instant) -> Connection {
    let config = preset(role)
        .high_water_mark(plan.mark)
        .max_unsent(2 * plan.mark + plan.more_unsent)
        // A blocked thread checks four times within it. Long enough for a busy machine.
        .close_timeout(Duration::from_secs(4))
        .build()
        .unwrap();
    Connection::new(role, &config, &Negotiated::new(), now)
}

pub const UNSOLICITED: u8 = 0;
pub const REPLY: u8 = 1;

/// A message that contains its number.
pub fn message(kind: u8, index: usize, len: usize) -> Vec<u8> {
    let mut bytes = vec![kind];
    bytes.extend((index as u32).to_be_bytes());
    bytes.resize(5 + len, (index % 251) as u8);
    bytes
}

/// The messages that one end has received, and those that it must still receive.
#[derive(Debug)]
pub struct Received {
    own: Vec<usize>,
    peer: Vec<usize>,
    peer_replies: bool,
    pub replies: bool,
    count: [usize; 2],
}

impl Received {
    pub fn new(role: Role, case: &Case) -> Self {
        let (own, peer) = match role {
            Role::Client => (&case.client, &case.server),
            Role::Server => (&case.server, &case.client),
        };
        Self {
            own: own.messages.clone(),
            peer: peer.messages.clone(),
            peer_replies: case.replying == Some(role.peer()),
            replies: case.replying == Some(role),
            count: [0, 0],
        }
    }

    /// Checks a message, and returns the reply to it.
    pub fn take(&mut self, bytes: &[u8]) -> Option<Vec<u8>> {
        let kind = bytes[0];
        let index = self.count[usize::from(kind)];
        let lens = if kind == REPLY { &self.own } else { &self.peer };
        assert_eq!(bytes, message(kind, index, lens[index]), "message {index} of {}", lens.len());
        self.count[usize::from(kind)] += 1;
        (self.replies && kind == UNSOLICITED).then(|| message(REPLY, index, lens[index]))
    }

    pub fn is_done(&self) -> bool {
        let replies = if self.peer_replies { self.own.len() } else { 0 };
        self.count == [self.peer.len(), replies]
    }
}
