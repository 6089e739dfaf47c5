//! The close timeout under a virtual clock: it runs from the moment when our Close frame is
//! written, and restarts while the output before it makes progress.

use core::time::Duration;

use sansocket::config::Delivery;
use sansocket::error::{ProtocolError, TimeoutError};
use sansocket::{CloseCode, Event, Instant, Role};

use crate::common::frame::sent;
use crate::common::{BOTH, End, Frame, at_ms, preset, secs};

const CLOSE: ProtocolError = ProtocolError::Timeout(TimeoutError::Close);
const UNSENT: ProtocolError = ProtocolError::Timeout(TimeoutError::CloseUnsent);

/// Less progress than this in a close timeout doesn't count.
const MIN_PROGRESS: usize = 16 * 1024;

fn close(end: &mut End) {
    end.conn.close(CloseCode::NORMAL, "bye", end.now, &mut end.out).unwrap();
}

/// A connection with `len` bytes of output that begins to close at time zero.
fn closing_after(role: Role, len: usize) -> End {
    let mut end = End::preset(role);
    if len > 0 {
        end.conn.send_binary(&vec![7; len], &mut end.out).unwrap();
    }
    close(&mut end);
    end
}

/// The link accepts `n` bytes at `ms`.
fn take(end: &mut End, ms: u64, n: usize) -> Vec<u8> {
    end.now = at_ms(ms);
    let bytes = end.out.split_to(n.min(end.out.len())).to_vec();
    end.written();
    bytes
}

/// The link accepts `n` bytes every `step` ms from time zero on, and the peer never replies. All
/// writes are `reported` or none; timeouts are handled in time. Returns the bytes that the link
/// accepted, the time of the last byte, and the time and error of the failure.
fn over_link(
    end: &mut End,
    step: u64,
    n: usize,
    reported: bool,
) -> (Vec<u8>, Option<Instant>, Instant, ProtocolError) {
    let (mut taken, mut left) = (Vec::new(), None);
    let mut next = at_ms(step);
    loop {
        let deadline = end.conn.poll_timeout().expect("no deadline while closing");
        assert!(deadline > end.now, "{deadline:?} at {:?}", end.now);
        if next < deadline && !end.out.is_empty() {
            end.now = next;
            next = next.checked_add(Duration::from_millis(step)).unwrap();
            taken.extend_from_slice(&end.out.split_to(n.min(end.out.len())));
            if end.out.is_empty() {
                left = Some(end.now);
            }
            if reported {
                end.written();
            }
        } else {
            end.now = deadline;
            if let Err(error) = end.timeout() {
                return (taken, left, deadline, error);
            }
        }
    }
}

fn after(instant: Instant, ms: u64) -> Instant {
    instant.checked_add(Duration::from_millis(ms)).unwrap()
}

/// V25: 1,000,000 bytes over a link of 100 KB/s, then close: the Close frame is written after twice
/// the close timeout, and all output arrives. From then on the peer has the entire timeout.
#[test]
fn v25_a_slow_link_gets_all_of_the_output_and_the_close_frame() {
    for role in BOTH {
        for reported in [true, false] {
            let mut end = closing_after(role, 1_000_000);
            let (taken, left, failed, error) = over_link(&mut end, 10, 1000, reported);
            let left = left.expect("all output is written");
            assert!(left > at_ms(10_000) && left < at_ms(10_050), "{left:?}");
            assert_eq!(error, CLOSE);
            if reported {
                assert_eq!(failed, after(left, 5000));
            } else {
                // Noticed at a deadline, at most one timeout later.
                assert!(failed > after(left, 5000) && failed <= after(left, 10_000), "{failed:?}");
            }
            let mut peer = End::preset(role.peer());
            let (mut data, mut reasons) = (0, Vec::new());
            peer.feed_with(&taken, |_, event, _| match event {
                Event::Binary(bytes) => data += bytes.len(),
                Event::Close(Some(frame)) => reasons.push(frame.reason.to_owned()),
                _ => panic!("{event:?}"),
            })
            .unwrap();
            assert_eq!((data, &reasons[..]), (1_000_000, &["bye".to_owned()][..]));
        }
    }
}

/// V25: a trickle is no progress: 100 bytes per timeout, or one byte less than the least progress.
#[test]
fn v25_a_trickle_fails_as_unsent() {
    for role in BOTH {
        for reported in [true, false] {
            for (step, n) in [(4999, 100), (2499, MIN_PROGRESS / 2 - 1), (1, 2)] {
                let mut end = closing_after(role, 100_000);
                let (_, left, failed, error) = over_link(&mut end, step, n, reported);
                assert_eq!((left, error), (None, UNSENT), "{step} {n}");
                assert_eq!(failed, at_ms(5000), "{step} {n}");
                assert!(!end.out.is_empty());
                let status = end.conn.close_status().unwrap();
                assert_eq!((status.code, status.by), (CloseCode::ABNORMAL, role));
            }
        }
    }
}

/// V25: the least progress in each timeout keeps the connection, for many times the timeout.
#[test]
fn v25_the_least_progress_in_each_timeout_suffices() {
    for role in BOTH {
        for reported in [true, false] {
            let mut end = closing_after(role, 20 * MIN_PROGRESS);
            let (_, left, _, error) = over_link(&mut end, 4999, MIN_PROGRESS, reported);
            assert_eq!(error, CLOSE);
            assert_eq!(left, Some(at_ms(21 * 4999)));
        }
    }
}

/// V25: the rest of the output counts as progress, whatever its length; a part of the rest doesn't.
#[test]
fn v25_the_rest_of_the_output_is_progress() {
    for role in BOTH {
        let mut end = closing_after(role, 100);
        let len = end.out.len();
        take(&mut end, 4000, len - 1);
        assert_eq!(end.conn.poll_timeout(), Some(at_ms(5000)));
        take(&mut end, 4999, 1);
        assert_eq!(end.conn.poll_timeout(), Some(at_ms(9999)));
        end.now = at_ms(9999);
        assert_eq!(end.timeout(), Err(CLOSE));
    }
}

/// V25: progress is the sum of the writes in a timeout, and enough of it restarts the timeout.
#[test]
fn v25_progress_adds_up_over_writes() {
    for role in BOTH {
        let mut end = closing_after(role, 100_000);
        for n in 0..15 {
            take(&mut end, n * 100, 1024);
            assert_eq!(end.conn.poll_timeout(), Some(at_ms(5000)), "{n}");
        }
        take(&mut end, 2000, 1024);
        assert_eq!(end.conn.poll_timeout(), Some(at_ms(7000)), "16 KiB");
        // Bytes beyond the 16 KiB don't count twice.
        take(&mut end, 3000, MIN_PROGRESS - 1);
        assert_eq!(end.conn.poll_timeout(), Some(at_ms(7000)));
        take(&mut end, 4000, 1);
        assert_eq!(end.conn.poll_timeout(), Some(at_ms(9000)));
    }
}

/// V25, C5: the deadline is exact to the microsecond, and the failure sends no second Close frame.
#[test]
fn v25_c5_the_close_deadline() {
    for role in BOTH {
        let mut end = closing_after(role, 0);
        assert_eq!(end.conn.poll_timeout(), Some(at_ms(5000)), "5 s by default");
        take(&mut end, 1000, usize::MAX);
        assert_eq!(end.conn.poll_timeout(), Some(at_ms(6000)));
        // A read of zero bytes is no input.
        end.now = at_ms(5000);
        end.feed(&[]).unwrap();
        end.now = Instant::from_micros(5_999_999);
        assert_eq!(end.timeout(), Ok(()));
        assert_eq!(end.conn.poll_timeout(), Some(at_ms(6000)));
        end.now = at_ms(6000);
        assert_eq!(end.timeout(), Err(CLOSE));
        assert!(end.out.is_empty() && end.conn.is_closed());
        let status = end.conn.close_status().unwrap();
        assert_eq!((status.code, status.by, status.clean), (CloseCode::ABNORMAL, role, false));
        assert_eq!(end.feed(&Frame::close(1000, "").to(role).bytes()), Err(CLOSE));
        assert_eq!(end.conn.poll_timeout(), None);
    }
}

/// V25: a Close frame of which no byte is written.
#[test]
fn v25_a_close_frame_that_is_never_written_fails_as_unsent() {
    for role in BOTH {
        for len in [0, 10, 1_000_000] {
            let mut end = closing_after(role, len);
            let held = end.out.clone();
            end.now = Instant::from_micros(4_999_999);
            assert_eq!(end.timeout(), Ok(()));
            end.now = at_ms(5000);
            assert_eq!(end.timeout(), Err(UNSENT));
            assert_eq!(end.out, held, "no output is added");
        }
    }
}

/// V25, C8: pongs after the Close frame, and pending pongs, don't count as the Close frame.
#[test]
fn v25_c8_pongs_after_the_close_frame_do_not_count_as_the_close_frame() {
    for role in BOTH {
        for waiting in [false, true] {
            let max_unsent = if waiting { 90 } else { 1 << 20 };
            let config = preset(role).max_unsent(max_unsent).build().unwrap();
            let mut end = End::new(role, &config);
            end.conn.send_binary(&[7; 100], &mut end.out).unwrap();
            close(&mut end);
            let with_close = end.out.len();
            for _ in 0..10 {
                end.feed(&Frame::ping([1; 60]).to(role).bytes()).unwrap();
            }
            // All bytes up to the last one of the Close frame: a pong that was appended after it in
            // the meantime keeps the output as long as before.
            let after_close = end.out.len() - with_close;
            take(&mut end, 1000, with_close - 30);
            take(&mut end, 1000, 29);
            if waiting {
                assert_eq!(after_close, 0);
                assert!(end.out.len() > 60, "the pong is in the output");
            }
            assert_eq!(end.conn.poll_timeout(), Some(at_ms(5000)), "one byte is left");
            take(&mut end, 2000, 1);
            assert_eq!(end.conn.poll_timeout(), Some(at_ms(7000)), "the Close frame is written");
            // The pongs are no progress of the Close frame.
            take(&mut end, 3000, usize::MAX);
            assert_eq!(end.conn.poll_timeout(), Some(at_ms(7000)));
            end.now = at_ms(7000);
            assert_eq!(end.timeout(), Err(CLOSE));
        }
    }
}

/// V25: data after our Close frame extends the deadline with each byte.
#[test]
fn v25_received_data_extends_the_deadline() {
    for role in BOTH {
        for delivery in [Delivery::Whole, Delivery::Parts] {
            let config = preset(role).delivery(delivery).build().unwrap();
            let mut end = End::new(role, &config);
            close(&mut end);
            take(&mut end, 0, usize::MAX);
            let input = [
                Frame::text("ab").not_fin().to(role).bytes(),
                Frame::cont("c").to(role).bytes(),
                Frame::binary([1; 200]).to(role).bytes(),
            ]
            .concat();
            for (n, byte) in input.iter().enumerate() {
                end.now = at_ms(4999 * (n as u64 + 1));
                end.feed(&[*byte]).unwrap();
                assert_eq!(end.timeout(), Ok(()));
                assert_eq!(end.conn.poll_timeout(), Some(after(end.now, 5000)));
            }
            end.now = after(end.now, 5000);
            assert_eq!(end.timeout(), Err(CLOSE));
        }
    }
}

/// V25: compressed data after our Close frame, which is not buffered, keeps a deadline.
#[cfg(feature = "deflate")]
#[test]
fn v25_compressed_data_extends_the_deadline() {
    use sansocket::connection::Negotiated;
    use sansocket::deflate::{Agreement, Deflate, Direction, WindowBits};

    for role in BOTH {
        let direction =
            Direction { window_bits: WindowBits::new(15).unwrap(), context_takeover: false };
        let agreed = |role| {
            let agreement = Agreement::new(role, direction, direction, Deflate::default());
            End::agreed(
                role,
                &preset(role).build().unwrap(),
                &Negotiated::new().with_deflate(agreement),
            )
        };
        let (mut end, mut peer) = (agreed(role), agreed(role.peer()));
        close(&mut end);
        take(&mut end, 0, usize::MAX);
        peer.conn.send_text(&"all the same ".repeat(100), &mut peer.out).unwrap();
        for (n, byte) in peer.take_out().iter().enumerate() {
            end.now = at_ms(4000 * (n as u64 + 1));
            end.feed(&[*byte]).unwrap();
            assert_eq!(end.conn.poll_timeout(), Some(after(end.now, 5000)));
        }
        assert_eq!(end.events.len(), 1);
        end.now = after(end.now, 5000);
        assert_eq!(end.timeout(), Err(CLOSE));
    }
}

/// V25: discarded data doesn't extend the deadline; the deadline stays unchanged.
#[test]
fn v25_discarded_data_does_not_extend_the_deadline() {
    for role in BOTH {
        let data = Frame::text("x").to(role).bytes();
        // Discarding starts immediately.
        let mut end = closing_after(role, 0);
        end.conn.discard_data();
        take(&mut end, 1000, usize::MAX);
        for ms in [2000, 5999] {
            end.now = at_ms(ms);
            end.feed(&data).unwrap();
            assert_eq!(end.timeout(), Ok(()));
            assert_eq!(end.conn.poll_timeout(), Some(at_ms(6000)));
        }
        assert_eq!(end.events.len(), 2, "events are returned as before");
        end.now = at_ms(6000);
        assert_eq!(end.timeout(), Err(CLOSE));
        // After a minute of data: the deadline is not in the past.
        let mut end = closing_after(role, 0);
        take(&mut end, 0, usize::MAX);
        for n in 1..=60 {
            end.now = at_ms(n * 1000);
            end.feed(&data).unwrap();
        }
        end.now = at_ms(61_000);
        end.conn.discard_data();
        assert_eq!(end.conn.poll_timeout(), Some(at_ms(65_000)));
        end.feed(&data).unwrap();
        end.conn.discard_data();
        assert_eq!(end.conn.poll_timeout(), Some(at_ms(65_000)), "a second call has no effect");
        end.now = at_ms(64_999);
        assert_eq!(end.timeout(), Ok(()));
        end.now = at_ms(65_000);
        assert_eq!(end.timeout(), Err(CLOSE));
        // Progress of the output still counts.
        let mut end = closing_after(role, 100_000);
        end.conn.discard_data();
        take(&mut end, 4000, MIN_PROGRESS);
        assert_eq!(end.conn.poll_timeout(), Some(at_ms(9000)));
    }
}

/// Before our Close frame discarding has no effect, and there is no timeout to restart.
#[test]
fn v25_discarding_before_the_close_frame_has_no_effect() {
    for role in BOTH {
        let mut end = End::preset(role);
        let deadline = end.conn.poll_timeout();
        end.conn.discard_data();
        end.conn.restart_close_timeout(at_ms(20));
        assert_eq!(end.conn.poll_timeout(), deadline);
        close(&mut end);
        take(&mut end, 0, usize::MAX);
        end.now = at_ms(4000);
        end.feed(&Frame::text("x").to(role).bytes()).unwrap();
        assert_eq!(end.conn.poll_timeout(), Some(at_ms(9000)));
    }
}

/// V25: a caller that has not read for a while restarts the timeout of the peer, which never
/// shortens it.
#[test]
fn v25_a_restarted_close_timeout_runs_from_the_restart() {
    for role in BOTH {
        for discards in [false, true] {
            let mut end = closing_after(role, 0);
            take(&mut end, 1000, usize::MAX);
            if discards {
                end.conn.discard_data();
            }
            end.conn.restart_close_timeout(at_ms(4000));
            assert_eq!(end.conn.poll_timeout(), Some(at_ms(9000)));
            end.conn.restart_close_timeout(at_ms(500));
            assert_eq!(end.conn.poll_timeout(), Some(at_ms(9000)));
            end.now = at_ms(9000);
            assert_eq!(end.timeout(), Err(CLOSE));
            end.conn.restart_close_timeout(at_ms(9500));
            assert_eq!(end.conn.poll_timeout(), None);
        }
    }
}

/// Bytes received before the Close frame was sent don't extend the deadline.
#[test]
fn v25_input_before_the_close_frame_does_not_extend_the_deadline() {
    for role in BOTH {
        let mut end = End::preset(role);
        end.now = at_ms(1000);
        end.feed(&Frame::text("x").to(role).bytes()).unwrap();
        end.now = at_ms(3000);
        close(&mut end);
        assert_eq!(end.conn.poll_timeout(), Some(at_ms(8000)));
    }
}

/// The Close frame of the peer clears the deadline, whether ours is written or not.
#[test]
fn v25_c5_the_close_frame_of_the_peer_clears_the_deadline() {
    for role in BOTH {
        for written in [0, 1000, usize::MAX] {
            let mut end = closing_after(role, 100_000);
            take(&mut end, 1000, written);
            end.feed(&Frame::close(1000, "").to(role).bytes()).unwrap();
            assert_eq!(end.conn.poll_timeout(), None);
            end.now = at_ms(1_000_000);
            assert_eq!(end.timeout(), Ok(()));
            assert!(end.conn.close_status().unwrap().clean);
        }
    }
}

/// After our Close frame there is no keep-alive, and none after the end.
#[test]
fn v25_keep_alive_ends_with_the_close_frame() {
    for role in BOTH {
        let config = preset(role)
            .keep_alive(Some(secs(1)), Some(secs(1)))
            .close_timeout(secs(100))
            .build()
            .unwrap();
        let mut end = End::new(role, &config);
        end.now = at_ms(1000);
        end.timeout().unwrap();
        end.conn.close(CloseCode::NORMAL, "", end.now, &mut end.out).unwrap();
        let frames = sent(role, &end.take_out());
        assert_eq!(frames, [Frame::ping(1_u64.to_be_bytes()), Frame::close(1000, "")]);
        end.written();
        end.now = at_ms(100_999);
        assert_eq!(end.timeout(), Ok(()));
        assert!(end.out.is_empty());
        end.feed(&Frame::close(1000, "").to(role).bytes()).unwrap();
        assert_eq!(end.conn.poll_timeout(), None);
        end.now = at_ms(1_000_000);
        assert_eq!(end.timeout(), Ok(()));
        assert!(end.out.is_empty());
    }
}
