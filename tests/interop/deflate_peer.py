#!/usr/bin/env python3
"""Tests permessage-deflate with Python `websockets`: all windows, and context takeover in both directions.

  deflate_peer.py client ws://HOST:PORT/ws SERVER_BITS CLIENT_BITS TAKEOVER
      sends offers of all kinds to an echo server with these settings (TAKEOVER: 1 or 0), and exchanges messages with it
  deflate_peer.py server
      serves our client; prints its address. The query of a request has the settings of the server, such as
      /?server_max_window_bits=9&client_no_context_takeover; each message is echoed with its type

Received messages are inflated a second time, in small steps with exactly the agreed window. So a reference further back, or
to an earlier message without context takeover, is an error here, although the library accepts it.
"""
import asyncio
import itertools
import random
import string
import sys
import urllib.parse
import zlib

from websockets.asyncio.client import connect
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed, ProtocolError
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory, ServerPerMessageDeflateFactory
from websockets.frames import CTRL_OPCODES, Opcode

# The timeout of a connection, so that a lost reply is a failure and not a hang.
CASE_SECONDS = 20
BITS = range(9, 16)
# Inside the output of one call, zlib does not enforce the window. So a reference can exceed the window by up to this number
# of bytes without detection.
STEP = 64
FLAGS = ["server_no_context_takeover", "client_no_context_takeover"]


class Observed:
    """Observes received data frames before the library inflates them."""

    def __init__(self, ws):
        (self.extension,) = ws.protocol.extensions
        self.library_decode, self.extension.decode = self.extension.decode, self.decode
        self.inflate = None
        # For each message: whether it was compressed, and its length on the wire.
        self.messages = []

    def decode(self, frame, *, max_size=None):
        if frame.opcode not in CTRL_OPCODES:
            if frame.opcode is not Opcode.CONT:
                self.messages.append([frame.rsv1, 0])
            self.messages[-1][1] += len(frame.data)
            if self.messages[-1][0]:
                self.strictly(bytes(frame.data), frame.opcode is not Opcode.CONT, frame.fin)
        return self.library_decode(frame, max_size=max_size)

    def strictly(self, data, first, last):
        if self.inflate is None or (first and self.extension.remote_no_context_takeover):
            self.inflate = zlib.decompressobj(wbits=-self.extension.remote_max_window_bits)
        if last:
            data += b"\x00\x00\xff\xff"
        try:
            while data:
                self.inflate.decompress(data, STEP)
                data = self.inflate.unconsumed_tail
        except zlib.error as error:
            raise ProtocolError(f"a reference exceeds the agreed window: {error}") from error


def letters(rng, length):
    return "".join(rng.choices(string.ascii_letters + string.digits, k=length))


def record(rng):
    fields = (f'{{"id": {rng.randrange(10**6)}, "name": "{letters(rng, 6)}", "price": {rng.random()}, "open": true}}' for _ in range(5))
    return f"[{', '.join(fields)}]"


def around(rng, bits):
    """Returns text that repeats at a distance of the window, of one byte less, and of one byte more."""
    again = letters(rng, 40)
    return "".join(again + letters(rng, (1 << bits) - len(again) + off) for off in (-1, 0, 1)) + again


def messages(rng, server_bits, client_bits):
    yield record(rng)
    yield record(rng)
    for bits in sorted({server_bits, client_bits}):
        yield around(rng, bits)
        yield letters(rng, 1 << bits) * 2
    yield rng.randbytes(5000)
    yield ""
    yield b""
    yield b"\x00" * 100_000
    yield rng.randbytes(3)
    yield record(rng)


def brief(value):
    shown = repr(value[:40] if isinstance(value, (str, bytes)) else value)
    return f"{type(value).__name__} of {len(value)}: {shown}" if isinstance(value, (str, bytes)) else shown


def same(what, got, expected):
    if type(got) is not type(expected) or got != expected:
        raise AssertionError(f"{what}: expected {brief(expected)}, got {brief(got)}")


async def echoed(ws, message):
    await ws.send(message)
    same("the echo", await ws.recv(), message)


async def fragments(ws, pieces):
    async def between():
        for piece in pieces:
            yield piece
            pongs.append(await ws.ping())

    pongs = []
    await ws.send(between())
    same("the echo of fragments", await ws.recv(), "".join(pieces))
    await asyncio.gather(*pongs)


def agreement(offer, settings):
    """Returns the agreement of an offer and the settings of a server by RFC 7692 7.1. All three map parameters to values."""
    flags = {flag: flag in offer or flag in settings for flag in FLAGS}
    server_bits = min(offer.get("server_max_window_bits", 15), settings["server_max_window_bits"])
    client_bits = 15
    # The response has this parameter only if the client offered it.
    if "client_max_window_bits" in offer:
        client_bits = min(offer["client_max_window_bits"] or 15, settings["client_max_window_bits"])
    return {**flags, "server_max_window_bits": server_bits, "client_max_window_bits": client_bits}


def parameters(header):
    """Returns the parameters of a response, which must have the extension once."""
    name, *rest = [part.strip() for part in header.split(";")]
    same("the extension", name, "permessage-deflate")
    found = {}
    for parameter in rest:
        key, _, value = parameter.partition("=")
        if key in found:
            raise AssertionError(f"{key} twice in {header!r}")
        found[key] = int(value) if value else None
    return found


def check_answer(offer, wanted, header):
    answer = parameters(header or "")
    for flag in FLAGS:
        same(f"{flag} in {header!r}", flag in answer, wanted[flag])
    same(f"server_max_window_bits in {header!r}", answer.get("server_max_window_bits", 15), wanted["server_max_window_bits"])
    if "server_max_window_bits" in offer and "server_max_window_bits" not in answer:
        raise AssertionError(f"server_max_window_bits was offered and is missing in {header!r}")
    if "client_max_window_bits" not in offer:
        same(f"client_max_window_bits in {header!r}, which was not offered", "client_max_window_bits" in answer, False)
    else:
        # If the response has no value, the value of the offer applies.
        bits = answer.get("client_max_window_bits", offer["client_max_window_bits"] or 15)
        same(f"client_max_window_bits in {header!r}", bits, wanted["client_max_window_bits"])


def offers():
    """Yields all pairs of windows of both ends, with varying context takeover, and some special offers."""
    yield {}
    yield {"client_max_window_bits": None}
    for server, client in itertools.product(BITS, BITS):
        # Each window of each end is combined with each of the four settings of context takeover.
        flags = {flag: None for bit, flag in enumerate(FLAGS) if (server + client) >> bit & 1}
        yield {"server_max_window_bits": server, "client_max_window_bits": client, **flags}
    for flag in FLAGS:
        yield {flag: None}
    # RFC 7692 allows 8 bits too. zlib cannot compress with 8, so only the window of the other end is limited to it.
    yield {"server_max_window_bits": 8}


async def one_offer(url, offer, settings):
    factory = ClientPerMessageDeflateFactory(
        server_no_context_takeover="server_no_context_takeover" in offer,
        client_no_context_takeover="client_no_context_takeover" in offer,
        server_max_window_bits=offer.get("server_max_window_bits"),
        client_max_window_bits=offer["client_max_window_bits"] or True if "client_max_window_bits" in offer else None,
    )
    wanted = agreement(offer, settings)
    async with connect(url, max_size=None, compression=None, extensions=[factory]) as ws:
        check_answer(offer, wanted, ws.response.headers.get("Sec-WebSocket-Extensions"))
        observed = Observed(ws)
        rng = random.Random(1)
        await takeover_seen(ws, observed, rng, wanted)
        for message in messages(rng, wanted["server_max_window_bits"], wanted["client_max_window_bits"]):
            await echoed(ws, message)
        await fragments(ws, [record(rng), "", record(rng), "ß"])
        await echoed(ws, record(rng))
        await ws.close()
        same("the close code", int(ws.close_code), 1000)


async def takeover_seen(ws, observed, rng, wanted):
    """Echoes a message twice. Only with context takeover the second echo is a short reference to the first."""
    # Hexadecimal digits, so that the first echo shrinks too; shorter than every window.
    message = rng.randbytes(100).hex()
    for _ in range(2):
        await echoed(ws, message)
    (first_compressed, first), (second_compressed, second) = observed.messages
    lengths = f"{len(message)} bytes arrived as {first} and {second}"
    if not (first_compressed and second_compressed and first < len(message) * 0.9):
        raise AssertionError(f"not compressed: {lengths}")
    if wanted["server_no_context_takeover"]:
        if second < first * 0.9:
            raise AssertionError(f"context takeover in spite of the agreement: {lengths}")
    elif second > first / 3:
        raise AssertionError(f"no context takeover: {lengths}")


async def client(url, server_bits, client_bits, takeover):
    settings = {"server_max_window_bits": int(server_bits), "client_max_window_bits": int(client_bits)}
    if takeover == "0":
        settings.update(dict.fromkeys(FLAGS))
    passed, failed = 0, 0
    for offer in offers():
        try:
            await asyncio.wait_for(one_offer(url, offer, settings), CASE_SECONDS)
            passed += 1
        except Exception as error:  # noqa: BLE001 - every kind of failure is a failed case
            failed += 1
            print(f"FAILED offer {offer}: {type(error).__name__}: {error}", flush=True)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


def settle(connection, request):
    """Sets the settings of a connection from the query of its request."""
    query = urllib.parse.urlsplit(request.path).query
    wanted = {key: int(value) if value else True for key, value in urllib.parse.parse_qsl(query, keep_blank_values=True)}
    connection.protocol.available_extensions = [ServerPerMessageDeflateFactory(**wanted)]


async def echo(ws):
    Observed(ws)
    try:
        async for message in ws:
            await ws.send(message)
    except ConnectionClosed:
        pass


async def server():
    async with serve(echo, "127.0.0.1", 0, max_size=None, compression=None, process_request=settle) as listening:
        print(f"listening on 127.0.0.1:{listening.sockets[0].getsockname()[1]}", flush=True)
        await listening.serve_forever()
    return 0


if __name__ == "__main__":
    runs = {"client": client, "server": server}
    if len(sys.argv) < 2 or sys.argv[1] not in runs:
        sys.exit(__doc__)
    try:
        sys.exit(asyncio.run(runs[sys.argv[1]](*sys.argv[2:])))
    except KeyboardInterrupt:
        sys.exit(130)
