//! A ready sink has capacity.

use core::future::poll_fn;
use core::time::Duration;

use futures_util::{SinkExt, StreamExt};
use proptest::prelude::*;
use sansocket::connection::Negotiated;
use sansocket::tokio::WebSocket;
use sansocket::{Connection, Message, Role};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio::time::{Instant, sleep};

use crate::common::preset;
use crate::common::tasks::{self, spawn};

#[derive(Clone, Debug)]
struct Case {
    mark: usize,
    more_unsent: usize,
    /// Kind and length of each message.
    messages: Vec<(u8, usize)>,
    /// The capacity of the transport, in bytes.
    capacity: usize,
    /// The number of bytes that the peer reads every millisecond.
    reads: usize,
    /// The number of pings that it sends in the meantime, which are answered.
    pings: usize,
    split: bool,
}

fn case() -> impl Strategy<Value = Case> {
    let len = prop_oneof![0..10usize, 0..300usize, 0..30_000usize];
    let messages = prop::collection::vec((0..4u8, len), 1..60);
    let mark = prop_oneof![1..20usize, 1..300usize, 1..70_000usize];
    let capacity = prop_oneof![1..40usize, 1..70_000usize];
    let reads = prop_oneof![1..40usize, 1000..70_000usize];
    (mark, 0..3000usize, messages, capacity, reads, 0..100usize, any::<bool>()).prop_map(
        |(mark, more_unsent, messages, capacity, reads, pings, split)| Case {
            mark,
            more_unsent,
            messages,
            capacity,
            reads,
            pings,
            split,
        },
    )
}

fn message(kind: u8, len: usize) -> Message {
    match kind {
        0 => Message::Text("x".repeat(len).into()),
        1 => Message::Binary(vec![7; len].into()),
        2 => Message::Ping(vec![7; len % 126].into()),
        _ => Message::Pong(vec![7; len % 126].into()),
    }
}

async fn run(case: Case) {
    let (io, peer) = duplex(case.capacity);
    let (mut input, mut output) = tokio::io::split(peer);
    spawn(async move {
        let mut buffer = vec![0; case.reads];
        while input.read(&mut buffer).await.is_ok_and(|n| n > 0) {
            sleep(Duration::from_millis(1)).await;
        }
    });
    spawn(async move {
        for _ in 0..case.pings {
            let ping = [&b"\x89\xfd\0\0\0\0"[..], &[7; 125]].concat();
            if output.write_all(&ping).await.is_err() {
                return;
            }
        }
        sleep(Duration::from_secs(100_000)).await;
    });
    let config = preset(Role::Server)
        .keep_alive(None, None)
        .high_water_mark(case.mark)
        .max_unsent(2 * case.mark + case.more_unsent)
        .build()
        .unwrap();
    let now = Instant::now().into_std().into();
    let connection = Connection::new(Role::Server, &config, &Negotiated::new(), now);
    let (mut sink, mut stream) =
        WebSocket::from_connection(io, connection, &[]).into_messages().split();
    // Either half alone, or both in two tasks.
    let reading = case.split.then(|| {
        spawn(async move { while stream.next().await.is_some_and(|item| item.is_ok()) {} })
    });
    for (kind, len) in case.messages {
        poll_fn(|cx| sink.poll_ready_unpin(cx)).await.unwrap();
        let fed = sink.start_send_unpin(message(kind, len));
        assert!(fed.is_ok(), "{fed:?}");
    }
    sink.flush().await.unwrap();
    if let Some(reading) = reading {
        reading.abort();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn a_ready_sink_never_returns_full(case in case()) {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        tasks::block_on(&runtime.enable_time().start_paused(true).build().unwrap(), run(case));
    }
}
