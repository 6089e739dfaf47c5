"""Errors of a session of HTTP/2, floods, and clients that send nothing, by the hand-made client of h2_peer.py.

Each case is a function of the address of the app. The app must end the session with a code, or by a deadline. Its other sessions
go on.
"""
import contextlib
import socket
import struct
import time

from h2.errors import ErrorCodes

from frameworks import open_socket, same
from h2_peer import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    HEADERS,
    PADDED,
    PING,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    h2_frame,
    open_peer,
)

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def errors_of_the_session(address):
    """A comment names the code of RFC 9113 if the crate h2 uses another one."""
    other, open_stream = open_peer(address)
    cases = [
        ("DATA on stream 0", h2_frame(DATA, 0, 0, b"x"), "PROTOCOL_ERROR"),
        ("DATA on an idle stream", h2_frame(DATA, 0, 99, b"x"), "PROTOCOL_ERROR"),
        ("HEADERS on an even stream", h2_frame(HEADERS, END_HEADERS, 2, b"\x82"), "PROTOCOL_ERROR"),
        ("CONTINUATION alone", h2_frame(CONTINUATION, END_HEADERS, 1, b""), "PROTOCOL_ERROR"),
        ("DATA within a head", h2_frame(HEADERS, 0, 99, b"") + h2_frame(DATA, 0, 1, b""), "PROTOCOL_ERROR"),
        ("a head that cannot be decoded", h2_frame(HEADERS, END_HEADERS, 99, b"\xff\xff\xff\xff"), "PROTOCOL_ERROR"),  # RFC 9113: COMPRESSION_ERROR
        ("a frame that is too long", h2_frame(DATA, 0, 1, bytes(20_000)), "FRAME_SIZE_ERROR"),
        ("SETTINGS of 5 bytes", h2_frame(SETTINGS, 0, 0, bytes(5)), "PROTOCOL_ERROR"),  # RFC 9113: FRAME_SIZE_ERROR
        ("a window above 2^31 - 1", h2_frame(SETTINGS, 0, 0, struct.pack(">HI", 4, 1 << 31)), "PROTOCOL_ERROR"),  # RFC 9113: FLOW_CONTROL_ERROR
        ("WINDOW_UPDATE of 2^31 - 1", h2_frame(WINDOW_UPDATE, 0, 0, b"\x7f\xff\xff\xff"), "FLOW_CONTROL_ERROR"),
        ("WINDOW_UPDATE of 0", h2_frame(WINDOW_UPDATE, 0, 0, bytes(4)), "PROTOCOL_ERROR"),
        ("PING of 7 bytes", h2_frame(PING, 0, 0, bytes(7)), "PROTOCOL_ERROR"),  # RFC 9113: FRAME_SIZE_ERROR
        ("padding longer than the frame", h2_frame(DATA, PADDED, 1, b"\x09x"), "PROTOCOL_ERROR"),
    ]
    faults = []
    for name, sent, expected in cases:
        peer, stream = open_peer(address)
        same(stream, 1)
        peer.raw(sent)
        got = peer.session_error()
        if got != expected:
            faults.append(f"{name}: expected {expected}, got {got}")
        other.echoes(open_stream)
    same("; ".join(faults), "", "codes")


def floods(address):
    """Floods that no window limits. Most end their session; another one echoes meanwhile."""
    other, open_stream = open_peer(address)
    calm, head = "ENHANCE_YOUR_CALM", h2_frame(HEADERS, 0, 3, b"\x90")
    # A literal field that is not added to the table of HPACK, so each block has the same bytes.
    block = b"".join(b"\x00" + bytes([len(n)]) + n.encode() + bytes([len(v)]) + v.encode() for n, v in other.fields())
    resets = (
        h2_frame(HEADERS, END_HEADERS, stream, block) + h2_frame(RST_STREAM, 0, stream, struct.pack(">I", ErrorCodes.CANCEL))
        for stream in range(3, 100_000, 2)
    )
    cases = [
        ("CONTINUATION", [head] + [h2_frame(CONTINUATION, 0, 3, b"\x90" * 16_000)] * 200, calm),
        ("CONTINUATION, empty", [head] + [h2_frame(CONTINUATION, 0, 3)] * 20_000, calm),
        ("DATA, empty", [h2_frame(DATA, 0, 1)] * 20_000, calm),
        ("RST_STREAM", resets, None),
        # The app stops to read while its answers are not read.
        ("PING", [h2_frame(PING, 0, 0, bytes(8))] * 500_000, None),
        ("SETTINGS", [h2_frame(SETTINGS, 0, 0)] * 500_000, None),
    ]
    for name, frames, expected in cases:
        peer, stream = open_peer(address)
        same(stream, 1)
        peer.sock.settimeout(1)
        with contextlib.suppress(ConnectionError, TimeoutError):
            peer.raw(*frames)
        other.echoes(open_stream)
        if expected:
            same(peer.session_error(), expected, name)
        peer.sock.close()
        other.echoes(open_stream)


# Handshakes.


def no_http(address):
    """Bytes that are neither the preface nor a request end the transport at once."""
    for sent in [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n", b"SSH-2.0-x\r\n\r\n"]:
        with open_socket(address) as sock:
            sock.sendall(sent)
            sock.shutdown(socket.SHUT_WR)
            with contextlib.suppress(ConnectionResetError):
                answer = b""
                while more := sock.recv(65536):
                    answer += more
                if not answer.startswith((b"HTTP/1.1 4", b"HTTP/1.1 5")) and answer:
                    raise AssertionError(f"answer {answer!r:.100}")


def silent_after(sent, least, most):
    """A case: the app ends the transport of a client that sends nothing more, after `least` to `most` seconds."""

    def case(address):
        with open_socket(address) as sock:
            sock.settimeout(most + 1)
            sock.sendall(sent)
            start = time.monotonic()
            with contextlib.suppress(ConnectionResetError):
                while sock.recv(65536):
                    pass
            seconds = time.monotonic() - start
        if not least <= seconds <= most:
            raise AssertionError(f"ended after {seconds:.1f} s, not {least} to {most} s")

    return case


# The timeout of a handshake is 10 s, that of a session without streams 60 s. Machines can be slow.
DEADLINES = {
    "a preface that never comes": silent_after(b"", 9, 20),
    "half a preface": silent_after(PREFACE[:12], 9, 20),
    "SETTINGS that never come": silent_after(PREFACE, 9, 75),
    "half of SETTINGS": silent_after(PREFACE + h2_frame(SETTINGS, 0, 0, bytes(6))[:12], 9, 75),
    "a head that does not end": silent_after(PREFACE + h2_frame(SETTINGS, 0, 0) + h2_frame(HEADERS, 0, 1, b"\x82"), 9, 75),
}

CASES = [
    errors_of_the_session,
    floods,
    no_http,
]
