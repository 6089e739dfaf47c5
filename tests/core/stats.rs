//! Statistics of a connection.

use sansocket::Prepared;
use sansocket::config::Delivery;
use sansocket::message::{Data, SendOptions};

use crate::common::{BOTH, End, Frame, preset};

#[test]
fn stats_count_messages_and_bytes_of_every_form() {
    for role in BOTH {
        for parts in [false, true] {
            let delivery = if parts { Delivery::Parts } else { Delivery::Whole };
            let config = preset(role).delivery(delivery).build().unwrap();
            let frames: Vec<u8> = [
                Frame::text("abc"),
                Frame::text("\u{20ac}\u{1f600}").not_fin(),
                Frame::ping("not counted"),
                Frame::cont("\u{e4}"),
                Frame::binary([1; 1000]),
                Frame::binary(""),
                Frame::pong("not counted"),
            ]
            .into_iter()
            .flat_map(|frame| frame.to(role).bytes())
            .collect();
            for chunk_len in [1, 2, 3, 5, 100, frames.len()] {
                let mut end = End::new(role, &config);
                assert_eq!(end.conn.stats(), None);
                end.conn.enable_stats();
                end.feed_in_chunks(&frames, chunk_len).unwrap();
                let stats = end.conn.stats().unwrap();
                assert_eq!(
                    (stats.messages_received, stats.bytes_received),
                    (4, 1012),
                    "{chunk_len}"
                );
                end.conn.enable_stats();
                assert_eq!(end.conn.stats(), Some(stats), "switched on twice");
                end.out.clear();
                end.conn.send_text("abc", &mut end.out).unwrap();
                let o = SendOptions::new();
                end.conn.send_part(Data::Binary(b"ab"), false, o, &mut end.out).unwrap();
                end.conn.send_part(Data::Binary(b"c"), true, o, &mut end.out).unwrap();
                let two = o.max_frame_len(2.try_into().unwrap());
                end.conn.send(Data::Text("abc"), two, &mut end.out).unwrap();
                end.conn.send_prepared(&Prepared::text("abc"), &mut end.out).unwrap();
                end.conn.send_ping(b"not counted", &mut end.out).unwrap();
                let stats = end.conn.stats().unwrap();
                assert_eq!((stats.messages_sent, stats.bytes_sent), (4, 12));
                assert_eq!(stats.last_round_trip, None);
            }
        }
    }
}
