#!/usr/bin/env python3
"""Clients of the servers echo_axum and echo_hyper, over HTTP/1.1 and HTTP/2.

  frameworks.py http1 HOST:PORT    requests as raw bytes, and Python `websockets`
  frameworks.py http2 HOST:PORT    extended CONNECT by the library `h2`, with prior knowledge
  frameworks.py axum HOST:PORT     the routes that only echo_axum has
"""
import asyncio
import base64
import os
import socket
import struct
import sys
import time

import h2.config
import h2.connection
import h2.events
import h2.settings
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

SECONDS = 10


def same(got, expected, what=""):
    if got != expected:
        raise AssertionError(f"{what}: expected {expected!r:.200}, got {got!r:.2000}")


def frame(opcode, payload, fin=True):
    """A client's frame."""
    head = bytes([opcode | (0x80 if fin else 0)])
    if len(payload) < 126:
        head += bytes([0x80 | len(payload)])
    elif len(payload) < 65536:
        head += bytes([0x80 | 126]) + struct.pack(">H", len(payload))
    else:
        head += bytes([0x80 | 127]) + struct.pack(">Q", len(payload))
    key = os.urandom(4)
    mask = (key * (len(payload) // 4 + 1))[: len(payload)]
    masked = (int.from_bytes(payload, "big") ^ int.from_bytes(mask, "big")).to_bytes(len(payload), "big")
    return head + key + masked


def take_frame(data):
    """The first frame of a server: opcode with its FIN bit, payload, rest; None if it is incomplete."""
    if len(data) < 2:
        return None
    length, at = data[1], 2
    if len(data) < {126: 4, 127: 10}.get(length, 2):
        return None
    if length == 126:
        length, at = struct.unpack(">H", data[2:4])[0], 4
    elif length == 127:
        length, at = struct.unpack(">Q", data[2:10])[0], 10
    if len(data) < at + length:
        return None
    return data[0], bytes(data[at : at + length]), data[at + length :]


# HTTP/1.1


def open_socket(address):
    host, port = address.rsplit(":", 1)
    return socket.create_connection((host, int(port)), timeout=SECONDS)


def upgrade_request(target, host, *fields):
    key = base64.b64encode(os.urandom(16)).decode()
    lines = [
        f"GET {target} HTTP/1.1",
        f"Host: {host}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {key}",
        "Sec-WebSocket-Version: 13",
        *fields,
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


def exchange(sock, request):
    """Sends bytes, and returns status, fields (names in lower case) and the bytes after the head."""
    sock.sendall(request)
    data = b""
    while b"\r\n\r\n" not in data:
        more = sock.recv(65536)
        if not more:
            raise AssertionError(f"the connection ended after {data!r}")
        data += more
    head, rest = data.split(b"\r\n\r\n", 1)
    lines = head.decode().split("\r\n")
    fields = [line.split(": ", 1) for line in lines[1:]]
    return int(lines[0].split()[1]), {name.lower(): value for name, value in fields}, rest


def status(address, request):
    with open_socket(address) as sock:
        return exchange(sock, request)[:2]


def refuses_without_upgrade(address):
    for method in ["GET", "POST"]:
        got, fields = status(address, f"{method} /ws HTTP/1.1\r\nHost: {address}\r\n\r\n".encode())
        same(got, 426, method)
        same((fields["upgrade"], fields["sec-websocket-version"]), ("websocket", "13"), method)
        same(fields["connection"].lower(), "upgrade", method)


def refuses_another_version(address):
    request = upgrade_request("/ws", address).replace(b"Version: 13", b"Version: 8")
    got, fields = status(address, request)
    same((got, fields["sec-websocket-version"]), (426, "13"))


def refuses_two_keys(address):
    request = upgrade_request("/ws", address, "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")
    same(status(address, request)[0], 400)


def a_value_that_is_not_utf8_does_no_harm(address):
    request = upgrade_request("/ws", address, "Cookie: a=X").replace(b"a=X", b"a=\xff\xfe")
    same(status(address, request)[0], 101)


def lines_of_one_name_are_one_list(address):
    request = upgrade_request("/ws", address, "Sec-WebSocket-Protocol: other", "Sec-WebSocket-Protocol: more, chat")
    got, fields = status(address, request)
    same((got, fields["sec-websocket-protocol"]), (101, "chat"))


def an_origin_list(address):
    for origin, expected in [("https://evil.example", 403), ("https://example.com", 101)]:
        same(status(address, upgrade_request("/list", address, f"Origin: {origin}"))[0], expected, origin)
    # Any origin at /ws; programs send none.
    same(status(address, upgrade_request("/ws", address, "Origin: https://evil.example"))[0], 101)
    same(status(address, upgrade_request("/list", address))[0], 101)


def an_absolute_target_counts_more_than_host(address):
    target = "http://a.example/same"
    for origin, expected in [("http://b.example", 403), ("http://a.example", 101)]:
        request = upgrade_request(target, "b.example", f"Origin: {origin}")
        same(status(address, request)[0], expected, origin)
    # Without it the Host field counts.
    for origin, expected in [("http://b.example", 101), ("http://a.example", 403)]:
        request = upgrade_request("/same", "b.example", f"Origin: {origin}")
        same(status(address, request)[0], expected, origin)


def a_frame_in_the_segment_of_the_request(address):
    with open_socket(address) as sock:
        got, _, data = exchange(sock, upgrade_request("/ws", address) + frame(1, b"early") + frame(8, b"\x03\xe8"))
        same(got, 101)
        frames = []
        while len(frames) < 2:
            taken = take_frame(data)
            if taken is None:
                more = sock.recv(65536)
                if not more:
                    raise AssertionError(f"the connection ended after {frames}")
                data += more
                continue
            frames.append(taken[:2])
            data = taken[2]
        same(frames, [(0x81, b"early"), (0x88, b"\x03\xe8")])
        same(sock.recv(1), b"", "the end")


def a_client_that_vanishes_harms_nobody(address):
    for _ in range(20):
        with open_socket(address) as sock:
            sock.sendall(upgrade_request("/ws", address))
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    a_frame_in_the_segment_of_the_request(address)


def compression_is_agreed_on(address):
    async def run():
        async with connect(f"ws://{address}/ws") as ws:
            same([extension.name for extension in ws.protocol.extensions], ["permessage-deflate"])
            text = "again and again " * 5000
            await ws.send(text)
            same(await ws.recv(), text)

    asyncio.run(run())


# HTTP/2


class Session:
    """A session whose events are taken one by one. The options are those of the configuration of h2."""

    def __init__(self, address, **options):
        self.authority = address
        self.sock = open_socket(address)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.conn = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True, header_encoding="utf-8", **options))
        self.conn.initiate_connection()
        self.events = []
        self.data = {}
        self.heads = {}
        self.ends = {}
        self.settings = {}
        self.flush()
        self.wait(lambda: h2.settings.SettingCodes.ENABLE_CONNECT_PROTOCOL in self.settings, "settings")

    def flush(self):
        self.sock.sendall(self.conn.data_to_send())

    def wait(self, is_done, what):
        deadline = time.monotonic() + SECONDS
        while not is_done():
            if time.monotonic() > deadline:
                raise AssertionError(f"no {what} in time")
            received = self.sock.recv(65536)
            if not received:
                raise AssertionError(f"the session ended before {what}")
            for event in self.conn.receive_data(received):
                self.handle(event)
            self.flush()

    def handle(self, event):
        stream = getattr(event, "stream_id", None)
        if isinstance(event, h2.events.ResponseReceived):
            self.heads[stream] = dict(event.headers)
        elif isinstance(event, h2.events.DataReceived):
            self.data[stream] = self.data.get(stream, b"") + event.data
            self.conn.acknowledge_received_data(event.flow_controlled_length, stream)
        elif isinstance(event, h2.events.StreamEnded):
            self.ends[stream] = "END_STREAM"
        elif isinstance(event, h2.events.StreamReset):
            self.ends.setdefault(stream, f"RST_STREAM {event.error_code}")
        elif isinstance(event, h2.events.RemoteSettingsChanged):
            self.settings.update({code: change.new_value for code, change in event.changed_settings.items()})
        elif isinstance(event, h2.events.ConnectionTerminated):
            raise AssertionError(f"GOAWAY {event.error_code}")

    def request(self, fields, end=False):
        """Sends a head, and returns its stream and the head of the response."""
        stream = self.conn.get_next_available_stream_id()
        self.conn.send_headers(stream, fields, end_stream=end)
        self.flush()
        self.wait(lambda: stream in self.heads or stream in self.ends, "response")
        return stream, self.heads.get(stream, {":status": self.ends.get(stream)})

    def connect(self, path="/ws", protocol="websocket", version="13", fields=()):
        return self.request(
            [
                (":method", "CONNECT"),
                (":protocol", protocol),
                (":scheme", "http"),
                (":authority", self.authority),
                (":path", path),
                ("sec-websocket-version", version),
                *fields,
            ]
        )

    def send(self, stream, data, end=False):
        while data:
            window = min(self.conn.local_flow_control_window(stream), self.conn.max_outbound_frame_size)
            if window == 0:
                self.wait(lambda: self.conn.local_flow_control_window(stream) > 0, "window")
                continue
            self.conn.send_data(stream, data[:window])
            data = data[window:]
            self.flush()
        if end:
            self.conn.end_stream(stream)
            self.flush()

    def receive(self, stream):
        """Returns the next frame of a WebSocket."""
        self.wait(lambda: take_frame(self.data.get(stream, b"")) or stream in self.ends, "frame")
        taken = take_frame(self.data.get(stream, b""))
        if taken is None:
            raise AssertionError(f"the stream ended: {self.ends[stream]}")
        self.data[stream] = taken[2]
        return taken[:2]

    def echoes(self, stream, text=b"hello"):
        self.send(stream, frame(1, text))
        same(self.receive(stream), (0x81, text))


def opened(address):
    session = Session(address)
    stream, head = session.connect()
    same(head[":status"], "200")
    return session, stream


def announces_extended_connect(address):
    same(Session(address).settings[h2.settings.SettingCodes.ENABLE_CONNECT_PROTOCOL], 1)


def accepts_and_echoes(address):
    session, stream = opened(address)
    for name in ["upgrade", "connection", "sec-websocket-accept"]:
        same(session.heads[stream].get(name), None, name)
    session.echoes(stream)
    session.echoes(stream, b"")
    for length in [70_000, 1 << 20]:
        payload = bytes(range(256)) * (length // 256 + 1)
        session.send(stream, frame(2, payload[:length]))
        same(session.receive(stream), (0x82, payload[:length]))
    session.send(stream, frame(1, "Grü".encode(), fin=False) + frame(9, b"between") + frame(0, "ße".encode()))
    # The pong may come after the echo of the message: both are replies to one read.
    same(sorted([session.receive(stream), session.receive(stream)]), [(0x81, "Grüße".encode()), (0x8A, b"between")])


def subprotocols_and_compression(address):
    session = Session(address)
    offers = [("sec-websocket-protocol", "other"), ("sec-websocket-protocol", "chat"), ("sec-websocket-extensions", "permessage-deflate")]
    _, head = session.connect(fields=offers)
    same((head[":status"], head["sec-websocket-protocol"]), ("200", "chat"))
    same(head["sec-websocket-extensions"].split(";")[0], "permessage-deflate")


def closes_with_the_end_of_the_stream(address):
    for code in [1000, 1001, 3000]:
        session, stream = opened(address)
        session.send(stream, frame(8, struct.pack(">H", code)))
        same(session.receive(stream), (0x88, struct.pack(">H", code)))
        session.wait(lambda: stream in session.ends, "end of the stream")
        same(session.ends[stream], "END_STREAM")
    # The Close frame and the end of the stream in one go, as Chromium sends them.
    session, stream = opened(address)
    session.send(stream, frame(8, b"\x03\xe8"), end=True)
    same(session.receive(stream), (0x88, b"\x03\xe8"))


def a_violation_is_answered_with_its_code(address):
    session, stream = opened(address)
    session.send(stream, b"\x81\x02hi")  # not masked
    opcode, payload = session.receive(stream)
    same((opcode, payload[:2]), (0x88, struct.pack(">H", 1002)))


def refuses_in_the_form_of_http2(address):
    session, stream = opened(address)
    plain = [(":method", "GET"), (":scheme", "http"), (":authority", address), (":path", "/ws")]
    cases = [
        ("GET", "400", lambda: session.request(plain, end=True)),
        ("POST", "400", lambda: session.request([(":method", "POST"), *plain[1:]], end=True)),
        ("version 8", "400", lambda: session.connect(version="8")),
        ("another protocol", "501", lambda: session.connect(protocol="connect-udp")),
        ("a foreign origin", "403", lambda: session.connect("/list", fields=[("origin", "https://evil.example")])),
        ("another host", "403", lambda: session.connect("/same", fields=[("origin", "http://b.example")])),
    ]
    for name, expected, run in cases:
        _, head = run()
        same(head[":status"], expected, name)
        same((head.get("upgrade"), head.get("connection")), (None, None), name)
        if expected == "400":
            same(head.get("sec-websocket-version"), "13", name)
        # The session lives, and so do its other streams.
        session.echoes(stream)
    _, head = session.connect("/list", fields=[("origin", "https://example.com")])
    same(head[":status"], "200")


def a_reset_stream_harms_no_other(address):
    session, stream = opened(address)
    for _ in range(50):
        other, head = session.connect()
        same(head[":status"], "200")
        session.send(other, frame(1, b"part", fin=False))
        session.conn.reset_stream(other, 8)
        session.flush()
    session.echoes(stream)


def many_streams_of_one_session(address):
    session, first = opened(address)
    streams = [first, *(session.connect()[0] for _ in range(49))]
    for stream in streams:
        session.send(stream, frame(1, b"%d" % stream))
    for stream in streams:
        same(session.receive(stream), (0x81, b"%d" % stream))


# axum


def a_login_before_the_upgrade(address):
    async def run():
        try:
            async with connect(f"ws://{address}/private"):
                raise AssertionError("accepted without a token")
        except InvalidStatus as refused:
            same(refused.response.status_code, 401)
            same(refused.response.headers["WWW-Authenticate"], "Bearer")
        token = {"Authorization": "Bearer secret"}
        async with connect(f"ws://{address}/private", additional_headers=token) as ws:
            await ws.send("hello")
            same(await ws.recv(), "hello")

    asyncio.run(run())


def a_background_task_sends(address):
    async def run():
        async with connect(f"ws://{address}/ticks", subprotocols=["chat"]) as ws:
            same(ws.subprotocol, "chat")
            same([tick async for tick in ws], ["tick 1", "tick 2", "tick 3"])
            same(int(ws.close_code), 1000)
        async with connect(f"ws://{address}/ticks") as ws:
            same(await ws.recv(), "tick 1")
            ws.transport.abort()

    asyncio.run(run())


CASES = {
    "http1": [
        refuses_without_upgrade,
        refuses_another_version,
        refuses_two_keys,
        a_value_that_is_not_utf8_does_no_harm,
        lines_of_one_name_are_one_list,
        an_origin_list,
        an_absolute_target_counts_more_than_host,
        a_frame_in_the_segment_of_the_request,
        a_client_that_vanishes_harms_nobody,
        compression_is_agreed_on,
    ],
    "http2": [
        announces_extended_connect,
        accepts_and_echoes,
        subprotocols_and_compression,
        closes_with_the_end_of_the_stream,
        a_violation_is_answered_with_its_code,
        refuses_in_the_form_of_http2,
        a_reset_stream_harms_no_other,
        many_streams_of_one_session,
    ],
    "axum": [a_login_before_the_upgrade, a_background_task_sends],
}


def main():
    if len(sys.argv) != 3 or sys.argv[1] not in CASES:
        sys.exit(__doc__)
    failed = 0
    for case in CASES[sys.argv[1]]:
        try:
            case(sys.argv[2])
        except Exception as error:  # noqa: BLE001 - every kind of failure is a failed case
            failed += 1
            print(f"FAILED {case.__name__}: {type(error).__name__}: {error}", flush=True)
    print(f"{len(CASES[sys.argv[1]]) - failed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
