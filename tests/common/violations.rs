//! Violations of the protocol.

use super::frame::frame;

/// Every kind of violation by a client: a name, the bytes, and the code of the Close frame of the
/// server. The `max_message_len` of the server is 1000.
pub fn violations() -> Vec<(&'static str, Vec<u8>, u16)> {
    let mut long_control = vec![0x89, 0x80 | 126, 0, 126, 0, 0, 0, 0];
    long_control.extend_from_slice(&[0; 126]);
    vec![
        ("reserved bit", frame(0xc1, b"x"), 1002),
        ("reserved bit of a control frame", frame(0xa9, b"x"), 1002),
        ("reserved opcode", frame(0x83, b"x"), 1002),
        ("reserved control opcode", frame(0x8b, b"x"), 1002),
        ("unmasked", vec![0x81, 0x01, b'x'], 1002),
        ("fragmented control", frame(0x09, b"x"), 1002),
        ("long control", long_control, 1002),
        ("length not minimal", vec![0x82, 0x80 | 126, 0, 5, 0, 0, 0, 0, 1, 2, 3, 4, 5], 1002),
        ("length of 2^63", vec![0x82, 0x80 | 127, 0x80, 0, 0, 0, 0, 0, 0, 0], 1002),
        ("stray continuation", frame(0x80, b"x"), 1002),
        ("message in message", [frame(0x01, b"x"), frame(0x81, b"y")].concat(), 1002),
        ("bad text", frame(0x81, b"a\xffb"), 1007),
        ("bad text in fragments", [frame(0x01, b"\xe2"), frame(0x80, b"\x28")].concat(), 1007),
        ("text that ends inside a character", frame(0x81, b"\xe2\x82"), 1007),
        ("close with one byte", frame(0x88, b"x"), 1002),
        ("close code 1005", frame(0x88, &1005_u16.to_be_bytes()), 1002),
        ("close reason no text", frame(0x88, b"\x03\xe8\xff"), 1007),
        ("too long", frame(0x82, &[0; 1001]), 1009),
        ("too long in fragments", [frame(0x02, &[0; 600]), frame(0x80, &[0; 401])].concat(), 1009),
        ("2^62 announced", vec![0x82, 0x80 | 127, 0x40, 0, 0, 0, 0, 0, 0, 0], 1009),
    ]
}
