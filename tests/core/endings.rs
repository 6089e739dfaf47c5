//! The ends of a connection other than the closing handshake: a half-closed peer, and aborting; and
//! the close status.

use sansocket::connection::{Negotiated, OwnedEvent};
use sansocket::error::{PeerError, ProtocolError, SendError, TimeoutError};
use sansocket::message::{Data, SendOptions};
use sansocket::{CloseCode, Connection, Event, Role};

use crate::common::frame::sent;
use crate::common::{BOTH, End, Frame, Pair, at_ms, entropy, preset};

const EOF: ProtocolError = ProtocolError::Peer(PeerError::ClosedWithoutHandshake);

/// Code, reason, initiator, clean.
fn status(conn: &Connection) -> (u16, String, Role, bool) {
    let status = conn.close_status().unwrap();
    (status.code.value(), status.reason.as_str().to_owned(), status.by, status.clean)
}

fn lost(by: Role) -> (u16, String, Role, bool) {
    (1006, String::new(), by, false)
}

/// C6: a peer that has ended its writing half still reads: it is sent the replies and then a Close
/// frame with 1002. The error and 1006 report that it sent no Close frame.
#[test]
fn c6_a_half_closed_peer_gets_the_replies_and_a_close_frame_with_1002() {
    for role in BOTH {
        let mut end = End::preset(role);
        let input = [Frame::text("question").to(role).bytes(), Frame::ping("p").to(role).bytes()];
        end.feed_with(&input.concat(), |conn, event, out| {
            if let Event::Text(text) = event {
                conn.send_text(text, out).unwrap();
            }
        })
        .unwrap();
        assert_eq!(end.conn.receive_eof(&mut end.out), Err(EOF));
        let out = end.take_out();
        let expected = [Frame::text("question"), Frame::pong("p"), Frame::close(1002, "")];
        assert_eq!(sent(role, &out), expected);
        assert!(end.conn.is_closed());
        assert_eq!((end.conn.error(), status(&end.conn)), (Some(EOF), lost(role.peer())));
        assert_eq!(end.conn.poll_timeout(), None);
        // Only once.
        assert_eq!(end.conn.receive_eof(&mut end.out), Err(EOF));
        assert!(end.out.is_empty());
        // The output is valid input of the peer.
        let mut peer = End::preset(role.peer());
        peer.feed(&out).unwrap();
        assert!(matches!(peer.events.last(), Some(OwnedEvent::Close(Some(frame)))
            if frame.code == CloseCode::PROTOCOL_ERROR));
    }
}

/// C6, Q6: the Close frame for a half-closed peer exceeds the mark, and may be sent between the
/// parts of a message of ours.
#[test]
fn c6_q6_the_close_frame_for_a_half_closed_peer_passes_the_mark() {
    for role in BOTH {
        let config = preset(role).max_unsent(10).build().unwrap();
        let mut end = End::new(role, &config);
        let o = SendOptions::new();
        end.conn.send_part(Data::Binary(&[1; 100]), false, o, &mut end.out).unwrap();
        assert_eq!(end.conn.send_ping(b"", &mut end.out), Err(SendError::Full));
        assert_eq!(end.conn.receive_eof(&mut end.out), Err(EOF));
        let expected = [Frame::binary([1; 100]).not_fin(), Frame::close(1002, "")];
        assert_eq!(sent(role, &end.out), expected);
    }
}

/// C6, C3: after our Close frame the end of the input causes no second one.
#[test]
fn c3_c6_a_half_closed_peer_gets_no_second_close_frame() {
    for role in BOTH {
        let mut end = End::preset(role);
        end.conn.close(CloseCode::NORMAL, "ours", end.now, &mut end.out).unwrap();
        let held = end.out.clone();
        assert_eq!(end.conn.receive_eof(&mut end.out), Err(EOF));
        assert_eq!(end.out, held);
        assert_eq!(status(&end.conn), lost(role), "this end is the initiator");
        assert_eq!(end.conn.poll_timeout(), None, "no deadline");
        // And no deadline after a closing handshake or a failure.
        for bytes in [Frame::close(1000, "").to(role).bytes(), vec![0xff]] {
            let mut end = End::preset(role);
            let error = end.feed(&bytes);
            end.out.clear();
            assert_eq!(end.conn.receive_eof(&mut end.out), error);
            assert!(end.out.is_empty());
        }
    }
}

/// A client without a mask key can't write a Close frame: it fails with the same error without one.
#[test]
fn c6_a_half_closed_peer_of_a_client_without_entropy() {
    let mut end = End::preset(Role::Client);
    entropy::reseed(1);
    entropy::fail_after(0);
    assert_eq!(end.conn.receive_eof(&mut end.out), Err(EOF));
    entropy::reseed(1);
    assert!(end.out.is_empty());
    assert_eq!(status(&end.conn), lost(Role::Server));
}

/// Aborting writes no output. The status reports that this end aborted without a Close frame.
#[test]
fn aborting_writes_no_output_and_every_later_call_returns_its_error() {
    for role in BOTH {
        for closing in [false, true] {
            let mut end = End::preset(role);
            end.feed(&Frame::text("ab").not_fin().to(role).bytes()).unwrap();
            end.conn.send_text("on its way", &mut end.out).unwrap();
            if closing {
                end.conn.close(CloseCode::NORMAL, "", end.now, &mut end.out).unwrap();
            }
            let held = end.out.clone();
            for _ in 0..2 {
                end.conn.abort();
                assert!(end.conn.is_closed() && !end.conn.is_open());
                assert_eq!(end.conn.error(), Some(ProtocolError::Aborted));
                assert_eq!(status(&end.conn), lost(role));
                assert_eq!(end.conn.poll_timeout(), None);
                end.now = at_ms(1_000_000);
                assert_eq!(end.timeout(), Err(ProtocolError::Aborted));
                end.written();
                let rest = Frame::cont("c").to(role).bytes();
                assert_eq!(end.feed(&rest), Err(ProtocolError::Aborted));
                let eof = end.conn.receive_eof(&mut end.out);
                assert_eq!(eof, Err(ProtocolError::Aborted));
                assert_eq!(end.conn.send_text("x", &mut end.out), Err(SendError::Closed));
                assert_eq!(end.conn.send_ping(b"", &mut end.out), Err(SendError::Closed));
                let close = end.conn.close(CloseCode::NORMAL, "", end.now, &mut end.out);
                assert_eq!(close, Err(SendError::Closed));
                assert_eq!(end.out, held, "the output is unchanged");
            }
            end.inbox.shrink();
            assert_eq!(end.inbox.capacity(), 0);
        }
    }
}

#[test]
fn aborting_after_the_end_has_no_effect() {
    for role in BOTH {
        let mut end = End::preset(role);
        end.feed(&Frame::close(3000, "r").to(role).bytes()).unwrap();
        end.conn.abort();
        assert_eq!((end.conn.error(), end.timeout()), (None, Ok(())));
        assert_eq!(status(&end.conn), (3000, "r".to_owned(), role.peer(), true));

        let mut end = End::preset(role);
        let error = end.feed(&[0xff]).unwrap_err();
        end.conn.abort();
        assert_eq!(end.conn.error(), Some(error));
        assert_eq!(status(&end.conn).0, 1002);
    }
}

#[cfg(feature = "std")]
#[test]
fn an_aborted_connection_has_its_own_io_error_kind() {
    let error = std::io::Error::from(ProtocolError::Aborted);
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionAborted);
}

/// The reason is that of the Close frame of the peer: the first one, a reply, or a crossing one.
#[test]
fn the_close_status_has_the_reason_of_the_peer() {
    let long = "r".repeat(123);
    for role in BOTH {
        for reason in ["", "why", "w\u{e4}r\u{20ac}", &long] {
            let theirs = Frame::close(3001, reason).to(role).bytes();
            for cut in [1, theirs.len()] {
                let mut end = End::preset(role);
                end.feed_in_chunks(&theirs, cut).unwrap();
                assert_eq!(status(&end.conn), (3001, reason.to_owned(), role.peer(), true));

                let mut end = End::preset(role);
                end.conn.close(CloseCode::NORMAL, "ours", end.now, &mut end.out).unwrap();
                assert_eq!(status(&end.conn), (1000, String::new(), role, false));
                end.feed_in_chunks(&theirs, cut).unwrap();
                assert_eq!(status(&end.conn), (3001, reason.to_owned(), role, true));
                // It doesn't change with later input.
                let _ = end.feed(&Frame::close(1000, "late").to(role).bytes());
                let _ = end.conn.receive_eof(&mut end.out);
                assert_eq!(status(&end.conn).1, reason);
            }
        }
    }
    let mut pair = Pair::preset();
    for end in [&mut pair.client, &mut pair.server] {
        let reason = format!("from {:?}", end.conn.role());
        end.conn.close(CloseCode::NORMAL, &reason, end.now, &mut end.out).unwrap();
    }
    pair.drive();
    assert_eq!(status(&pair.client.conn), (1000, "from Server".into(), Role::Client, true));
    assert_eq!(status(&pair.server.conn), (1000, "from Client".into(), Role::Server, true));
}

/// C1: a reason cut inside a character: the error has the code, and the status has no reason.
#[test]
fn c1_a_reason_cut_inside_a_character_is_an_error_with_the_close_code() {
    for role in BOTH {
        let reason = "the price is 5 \u{20ac}";
        for cut in 1..3 {
            let reason = &reason.as_bytes()[..reason.len() - cut];
            let mut end = End::preset(role);
            let error = end.feed(&Frame::close(4001, reason).to(role).bytes()).unwrap_err();
            assert_eq!(error, PeerError::InvalidCloseReason(4001).into());
            assert_eq!(
                error.to_string(),
                "the peer closed with code 4001 and a reason that isn't UTF-8"
            );
            assert_eq!(sent(role, &end.out), [Frame::close(1007, "")]);
            assert_eq!(status(&end.conn), (1007, String::new(), role, false));
        }
    }
}

/// Without a Close frame of the peer there is no reason.
#[test]
fn a_connection_that_was_not_closed_by_its_peer_has_no_reason() {
    for role in BOTH {
        let mut end = End::preset(role);
        assert_eq!(end.conn.close_status(), None);
        end.feed(&[0xff]).unwrap_err();
        assert_eq!(status(&end.conn), (1002, String::new(), role, false));

        let mut end = End::preset(role);
        end.conn.close(CloseCode::new(3000), "ours", end.now, &mut end.out).unwrap();
        end.now = at_ms(5000);
        assert_eq!(end.timeout(), Err(TimeoutError::CloseUnsent.into()));
        assert_eq!(status(&end.conn), lost(role));
    }
}

#[test]
fn hs11_the_connection_has_the_negotiated_subprotocol() {
    for role in BOTH {
        let config = preset(role).build().unwrap();
        let agreed = Negotiated::new().with_subprotocol("chat.v2");
        let mut end = End::agreed(role, &config, &agreed);
        assert_eq!(end.conn.subprotocol(), Some("chat.v2"));
        // Until the end, and after it.
        end.conn.enable_stats();
        end.feed(&Frame::text("x").to(role).bytes()).unwrap();
        end.feed(&Frame::close(1000, "").to(role).bytes()).unwrap();
        assert_eq!(end.conn.subprotocol(), Some("chat.v2"));
        assert_eq!(End::new(role, &config).conn.subprotocol(), None);
    }
}

/// Compression state in the same box is allocated and freed without the subprotocol.
#[cfg(feature = "deflate")]
#[test]
fn the_subprotocol_outlives_compressed_messages() {
    use sansocket::deflate::{Agreement, Deflate, Direction, WindowBits};

    for role in BOTH {
        let direction =
            Direction { window_bits: WindowBits::new(15).unwrap(), context_takeover: false };
        let agreed = |role| {
            let agreement = Agreement::new(role, direction, direction, Deflate::default());
            Negotiated::new().with_deflate(agreement).with_subprotocol("chat")
        };
        let config =
            |role| preset(role).message_timeout(Some(crate::common::secs(1))).build().unwrap();
        let mut end = End::agreed(role, &config(role), &agreed(role));
        let mut peer = End::agreed(role.peer(), &config(role.peer()), &agreed(role.peer()));
        let o = SendOptions::new().max_frame_len(50.try_into().unwrap());
        for _ in 0..3 {
            let text = "again and again ".repeat(100);
            end.conn.send(Data::Text(&text), o, &mut end.out).unwrap();
            peer.feed_in_chunks(&end.take_out(), 7).unwrap();
            assert_eq!(peer.take_events().len(), 1);
            assert_eq!(end.conn.subprotocol(), Some("chat"));
            assert_eq!(peer.conn.subprotocol(), Some("chat"));
        }
    }
}
