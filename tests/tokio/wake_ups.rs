//! Wake-ups: none is lost, and none is superfluous.

use core::cell::Cell;
use core::future::{Future, poll_fn};
use core::pin::pin;
use core::time::Duration;

use futures_util::{SinkExt, StreamExt};
use sansocket::message::SendOptions;
use sansocket::{CloseCode, Event, Message, Role};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use crate::common::frame::frame;
use crate::common::preset;
use crate::common::tasks::{self, spawn};
use crate::tokio::support::{plain, socket, tcp_pair, with_timeout};

/// Counts the polls of a future.
async fn counted<F: Future>(count: &Cell<usize>, future: F) -> F::Output {
    let mut future = pin!(future);
    poll_fn(|cx| {
        count.set(count.get() + 1);
        future.as_mut().poll(cx)
    })
    .await
}

/// A future that completes must not remove the waker of another one in the same task.
#[tokio::test]
async fn both_halves_wake_their_common_task() {
    let (mut raw, b) = duplex(64);
    let (mut reader, sender) = plain(Role::Server, b).split();
    sender.feed_binary(&[7; 1000]).unwrap();
    raw.write_all(&frame(0x81, b"go")).await.unwrap();
    let (done, is_done) = oneshot::channel();
    let task = spawn(async move {
        let flush = async {
            sender.flush().await.unwrap();
            done.send(()).unwrap();
        };
        let read = async {
            assert_eq!(reader.read().await.unwrap().unwrap().0, Event::Text("go"));
            is_done.await.unwrap();
        };
        tokio::join!(flush, read);
        reader
    });
    sleep(Duration::from_millis(20)).await;
    with_timeout(raw.read_exact(&mut [0; 1004])).await.unwrap();
    with_timeout(task).await.unwrap();
}

/// Stream and sink in two tasks: each must be woken when the other one drives the transport.
#[tokio::test]
async fn closing_the_sink_wakes_the_stream_of_another_task() {
    let (a, b) = duplex(1 << 16);
    let served = spawn(async move {
        let mut ws = plain(Role::Server, a);
        while ws.read().await.unwrap().is_some() {}
    });
    let (mut sink, mut stream) = plain(Role::Client, b).into_messages().split();
    let streaming = spawn(async move {
        matches!(stream.next().await, Some(Ok(Message::Close(Some(_)))))
            && stream.next().await.is_none()
    });
    sleep(Duration::from_millis(20)).await;
    with_timeout(sink.close()).await.unwrap();
    assert!(with_timeout(streaming).await.unwrap());
    served.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_senders_on_threads_and_a_reader() {
    for _ in 0..20 {
        let (a, b) = tcp_pair().await;
        let config = preset(Role::Server).max_unsent(500).build().unwrap();
        let (mut reader, sender) = socket(Role::Server, a, &config).split();
        for task in 0..4_u8 {
            let sender = sender.clone();
            spawn(async move {
                for i in 0..200_u8 {
                    sender.send_binary(&[task, i]).await.unwrap();
                    if i % 50 == 0 {
                        sender.flush().await.unwrap();
                    }
                }
            });
        }
        let reading = spawn(async move { while reader.read().await.unwrap().is_some() {} });
        // One more on a thread without a runtime.
        let foreign = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread();
            let runtime = { runtime }.enable_time().build().unwrap();
            tasks::block_on(&runtime, async {
                for i in 0..200_u8 {
                    sender.send_binary(&[4, i]).await.unwrap();
                }
                sender.flush().await.unwrap();
            });
        });
        let mut ws = plain(Role::Client, b);
        let mut next = [0_u8; 5];
        while next != [200; 5] {
            let (event, _) = with_timeout(ws.read()).await.unwrap().unwrap();
            let Event::Binary(&[task, i]) = event else { panic!("{event:?}") };
            assert_eq!(next[usize::from(task)], i);
            next[usize::from(task)] += 1;
        }
        ws.close(CloseCode::NORMAL, "").await.unwrap();
        with_timeout(reading).await.unwrap();
        foreign.join().unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_is_polled_only_for_its_timers() {
    let (mut raw, b) = duplex(1 << 16);
    let every = Duration::from_millis(50);
    let config = preset(Role::Server).keep_alive(Some(every), None).build().unwrap();
    let mut ws = socket(Role::Server, b, &config);
    let count = Cell::new(0);
    assert!(timeout(10 * every + every / 2, counted(&count, ws.read())).await.is_err());
    assert!(count.get() <= 15, "{}", count.get());
    let mut pongs = vec![0; 18];
    with_timeout(raw.read_exact(&mut pongs)).await.unwrap();
    assert_eq!(pongs, b"\x8a\0".repeat(9));

    // The same for the reader of two halves, with a sender that waits for capacity.
    let (_raw, b) = duplex(16);
    let config = preset(Role::Server).keep_alive(None, None).max_unsent(50).build().unwrap();
    let (mut reader, sender) = socket(Role::Server, b, &config).split();
    sender.feed_binary(&[0; 100]).unwrap();
    let (reads, sends) = (Cell::new(0), Cell::new(0));
    let both = async {
        tokio::join!(
            counted(&reads, async { reader.read().await.map(|event| event.is_none()) }),
            counted(&sends, sender.send_binary(&[0; 100])),
        )
    };
    assert!(timeout(Duration::from_millis(200), both).await.is_err());
    assert!(reads.get() <= 6 && sends.get() <= 6, "{} {}", reads.get(), sends.get());
}

/// A round trip wakes each side about once.
#[tokio::test]
async fn a_reader_does_not_wake_itself() {
    let (a, b) = duplex(1 << 16);
    let (mut reader, sender) = plain(Role::Server, a).split();
    let mut ws = plain(Role::Client, b);
    let count = Cell::new(0);
    let serve = async {
        loop {
            let Some((event, _)) = counted(&count, reader.read()).await.unwrap() else { break };
            if let Some((data, _)) = event.data() {
                sender.feed(data, SendOptions::new()).unwrap();
            }
        }
    };
    let ask = async {
        for _ in 0..100 {
            ws.feed_text("ping").unwrap();
            assert_eq!(ws.read().await.unwrap().unwrap().0, Event::Text("ping"));
        }
    };
    tokio::select! {
        () = serve => panic!("ended"),
        () = ask => {}
    }
    // In one task each future is also polled for the wake-ups of the other.
    assert!(count.get() <= 320, "{}", count.get());
}

/// The end is returned again at once; the wait for the end of a lingering connection is one timer.
#[tokio::test]
async fn a_connection_with_an_ended_peer_is_not_polled() {
    let (raw, b) = duplex(1 << 16);
    let mut ws = plain(Role::Server, b);
    drop(raw);
    let count = Cell::new(0);
    assert!(counted(&count, ws.read()).await.is_err());
    assert!(counted(&count, ws.read()).await.is_err());
    assert!(count.get() <= 2, "{}", count.get());

    // The peer has ended its output, and does not read.
    let (mut raw, b) = duplex(8);
    let config = preset(Role::Server).linger_timeout(Duration::from_millis(100)).build().unwrap();
    let mut ws = socket(Role::Server, b, &config);
    ws.feed_binary(&[0; 100]).unwrap();
    raw.shutdown().await.unwrap();
    let count = Cell::new(0);
    assert!(with_timeout(counted(&count, ws.read())).await.is_err());
    assert!(count.get() <= 6, "{}", count.get());
}
