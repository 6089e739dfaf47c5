//! Two connected drivers: while both ends continue to read and at most one of them replies, every
//! byte arrives.

use proptest::prelude::*;
use sansocket::error::SendError;
use sansocket::{CloseCode, Event, Role};

use crate::driver::support::{Loop, Pipe, Style, open, preset};

/// The behaviour of one end.
#[derive(Clone, Debug)]
struct Plan {
    style: Style,
    /// The lengths of its unsolicited messages.
    messages: Vec<usize>,
    /// The number of pings fed after each of them, if there is capacity.
    pings: usize,
    /// The number of them fed at once, before the first read.
    batch: usize,
    /// The number of its operations in sequence.
    pace: usize,
    mark: usize,
    /// In addition to the minimum for the mark.
    more_unsent: usize,
    read_len: usize,
    write_len: usize,
}

#[derive(Clone, Debug)]
struct Case {
    client: Plan,
    server: Plan,
    /// The end that replies to each message with a similar one.
    replying: Option<Role>,
    capacity: [usize; 2],
}

fn plan() -> impl Strategy<Value = Plan> {
    let style = prop_oneof![Just(Style::Readiness), Just(Style::Loan), Just(Style::Completion)];
    let sizes = prop_oneof![Just(0..20usize), Just(0..300), Just(0..1500)];
    let messages = sizes.prop_flat_map(|size| prop::collection::vec(size, 0..80));
    let small = || prop_oneof![3..20usize, 3..300usize, 3..70_000usize];
    let amounts = (0..20usize, 1..200usize, 1..40usize);
    (style, messages, amounts, small(), 0..3000usize, small(), small()).prop_map(
        |(style, messages, (pings, batch, pace), mark, more_unsent, read_len, write_len)| Plan {
            style,
            messages,
            pings,
            batch,
            pace,
            mark,
            more_unsent,
            read_len,
            write_len,
        },
    )
}

fn case() -> impl Strategy<Value = Case> {
    let capacity = || prop_oneof![5..40usize, 5..70_000usize];
    let replying = prop_oneof![Just(None), Just(Some(Role::Client)), Just(Some(Role::Server))];
    (plan(), plan(), replying, capacity(), capacity()).prop_map(
        |(client, server, replying, a, b)| Case { client, server, replying, capacity: [a, b] },
    )
}

/// One end with its plan, and the messages that it has not received yet.
struct End {
    event_loop: Loop,
    plan: Plan,
    replies: bool,
    fed: usize,
    /// The numbers of received messages and replies of the peer.
    received: [usize; 2],
}

const UNSOLICITED: u8 = 0;
const REPLY: u8 = 1;

/// A message that contains its number.
fn message(kind: u8, index: usize, len: usize) -> Vec<u8> {
    let mut bytes = vec![kind];
    bytes.extend((index as u32).to_be_bytes());
    bytes.resize(5 + len, (index % 251) as u8);
    bytes
}

impl End {
    fn new(role: Role, plan: Plan, replies: bool) -> Self {
        let config = preset(role)
            .high_water_mark(plan.mark)
            .max_unsent(2 * plan.mark + plan.more_unsent)
            .build()
            .unwrap();
        let mut event_loop = Loop::new(open(role, &config), plan.style);
        (event_loop.read_len, event_loop.write_len) = (plan.read_len, plan.write_len);
        Self { event_loop, plan, replies, fed: 0, received: [0, 0] }
    }

    fn feed(&mut self) -> bool {
        let before = self.fed;
        while self.fed < self.plan.messages.len() && self.fed - before < self.plan.batch {
            let bytes = message(UNSOLICITED, self.fed, self.plan.messages[self.fed]);
            match self.event_loop.driver.flow.send_binary(&bytes) {
                Ok(()) => {
                    self.fed += 1;
                    for _ in 0..self.plan.pings {
                        let _ = self.event_loop.driver.flow.send_ping(&[b'p'; 100]);
                    }
                }
                Err(SendError::Full) => break,
                Err(error) => panic!("{error:?}"),
            }
        }
        self.fed > before
    }

    /// Returns whether any operation was executed. `peer` is the plan of the other end.
    fn turn(&mut self, peer: &Plan, input: &mut Pipe, output: &mut Pipe) -> bool {
        let fed = self.feed();
        let Self { event_loop, plan, replies, received, .. } = self;
        let moved = event_loop.turn(plan.pace, input, output, |event, mut reply| {
            let Event::Binary(bytes) = event else { return };
            let kind = bytes[0];
            let index = received[usize::from(kind)];
            let lens = if kind == REPLY { &plan.messages } else { &peer.messages };
            assert_eq!(bytes, message(kind, index, lens[index]));
            received[usize::from(kind)] += 1;
            if *replies && kind == UNSOLICITED {
                // Never refused, however full the output is.
                reply.send_binary(&message(REPLY, index, lens[index])).unwrap();
            }
        });
        fed || moved
    }
}

fn run(case: &Case) {
    let replies = |role| case.replying == Some(role);
    let mut client = End::new(Role::Client, case.client.clone(), replies(Role::Client));
    let mut server = End::new(Role::Server, case.server.clone(), replies(Role::Server));
    let [mut up, mut down] = case.capacity.map(Pipe::new);
    loop {
        let moved = [
            client.turn(&case.server, &mut down, &mut up),
            server.turn(&case.client, &mut up, &mut down),
        ];
        let expected = |end: &End, peer: &End| {
            [peer.plan.messages.len(), if peer.replies { end.plan.messages.len() } else { 0 }]
        };
        if client.received == expected(&client, &server)
            && server.received == expected(&server, &client)
        {
            close(client, server, up, down);
            return;
        }
        assert!(
            moved != [false, false],
            "both ends wait: {:?} {:?}",
            client.received,
            server.received
        );
    }
}

/// Closes both ends: one of them first, or both at once.
fn close(mut client: End, mut server: End, mut up: Pipe, mut down: Pipe) {
    let now = client.event_loop.now;
    client.event_loop.driver.flow.close(CloseCode::NORMAL, "bye", now).unwrap();
    while !(client.event_loop.done && server.event_loop.done) {
        let moved = [
            client.event_loop.turn(10, &mut down, &mut up, |_, _| {}),
            server.event_loop.turn(10, &mut up, &mut down, |_, _| {}),
        ];
        let done = client.event_loop.done || server.event_loop.done;
        assert!(done || moved != [false, false], "the closing handshake hangs");
    }
    for (end, by) in [(&client, Role::Client), (&server, Role::Client)] {
        let flow = &end.event_loop.driver.flow;
        assert_eq!(flow.error(), None);
        let status = flow.connection().close_status().unwrap();
        assert_eq!((status.code, status.by, status.clean), (CloseCode::NORMAL, by, true));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, failure_persistence: None, ..Default::default() })]

    #[test]
    fn every_byte_arrives_while_both_ends_read_and_at_most_one_replies(case in case()) {
        run(&case);
    }
}

/// A case that once blocked on every transport with small buffers: a client that sends a batch and
/// then reads, with the plain echo loop as its peer.
#[test]
fn a_batch_before_the_first_read_is_echoed_completely() {
    let plan = |messages, batch, style| Plan {
        style,
        messages,
        pings: 0,
        batch,
        pace: 1000,
        mark: 64 << 10,
        more_unsent: (2 << 20) - (128 << 10),
        read_len: 64 << 10,
        write_len: usize::MAX,
    };
    for style in [Style::Readiness, Style::Loan, Style::Completion] {
        run(&Case {
            client: plan(vec![95; 9893], 9893, style),
            server: plan(vec![], 1, style),
            replying: Some(Role::Server),
            capacity: [64 << 10; 2],
        });
    }
}

/// Each end answers pings, whether it replies to messages or not.
#[test]
fn two_ends_that_ping_before_they_read_do_not_deadlock() {
    for style in [Style::Readiness, Style::Loan, Style::Completion] {
        let plan = Plan {
            style,
            messages: vec![1; 3],
            pings: 900,
            batch: 3,
            pace: 1000,
            mark: 64 << 10,
            more_unsent: (2 << 20) - (128 << 10),
            read_len: 64 << 10,
            write_len: usize::MAX,
        };
        run(&Case {
            client: plan.clone(),
            server: plan,
            replying: Some(Role::Server),
            capacity: [4 << 10; 2],
        });
    }
}
