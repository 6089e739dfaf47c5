"""Cases of a hand-made client of HTTP/2, the library `h2` with frames of its own, for the sample app with --h2c.

Each case is a function of the address of the app. The session lives on after each of them where HTTP/2 permits it; h2_faults.py has
errors of the session.
"""
import contextlib
import socket
import struct
import time

import h2.events
from h2.errors import ErrorCodes
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes

from frameworks import SECONDS, Session, frame, same

# Types of frames, and flags (RFC 9113 section 6).
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 2, 3, 4, 6, 7, 8, 9
END_STREAM, END_HEADERS, PADDED = 0x1, 0x4, 0x8
# The settings of the app: window of a stream, streams of a session.
WINDOW, STREAMS = 65536, 256
CLOSE = frame(8, b"\x03\xe8")


def h2_frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


class Peer(Session):
    """A session that sends any fields, and records GOAWAY, answers to PINGs and acknowledgements of settings."""

    def __init__(self, address):
        self.goaway = None
        self.pongs = []
        self.settings_acks = 0
        self.acknowledges = True
        super().__init__(address, validate_outbound_headers=False, normalize_outbound_headers=False)

    def handle(self, event):
        if isinstance(event, h2.events.ConnectionTerminated):
            self.goaway = event.error_code
        elif isinstance(event, h2.events.PingAckReceived):
            self.pongs.append(event.ping_data)
        elif isinstance(event, h2.events.SettingsAcknowledged):
            self.settings_acks += 1
        elif isinstance(event, h2.events.DataReceived) and not self.acknowledges:
            self.data[event.stream_id] = self.data.get(event.stream_id, b"") + event.data
        else:
            super().handle(event)

    def opened(self):
        """Opens a WebSocket."""
        stream, head = self.connect()
        same(head[":status"], "200")
        return stream

    def raw(self, *frames):
        self.sock.sendall(b"".join(frames))

    def fields(self, **changes):
        """The fields of a valid request. A change is a value, a list of values, or None for no field. `_` stands for `-`."""
        fields = {
            ":method": "CONNECT",
            ":protocol": "websocket",
            ":scheme": "http",
            ":authority": self.authority,
            ":path": "/ws",
            "sec-websocket-version": "13",
        }
        for name, value in changes.items():
            pseudo = f":{name}"
            fields[pseudo if pseudo in fields else name.replace("_", "-")] = value
        for name, value in fields.items():
            for one in value if isinstance(value, list) else [value] if value is not None else []:
                yield name, one

    def refused(self, fields):
        """Sends a request. Returns the status, or the end of its stream, and the version of WebSocket in the response."""
        stream, head = self.request(list(fields), end=False)
        if stream not in self.ends:
            self.conn.reset_stream(stream, ErrorCodes.CANCEL)
            self.flush()
        return head[":status"], head.get("sec-websocket-version")

    def settle(self, **settings):
        """Changes settings, and waits for their acknowledgement."""
        acks = self.settings_acks
        self.conn.update_settings({SettingCodes[name]: value for name, value in settings.items()})
        self.flush()
        self.wait(lambda: self.settings_acks > acks, "acknowledgement of the settings")

    def ping(self, payload=b"01234567"):
        self.pongs.clear()
        self.conn.ping(payload)
        self.flush()
        self.wait(lambda: payload in self.pongs, "answer to a PING")

    def ended(self, stream):
        self.wait(lambda: stream in self.ends, "end of the stream")
        return self.ends[stream]

    def session_error(self):
        """Reads to the end of the session. Returns the code of GOAWAY."""
        deadline = time.monotonic() + SECONDS
        while self.goaway is None and time.monotonic() < deadline:
            with contextlib.suppress(ConnectionResetError):
                if received := self.sock.recv(65536):
                    for event in self.conn.receive_data(received):
                        self.handle(event)
                    continue
            break
        return ErrorCodes(self.goaway).name if self.goaway is not None else None


def open_peer(address):
    peer = Peer(address)
    return peer, peer.opened()


# Requests.


def requests_that_are_refused(address):
    """Another WebSocket of the session echoes after each of them."""
    peer, stream = open_peer(address)
    refused, version, malformed = ("400", None), ("400", "13"), (f"RST_STREAM {ErrorCodes.PROTOCOL_ERROR}", None)
    get = {"method": "GET", "protocol": None}
    cases = [
        ("no method", {"method": None}, malformed),
        ("no scheme", {"scheme": None}, malformed),
        ("no path", {"path": None}, malformed),
        ("no authority", {"authority": None}, refused),
        ("two methods", {"method": ["CONNECT", "CONNECT"]}, malformed),
        ("two protocols", {"protocol": ["websocket", "websocket"]}, malformed),
        ("two schemes", {"scheme": ["http", "http"]}, malformed),
        ("two authorities", {"authority": [address, address]}, malformed),
        ("two paths", {"path": ["/ws", "/ws"]}, malformed),
        ("an empty protocol", {"protocol": ""}, ("501", None)),
        ("an empty scheme", {"scheme": ""}, refused),
        ("an empty authority", {"authority": ""}, malformed),
        ("an empty path", {"path": ""}, malformed),
        ("the scheme wss", {"scheme": "wss"}, refused),
        ("the path *", {"path": "*"}, refused),
        ("a path without /", {"path": "ws"}, malformed),
        ("an authority with a user", {"authority": f"me@{address}"}, refused),
        ("another Host", {"host": "other.example"}, refused),
        ("another protocol", {"protocol": "connect-udp"}, ("501", None)),
        ("no version", {"sec_websocket_version": None}, version),
        ("version 8", {"sec_websocket_version": "8"}, version),
        ("two versions", {"sec_websocket_version": ["13", "13"]}, refused),
        ("Connection", {"connection": "upgrade"}, malformed),
        ("Upgrade", {"upgrade": "websocket"}, malformed),
        ("Transfer-Encoding", {"transfer_encoding": "chunked"}, malformed),
        ("another origin", {"origin": "https://other.example"}, ("403", None)),
        ("another path", {"path": "/no/such/page"}, ("404", None)),
        ("GET with a protocol", {"method": "GET"}, malformed),
        ("GET", get, version),
        ("POST", {**get, "method": "POST"}, version),
        ("CONNECT without a protocol", {"protocol": None}, malformed),
        ("CONNECT of a proxy", {"protocol": None, "scheme": None, "path": None}, version),
    ]
    faults = []
    for name, changes, expected in cases:
        got = peer.refused(peer.fields(**changes))
        if got != expected:
            faults.append(f"{name}: expected {expected}, got {got}")
        peer.echoes(stream, name.encode())
    same("; ".join(faults), "", "refusals")


def requests_that_end_the_session(address):
    """The crate h2 sees them as errors of HPACK. RFC 9113 5.4.1 permits to end the session."""
    for changes in [{"method": ""}, {"X-Name": "1"}, {":unknown": "1"}]:
        peer = Peer(address)
        peer.conn.send_headers(1, list(peer.fields(**changes)))
        peer.flush()
        same(peer.session_error(), "PROTOCOL_ERROR", changes)


def a_request_whose_head_is_too_long(address):
    peer, stream = open_peer(address)
    same(peer.refused(peer.fields(x_long=["x" * 1000] * 20))[0], "431")
    peer.echoes(stream)


def a_head_in_many_continuations(address):
    peer = Peer(address)
    block = peer.conn.encoder.encode(list(peer.fields(x_field=["value"] * 20)))
    blocks = [block[at : at + 16] for at in range(0, len(block), 16)]
    last = len(blocks) - 1
    # The stream of the library is the next one, so its state is that of an open stream.
    stream = peer.conn.get_next_available_stream_id()
    peer.conn._begin_new_stream(stream, 1).send_headers(list(peer.fields()), peer.conn.encoder)
    peer.raw(*(h2_frame(CONTINUATION if i else HEADERS, END_HEADERS if i == last else 0, stream, b) for i, b in enumerate(blocks)))
    peer.wait(lambda: stream in peer.heads, "response")
    same(peer.heads[stream][":status"], "200")
    peer.echoes(stream)


def more_streams_than_permitted(address):
    peer = Peer(address)
    same(peer.settings[SettingCodes.MAX_CONCURRENT_STREAMS], STREAMS)
    streams = [peer.opened() for _ in range(STREAMS)]
    # The library would wait.
    peer.conn.remote_settings.max_concurrent_streams = STREAMS + 1
    peer.conn.remote_settings.acknowledge()
    same(peer.refused(peer.fields())[0], f"RST_STREAM {ErrorCodes.REFUSED_STREAM}")
    for stream in [streams[0], streams[-1]]:
        peer.echoes(stream)
    peer.conn.reset_stream(streams[0], ErrorCodes.CANCEL)
    peer.flush()
    peer.echoes(peer.opened())


# Ends.


def a_close_frame_and_the_end_in_one_data_frame(address):
    peer, stream = open_peer(address)
    peer.conn.send_data(stream, CLOSE, end_stream=True)
    peer.flush()
    same(peer.receive(stream), (0x88, b"\x03\xe8"))
    same(peer.ended(stream), "END_STREAM")
    peer.echoes(peer.opened())


def an_end_without_a_close_frame(address):
    peer, stream = open_peer(address)
    peer.send(stream, frame(1, b"part", fin=False), end=True)
    # As over TCP: half a message is a violation.
    same(peer.receive(stream), (0x88, b"\x03\xea"))
    same(peer.ended(stream), "END_STREAM")
    peer.echoes(peer.opened())


def an_end_after_a_message(address):
    """By END_STREAM with the message, alone, or with trailers. The message is echoed; the Close frame states a lost connection."""
    peer, other = open_peer(address)
    for end in ["data", "empty data", "trailers"]:
        stream = peer.opened()
        peer.conn.send_data(stream, frame(1, b"hello"), end_stream=end == "data")
        if end == "empty data":
            peer.conn.end_stream(stream)
        elif end == "trailers":
            peer.conn.send_headers(stream, [("x-trailer", "1")], end_stream=True)
        peer.flush()
        same([peer.receive(stream), peer.receive(stream)], [(0x81, b"hello"), (0x88, b"\x03\xea")], end)
        same(peer.ended(stream), "END_STREAM", end)
        peer.echoes(other)


def resets_at_any_place(address):
    peer, stream = open_peer(address)
    for before in [b"", b"\x81", frame(1, b"hello"), frame(1, b"part", fin=False), frame(2, bytes(70_000))[:30_000], CLOSE]:
        for code in [ErrorCodes.CANCEL, ErrorCodes.NO_ERROR, ErrorCodes.INTERNAL_ERROR]:
            other = peer.opened()
            peer.send(other, before)
            with contextlib.suppress(ProtocolError):
                peer.conn.reset_stream(other, code)
                peer.flush()
    peer.echoes(stream)


def a_graceful_goaway(address):
    """The open WebSocket goes on. When it has ended, the server ends the transport."""
    peer, stream = open_peer(address)
    peer.raw(h2_frame(GOAWAY, 0, 0, struct.pack(">II", 0, ErrorCodes.NO_ERROR)))
    peer.ping()
    peer.echoes(stream)
    peer.send(stream, CLOSE)
    same(peer.receive(stream), (0x88, b"\x03\xe8"))
    same(peer.ended(stream), "END_STREAM")
    peer.conn.end_stream(stream)
    peer.flush()
    peer.session_error()
    same(peer.sock.recv(1), b"", "end of the transport")


def a_transport_that_vanishes(address):
    for _ in range(20):
        peer, stream = open_peer(address)
        peer.send(stream, frame(1, b"part", fin=False))
        peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        peer.sock.close()
    peer, stream = open_peer(address)
    peer.echoes(stream)


# Frames.


def data_frames_of_one_byte(address):
    peer, stream = open_peer(address)
    payload = bytes(range(256)) * 4
    for byte in frame(2, payload) + frame(9, b"ping") + frame(1, "Grüße, 世界 🌍".encode()) + CLOSE:
        peer.send(stream, bytes([byte]))
    seen = [peer.receive(stream) for _ in range(4)]
    same(seen, [(0x82, payload), (0x8A, b"ping"), (0x81, "Grüße, 世界 🌍".encode()), (0x88, b"\x03\xe8")])
    same(peer.ended(stream), "END_STREAM")


def padded_data_frames(address):
    peer, stream = open_peer(address)
    for pad in [0, 1, 255]:
        for byte in frame(1, b"padded"):
            peer.conn.send_data(stream, bytes([byte]), pad_length=pad)
            peer.flush()
        same(peer.receive(stream), (0x81, b"padded"))


def frames_that_are_ignored(address):
    peer, stream = open_peer(address)
    peer.send(stream, frame(1, b"hel", fin=False))
    peer.raw(
        h2_frame(PRIORITY, 0, stream, struct.pack(">IB", 0, 15)),
        h2_frame(PRIORITY, 0, 2_001, struct.pack(">IB", stream, 255)),
        h2_frame(0x10, 0, 0, b"\0\0\0\1u=1"),  # PRIORITY_UPDATE
        h2_frame(0xBA, 0xFF, 0, b"unknown"),
        h2_frame(0xBA, 0xFF, stream, b"unknown"),
        h2_frame(SETTINGS, 0, 0, struct.pack(">HI", 0xBABA, 1)),
        h2_frame(DATA, PADDED, stream, b"\x02\0\0"),
    )
    peer.send(stream, frame(0, b"lo"))
    same(peer.receive(stream), (0x81, b"hello"))


def pings_are_answered(address):
    peer, stream = open_peer(address)
    for i in range(100):
        peer.ping(struct.pack(">Q", i))
    peer.echoes(stream)


def empty_data_frames(address):
    """The crate h2 permits 100 in the life of a session."""
    peer, stream = open_peer(address)
    for _ in range(100):
        peer.raw(h2_frame(DATA, 0, stream))
    peer.ping()
    peer.echoes(stream)
    peer.raw(h2_frame(DATA, 0, stream))
    same(peer.session_error(), "ENHANCE_YOUR_CALM")


# Windows.


def windows_of_one_byte(address):
    peer = Peer(address)
    peer.settle(INITIAL_WINDOW_SIZE=1)
    stream = peer.opened()
    peer.send(stream, frame(1, b"x" * 1000) + CLOSE)
    same(peer.receive(stream), (0x81, b"x" * 1000))
    same(peer.receive(stream), (0x88, b"\x03\xe8"))
    same(peer.ended(stream), "END_STREAM")


def windows_that_shrink_and_grow(address):
    peer, stream = open_peer(address)
    # The windows of the streams become negative.
    peer.acknowledges = False
    peer.send(stream, frame(2, bytes(40_000)))
    peer.wait(lambda: len(peer.data.get(stream, b"")) >= 40_000, "echo")
    peer.settle(INITIAL_WINDOW_SIZE=0)
    peer.data.clear()
    peer.send(stream, frame(2, bytes(range(256)) * 100))
    peer.ping()
    same(peer.data.get(stream, b""), b"", "output without a window")
    # 40,004 bytes of the echo are used.
    peer.settle(INITIAL_WINDOW_SIZE=40_004)
    peer.ping()
    same(peer.data.get(stream, b""), b"", "output without a window")
    peer.settle(INITIAL_WINDOW_SIZE=40_005)
    peer.wait(lambda: stream in peer.data, "a byte")
    peer.ping()
    same(peer.data[stream], b"\x82", "output with a window of one byte")
    peer.settle(INITIAL_WINDOW_SIZE=1 << 20)
    peer.conn.increment_flow_control_window(1 << 20)
    peer.flush()
    same(peer.receive(stream), (0x82, bytes(range(256)) * 100))
    peer.acknowledges = True
    peer.echoes(stream)


def echoes_that_are_not_read(address):
    """3,000 messages to each of six WebSockets whose windows are closed; a seventh echoes at once."""
    peer = Peer(address)
    peer.settle(INITIAL_WINDOW_SIZE=0)
    stalled = [peer.opened() for _ in range(6)]
    other = peer.opened()
    for stream in stalled:
        window = peer.conn.local_flow_control_window(stream)
        count = min(3000, window // len(frame(1, b"small")))
        same(count, 3000, "messages within the window")
        for _ in range(count):
            peer.send(stream, frame(1, b"small"))
    peer.conn.increment_flow_control_window(1000, other)
    peer.flush()
    start = time.monotonic()
    peer.echoes(other)
    seconds = time.monotonic() - start
    if seconds > 5:
        raise AssertionError(f"the echo took {seconds:.1f} s")
    same([peer.data.get(stream) for stream in stalled], [None] * 6, "output without a window")
    # With a window, the echoes arrive.
    for stream in stalled:
        peer.conn.increment_flow_control_window(WINDOW, stream)
        peer.flush()
        for _ in range(3000):
            same(peer.receive(stream), (0x81, b"small"))


def the_window_of_a_stream_is_enforced(address):
    """The app reads nothing while its output is blocked. Data above the window are an error of the stream, or of the session."""
    peer = Peer(address)
    peer.settle(INITIAL_WINDOW_SIZE=0)
    stream = peer.opened()
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        # Far above the window of the stream, the unsent output, and below the window of the session.
        for _ in range(400):
            peer.raw(h2_frame(DATA, 0, stream, frame(2, bytes(16_000))))
    peer.wait(lambda: stream in peer.ends or peer.goaway is not None, "error")
    seen = ErrorCodes(peer.goaway).name if peer.goaway is not None else peer.ends[stream]
    if seen not in ("FLOW_CONTROL_ERROR", f"RST_STREAM {ErrorCodes.FLOW_CONTROL_ERROR}"):
        raise AssertionError(f"expected a flow-control error, got {seen}")


CASES = [
    requests_that_are_refused,
    requests_that_end_the_session,
    a_request_whose_head_is_too_long,
    a_head_in_many_continuations,
    more_streams_than_permitted,
    a_close_frame_and_the_end_in_one_data_frame,
    an_end_without_a_close_frame,
    an_end_after_a_message,
    resets_at_any_place,
    a_graceful_goaway,
    a_transport_that_vanishes,
    data_frames_of_one_byte,
    padded_data_frames,
    frames_that_are_ignored,
    pings_are_answered,
    empty_data_frames,
    windows_of_one_byte,
    windows_that_shrink_and_grow,
    echoes_that_are_not_read,
    the_window_of_a_stream_is_enforced,
]
