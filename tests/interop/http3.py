"""WebSockets over HTTP/3 (RFC 9220) against examples/http3: a client of aioquic (QUIC, HTTP/3) and wsproto (WebSocket).

    http3.py HOST PORT CERT PID

CERT is the PEM file of the server's certificate, PID its process, which the last case ends. One line for each failed case, then one with the number of cases. Exit status 1
if a case failed. Streams are also written by hand, to break the rules that aioquic keeps.
"""

import asyncio
import contextlib
import os
import signal
import ssl
import sys

from aioquic.asyncio import QuicConnectionProtocol, connect
from aioquic.h3.connection import H3Connection, encode_frame
from aioquic.h3.events import DataReceived, HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import ConnectionTerminated, ProtocolNegotiated, StopSendingReceived, StreamDataReceived, StreamReset
from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Message, Ping, Pong, TextMessage
from wsproto.extensions import PerMessageDeflate

HOST, PORT, CERT, PID = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
AUTHORITY = f"{HOST}:{PORT}"
# The types of frames, and of errors (RFC 9114 sections 7.2 and 8.1).
DATA, HEADERS, SETTINGS, GOAWAY, MAX_PUSH_ID = 0, 1, 4, 7, 0x0D
NO_ERROR, STREAM_CREATION_ERROR, CLOSED_CRITICAL_STREAM, FRAME_UNEXPECTED, FRAME_ERROR = 0x100, 0x103, 0x104, 0x105, 0x106
EXCESSIVE_LOAD, MISSING_SETTINGS, REQUEST_CANCELLED, REQUEST_INCOMPLETE, MESSAGE_ERROR = 0x107, 0x10A, 0x10C, 0x10D, 0x10E
DECOMPRESSION_FAILED, ENCODER_STREAM_ERROR = 0x200, 0x201
# Frames of reserved types (RFC 9114 section 7.2.8), one without a payload.
GREASE = encode_frame(0x21, b"skipped") + encode_frame(0x1F * 1000 + 0x21, b"") + encode_frame(0x1F * 7 + 0x21, bytes(70_000))
# The unmasked frame of the text "hi", and a masked one.
UNMASKED, MASKED = b"\x81\x02hi", b"\x81\x82\x01\x02\x03\x04" + bytes([ord("h") ^ 1, ord("i") ^ 2])


class Client(QuicConnectionProtocol):
    """A connection. Each stream has a queue of what happens to it."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        # The bytes of the server's control stream.
        self.http, self.queues, self.control = None, {}, b""
        self.lost = asyncio.get_running_loop().create_future()

    def quic_event_received(self, event):
        if isinstance(event, ProtocolNegotiated):
            self.http = H3Connection(self._quic)
        elif isinstance(event, ConnectionTerminated):
            self.lost.set_result((event.error_code, event.reason_phrase))
            for queue in self.queues.values():
                queue.put_nowait(("lost", event.error_code))
        elif isinstance(event, StreamReset):
            self.put(event.stream_id, ("reset", event.error_code))
        elif isinstance(event, StopSendingReceived):
            self.put(event.stream_id, ("stop", event.error_code))
        elif isinstance(event, StreamDataReceived) and event.stream_id == 3:
            self.control += event.data
        for event in self.http.handle_event(event) if self.http else ():
            if isinstance(event, HeadersReceived):
                self.put(event.stream_id, ("headers", dict(event.headers)))
            if isinstance(event, DataReceived) and event.data:
                self.put(event.stream_id, ("data", event.data))
            if getattr(event, "stream_ended", False):
                self.put(event.stream_id, ("end",))

    async def end(self):
        """Returns the code with which the server closes the connection; `None` if it does not."""
        done, _ = await asyncio.wait([self.lost], timeout=5)
        return self.lost.result()[0] if done else None

    def put(self, stream, item):
        self.queues.setdefault(stream, asyncio.Queue()).put_nowait(item)

    async def next(self, stream, *skip):
        """Returns the next item of a stream, except those of the kinds `skip`."""
        while True:
            item = await self.queues.setdefault(stream, asyncio.Queue()).get()
            if item[0] not in skip:
                return item

    def write(self, stream, data, end=False):
        self._quic.send_stream_data(stream, data, end)
        self.transmit()

    def request(self, headers, end=False):
        """Sends a request without a check of its rules. Returns its stream."""
        stream = self._quic.get_next_available_stream_id()
        self.write(stream, encode_frame(HEADERS, self.http._encode_headers(stream, headers)), end)
        return stream

    def reset(self, stream, code):
        self._quic.reset_stream(stream, code)
        self.transmit()


def headers(protocol="websocket", path="/ws", version="13", method="CONNECT", scheme="https", more=()):
    """Returns the fields of a request; those of the value None are left out."""
    pairs = [(":method", method), (":protocol", protocol), (":scheme", scheme), (":authority", AUTHORITY), (":path", path)]
    pairs += [("sec-websocket-version", version), *more]
    return [(name.encode(), value.encode()) for name, value in pairs if value is not None]


@contextlib.asynccontextmanager
async def client(**settings):
    configuration = QuicConfiguration(is_client=True, alpn_protocols=["h3"], cafile=CERT, verify_mode=ssl.CERT_REQUIRED, **settings)
    async with connect(HOST, PORT, configuration=configuration, create_protocol=Client) as made:
        yield made


class WebSocket:
    @classmethod
    async def open(cls, client, deflate=False, grease=b""):
        self, extensions = cls(), []
        more = []
        if deflate:
            extensions = [PerMessageDeflate()]
            more = [("sec-websocket-extensions", f"permessage-deflate; {extensions[0].offer()}")]
        self.client, self.closed = client, None
        if grease:
            self.stream = client._quic.get_next_available_stream_id()
            section = client.http._encode_headers(self.stream, headers(more=more))
            client.write(self.stream, grease + encode_frame(HEADERS, section) + grease)
        else:
            self.stream = client.request(headers(more=more))
        kind, response = await client.next(self.stream)
        same("the response", (kind, response[b":status"]), ("headers", b"200"))
        offer = response.get(b"sec-websocket-extensions")
        same("the extension", offer is not None, deflate)
        if deflate:
            extensions[0].finalize(offer.decode())
            same("deflate", extensions[0].enabled(), True)
        self.ws = Connection(ConnectionType.CLIENT, extensions)
        return self

    def send(self, event, end=False):
        data = self.ws.send(event)
        self.client.write(self.stream, encode_frame(DATA, data), end)
        return len(data)

    async def read(self):
        """Returns the next complete message or Close frame."""
        parts = []
        while True:
            for event in self.ws.events():
                if isinstance(event, Message):
                    parts.append(event.data)
                    if event.message_finished:
                        return parts[0][:0].join(parts)
                elif isinstance(event, Ping):
                    self.send(event.response())
                else:
                    return event
            kind, *rest = await self.client.next(self.stream)
            same("the stream goes on", kind, "data")
            self.ws.receive_data(rest[0])

    async def echo(self, message):
        kind = TextMessage if isinstance(message, str) else BytesMessage
        sent = self.send(kind(data=message))
        same(f"the echo of {len(message)}", await self.read() == message, True)
        return sent

    async def close(self, code=1000, reason="bye"):
        self.send(CloseConnection(code=code, reason=reason), end=True)
        event = await self.read()
        same("the Close frame", (type(event), event.code, event.reason), (CloseConnection, code, reason))
        same("FIN after it", await self.client.next(self.stream, "stop"), ("end",))


def same(what, got, expected):
    if got != expected:
        raise AssertionError(f"{what}: expected {expected!r}, got {got!r}")


async def settings():
    async with client() as c:
        while c.http.received_settings is None:
            await asyncio.sleep(0.01)
        got = c.http.received_settings
        # Enable extended CONNECT; no dynamic table.
        same("the settings", (got.get(8), got.get(1, 0), got.get(7, 0), got.get(6)), (1, 0, 0, 16384))


async def page():
    async with client() as c:
        for method, path, status, has_body in [
            ("GET", "/", b"200", True),
            ("HEAD", "/", b"200", False),
            ("POST", "/", b"405", None),
            ("GET", "/other", b"404", None),
        ]:
            stream = c.request(headers(None, path, None, method), end=True)
            kind, response = await c.next(stream)
            same(f"{method} {path}", (kind, response[b":status"]), ("headers", status))
            body = b""
            while (item := await c.next(stream, "stop"))[0] == "data":
                body += item[1]
            same("the end", item, ("end",))
            if has_body is not None:
                same("the page", b"<title>sansocket echo</title>" in body, has_body)


async def messages():
    async with client() as c:
        ws = await WebSocket.open(c)
        for message in ["Hello", "", "🌍 é", bytes(range(256)), b"", "x" * 125, "x" * 126, bytes(200_000), bytes(1 << 20)]:
            await ws.echo(message)
        await ws.close()


async def deflate():
    async with client() as c:
        ws = await WebSocket.open(c, deflate=True)
        for message in ["Hello", "", "🌍" * 50, b"ab" * 100_000, "and so on " * 100_000]:
            sent = await ws.echo(message)
        same("the last message was compressed", sent < 20_000, True)
        await ws.close()


async def fragments_and_pings():
    async with client() as c:
        ws = await WebSocket.open(c)
        ws.send(TextMessage(data="one, ", message_finished=False))
        ws.send(Ping(payload=b"p"))
        event = await ws.read()
        same("the pong", (type(event), bytes(event.payload)), (Pong, b"p"))
        ws.send(TextMessage(data="two", message_finished=True))
        same("the message", await ws.read(), "one, two")
        await ws.close()


async def close_codes():
    async with client() as c:
        for code, reason in [(1000, "bye"), (1001, ""), (3000, "é"), (4999, "x" * 123)]:
            await (await WebSocket.open(c)).close(code, reason)


async def one_byte_at_a_time():
    """A DATA frame that is cut anywhere, in packets of their own."""
    async with client() as c:
        ws = await WebSocket.open(c)
        for byte in encode_frame(DATA, MASKED[:3]) + encode_frame(DATA, b"") + encode_frame(DATA, MASKED[3:]):
            c.write(ws.stream, bytes([byte]))
            await asyncio.sleep(0.002)
        same("the echo", await ws.read(), "hi")
        await ws.close()


async def endless_data_frame():
    """A DATA frame of 2^62 - 1 bytes: the messages in it are answered before its end."""
    async with client() as c:
        ws = await WebSocket.open(c)
        c.write(ws.stream, b"\x00" + b"\xff" * 8)
        for _ in range(3):
            c.write(ws.stream, MASKED)
            same("the echo", await ws.read(), "hi")


async def grease():
    async with client() as c:
        ws = await WebSocket.open(c, grease=GREASE)
        for message in ["Hello", bytes(1000)]:
            c.write(ws.stream, GREASE)
            await ws.echo(message)
        await ws.close()
        # A unidirectional stream of a reserved type: it is stopped.
        stream = c._quic.get_next_available_stream_id(is_unidirectional=True)
        c.write(stream, b"\x21 anything")
        same("the stream", await c.next(stream), ("stop", STREAM_CREATION_ERROR))
        # Unknown frames on the control stream.
        c.write(c.http._local_control_stream_id, GREASE)
        await (await WebSocket.open(c)).close()


async def twenty_at_once():
    async with client() as c:
        async def one(number):
            ws = await WebSocket.open(c, deflate=number % 2 == 1)
            for turn in range(5):
                await ws.echo(f"{number}, {turn}: " + "x" * 1000 * number)
            await ws.close()

        await asyncio.gather(*map(one, range(20)))


async def stalled():
    """Six WebSockets whose echoes the client does not take. The seventh is not delayed."""
    async with client(max_stream_data=64 * 1024) as c:
        stalled = [await WebSocket.open(c) for _ in range(6)]
        ids, extend = [ws.stream for ws in stalled], c._quic._write_stream_limits

        def stall(builder, space, stream):
            if stream.stream_id not in ids:
                extend(builder=builder, space=space, stream=stream)

        c._quic._write_stream_limits = stall
        # More than the windows and buffers of both ends.
        for ws in stalled:
            for _ in range(100):
                ws.send(BytesMessage(data=bytes(10_000)))
        left, before = [1_000_000] * 6, None
        while left != before:
            await asyncio.sleep(1)
            left, before = [len(c._quic._streams[stream].sender._buffer) for stream in ids], left
        same("they are stalled", all(number > 100_000 for number in left), True)
        ws = await asyncio.wait_for(WebSocket.open(c), 5)
        await asyncio.wait_for(ws.echo("Hello"), 5)
        await asyncio.wait_for(ws.echo(bytes(200_000)), 5)
        await ws.close()


async def more_than_16_mib():
    """The limit of shiguredo_http3 for the data of a stream, which is no limit of a WebSocket."""
    async with client() as c:
        ws = await WebSocket.open(c)
        for _ in range(18):
            await ws.echo(bytes(1 << 20))
        await ws.close()


async def refusals():
    async with client() as c:
        for name, request, status in [
            ("version 8", headers(version="8"), b"400"),
            ("no version", headers(version=None), b"400"),
            ("another path", headers(path="/other"), b"404"),
            ("another :protocol", headers(protocol="connect-udp"), b"501"),
            ("a tunnel (no :protocol)", headers(None, None, scheme=None), b"400"),
            ("another origin", headers(more=[("origin", "https://example.org")]), b"403"),
            ("fields of 17,000 bytes", headers(more=[("a", "b" * 8500), ("c", "d" * 8500)]), b"431"),
        ]:
            stream = c.request(request)
            kind, *rest = await c.next(stream, "stop")
            same(name, (kind, rest[0].get(b":status") if kind == "headers" else rest), ("headers", status))
            if "version" in name:
                same("Sec-WebSocket-Version", rest[0].get(b"sec-websocket-version"), b"13")
            while (item := await c.next(stream, "data", "stop")) and item != ("end",):
                raise AssertionError(f"{name}: {item}")
        for name, request in [
            ("no :protocol, but :path", headers(None)),
            ("no :scheme", headers(scheme=None)),
            ("no :path", headers(path=None)),
            ("an empty :protocol", headers(protocol="")),
            (":protocol of a GET", headers(method="GET")),
            ("two :protocol", headers()[:2] + headers()[1:]),
            ("a connection field", headers(more=[("connection", "Upgrade")])),
            ("a name in upper case", headers(more=[("Origin", "https://a")])),
            ("an unknown pseudo-header", [(b":other", b"1"), *headers()]),
        ]:
            stream = c.request(request)
            same(name, await c.next(stream, "stop"), ("reset", MESSAGE_ERROR))
        # The connection lives on.
        await (await WebSocket.open(c)).close()


async def resets():
    async with client() as c:
        ws = await WebSocket.open(c)
        # In the middle of a message.
        c.write(ws.stream, encode_frame(DATA, b"\x81\xfe\x03\xe8\x01\x02\x03\x04abc"))
        c.reset(ws.stream, REQUEST_CANCELLED)
        same("the other direction", await c.next(ws.stream, "stop"), ("reset", REQUEST_CANCELLED))
        # The client stops the output of the server.
        ws = await WebSocket.open(c)
        c._quic.stop_stream(ws.stream, REQUEST_CANCELLED)
        c.transmit()
        ws.send(TextMessage(data="x" * 1000))
        same("the stop", (await c.next(ws.stream))[0] in ("reset", "stop"), True)
        await (await WebSocket.open(c)).close()


async def fin_without_close():
    async with client() as c:
        ws = await WebSocket.open(c)
        await ws.echo("Hello")
        c.write(ws.stream, b"", end=True)
        # An unclean end.
        event = await ws.read()
        same("the Close frame", (type(event), event.code), (CloseConnection, 1002))
        same("the end", await c.next(ws.stream, "stop"), ("end",))
        await (await WebSocket.open(c)).close()


async def violations_of_rfc_6455():
    async with client() as c:
        for name, frame, code in [
            ("an unmasked frame", UNMASKED, 1002),
            ("a reserved opcode", b"\x83\x80\0\0\0\0", 1002),
            ("text that is not UTF-8", b"\x81\x81\0\0\0\0\xff", 1007),
        ]:
            ws = await WebSocket.open(c)
            c.write(ws.stream, encode_frame(DATA, frame))
            event = await ws.read()
            same(name, (type(event), event.code), (CloseConnection, code))
            same("the end", await c.next(ws.stream, "stop"), ("end",))
        await (await WebSocket.open(c)).close()


async def violations_of_rfc_9114():
    """Each of them ends the connection, with the code of RFC 9114."""

    def control(c):
        return c.http._local_control_stream_id

    def uni(c, data, end=False):
        c.write(c._quic.get_next_available_stream_id(is_unidirectional=True), data, end)

    def request(c, data, end=False):
        c.write(c._quic.get_next_available_stream_id(), data, end)

    async def after_connect(c, data, end=False):
        c.write((await WebSocket.open(c)).stream, data, end)

    async def reset_control(c):
        # The server can't know the type of a stream that is reset before it reads the first byte.
        await (await WebSocket.open(c)).close()
        c.reset(control(c), NO_ERROR)

    for name, act, code in [
        ("HEADERS after CONNECT", lambda c: after_connect(c, encode_frame(HEADERS, b"\0\0")), FRAME_UNEXPECTED),
        ("SETTINGS after CONNECT", lambda c: after_connect(c, encode_frame(SETTINGS, b"")), FRAME_UNEXPECTED),
        ("PING of HTTP/2 after CONNECT", lambda c: after_connect(c, encode_frame(6, b"")), FRAME_UNEXPECTED),
        ("FIN in a frame", lambda c: after_connect(c, b"\x00\x20" + MASKED, True), FRAME_ERROR),
        ("FIN in the head of a frame", lambda c: after_connect(c, b"\x00\x40", True), FRAME_ERROR),
        ("DATA before HEADERS", lambda c: request(c, encode_frame(DATA, b"abc")), FRAME_UNEXPECTED),
        ("GOAWAY on a request", lambda c: request(c, encode_frame(GOAWAY, b"\0")), FRAME_UNEXPECTED),
        ("QPACK with a dynamic reference", lambda c: request(c, encode_frame(HEADERS, b"\x02\x00\x80")), DECOMPRESSION_FAILED),
        ("QPACK cut off", lambda c: request(c, encode_frame(HEADERS, b"\0\0\x51\x7f")), DECOMPRESSION_FAILED),
        ("a second control stream", lambda c: uni(c, b"\0"), STREAM_CREATION_ERROR),
        ("a push stream of a client", lambda c: uni(c, b"\1"), STREAM_CREATION_ERROR),
        ("a second SETTINGS", lambda c: c.write(control(c), encode_frame(SETTINGS, b"")), FRAME_UNEXPECTED),
        ("DATA on the control stream", lambda c: c.write(control(c), encode_frame(DATA, b"")), FRAME_UNEXPECTED),
        ("a control frame of 17,000 bytes", lambda c: c.write(control(c), encode_frame(GOAWAY, bytes(17_000))), EXCESSIVE_LOAD),
        ("the end of the control stream", lambda c: c.write(control(c), b"", True), CLOSED_CRITICAL_STREAM),
        ("the reset of the control stream", reset_control, CLOSED_CRITICAL_STREAM),
        (
            "an insertion into the dynamic table",
            lambda c: c.write(c.http._local_encoder_stream_id, b"\xc0\x01a"),
            ENCODER_STREAM_ERROR,
        ),
        (
            "a name of 100,000 bytes on the encoder stream",
            lambda c: c.write(c.http._local_encoder_stream_id, b"\x5f\x81\x8d\x06" + bytes(2000)),
            EXCESSIVE_LOAD,
        ),
    ]:
        async with client() as c:
            done = act(c)
            if done is not None:
                await done
            same(name, await c.end(), code)
    async with client() as c:
        # The stream only: FIN before HEADERS, HEADERS of 17,000 bytes.
        for name, data, end, code in [
            ("FIN before HEADERS", GREASE, True, REQUEST_INCOMPLETE),
            ("HEADERS of 17,000 bytes", encode_frame(HEADERS, bytes(17_000)), False, EXCESSIVE_LOAD),
        ]:
            stream = c._quic.get_next_available_stream_id()
            c.write(stream, data, end)
            same(name, await c.next(stream, "stop"), ("reset", code))
        await (await WebSocket.open(c)).close()


async def late_headers():
    """The deadline of a request is that of the opening handshake, 10 s."""
    async with client() as c:
        stream = c._quic.get_next_available_stream_id()
        c.write(stream, GREASE)
        start = asyncio.get_running_loop().time()
        same("the stream", await c.next(stream, "stop"), ("reset", REQUEST_CANCELLED))
        same("after 10 s", 9 < asyncio.get_running_loop().time() - start < 20, True)
        await (await WebSocket.open(c)).close()


async def server_shutdown():
    """SIGTERM: GOAWAY, Close 1001 on each WebSocket, FIN, then the end of the connection."""
    async with client() as c:
        sockets = [await WebSocket.open(c) for _ in range(3)]
        os.kill(PID, signal.SIGTERM)
        for ws in sockets:
            event = await ws.read()
            same("the Close frame", (type(event), event.code), (CloseConnection, 1001))
            ws.send(event.response(), end=True)
            same("the end", await c.next(ws.stream, "stop"), ("end",))
        same("the connection", await c.end(), NO_ERROR)
        # With the first stream that is not processed.
        goaway = encode_frame(GOAWAY, bytes([sockets[-1].stream + 4]))
        same("the last frame of the control stream", c.control[-len(goaway) :], goaway)


CASES = [settings, page, messages, deflate, fragments_and_pings, close_codes, one_byte_at_a_time, endless_data_frame, grease]
CASES += [twenty_at_once, stalled, more_than_16_mib, refusals, resets, fin_without_close]
CASES += [violations_of_rfc_6455, violations_of_rfc_9114]


async def passes(case):
    try:
        await asyncio.wait_for(case(), 60)
        return True
    except Exception as error:  # noqa: BLE001
        print(f"{case.__name__} FAILED: {type(error).__name__}: {error}", flush=True)
        return False


async def main():
    # This one takes 10 s, so the others run beside it.
    late = asyncio.create_task(passes(late_headers))
    results = [await passes(case) for case in CASES]
    results += [await late, await passes(server_shutdown)]
    print(f"{sum(results)} of {len(results)} cases passed")
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
