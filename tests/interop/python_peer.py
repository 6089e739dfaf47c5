#!/usr/bin/env python3
"""Tests sansocket with Python `websockets`.

  python_peer.py client ws://HOST:PORT/ws    runs all cases with an echo server
  python_peer.py parts ws://HOST:PORT/ws     the same, and fragments must be echoed as fragments
  python_peer.py goodbye ws://HOST:PORT/ws   connects, prints READY, and expects close code 1001 when the server ends
  python_peer.py plain http://HOST:PORT      requests pages of the sample app and other paths, without an upgrade
  python_peer.py server                      serves our client; prints its address

Clients take wss and https URLs too. SSL_CERT_FILE names the certificate that they trust.

The server's paths are the contract of `tests/interop/client`; node_peer.mjs has the same ones:
  /echo         echoes each message with its type
  /fragments    sends a text and a binary message in three fragments, with a ping and an unsolicited pong between them, checks
                the pong for the ping, and sends the text "pong ok" or the fault
  /close/CODE   closes with CODE (`none`: without a code) after the first message
Compression is offered and accepted with the defaults of the library.
"""
import asyncio
import http.client
import sys
import time
import urllib.parse

from websockets.asyncio.client import connect
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed

BIG = 1 << 20
LENGTHS = [1, 125, 126, 65535, 65536, BIG]
PIPELINED = 300
# The timeout of a case, so that a lost reply is a failure and not a hang.
CASE_SECONDS = 10


def text_of(length):
    return ("0123456789abcdef" * (length // 16 + 1))[:length]


def bytes_of(length):
    return bytes(i * 7 & 0xFF for i in range(256)) * (length // 256) + bytes(range(length % 256))


def same(got, expected):
    if type(got) is not type(expected) or got != expected:
        raise AssertionError(f"expected {brief(expected)}, got {brief(got)}")


def brief(value):
    shown = repr(value[:40] if isinstance(value, (str, bytes)) else value)
    return f"{type(value).__name__} of {len(value)}: {shown}" if isinstance(value, (str, bytes)) else shown


async def echoed(ws, message):
    await ws.send(message)
    same(await ws.recv(), message)


async def fragments(ws, pieces):
    """Sends one message in three fragments, with a ping and an unsolicited pong between them. The ping must be answered."""
    pongs = []

    async def between():
        yield pieces[0]
        pongs.append(await ws.ping(b"between fragments"))
        yield pieces[1]
        await ws.pong(b"unsolicited")
        yield pieces[2]

    await ws.send(between())
    # Only a pong with the same payload resolves the future. The library reads in a separate task, so no `recv` is needed.
    await asyncio.wait_for(pongs[0], CASE_SECONDS)


async def fragments_echoed(ws, pieces, whole):
    await fragments(ws, pieces)
    same(await ws.recv(), whole)


async def fragments_kept(ws, pieces):
    await fragments(ws, pieces)
    # The library adds an empty final fragment to a message that is sent in fragments.
    same([piece async for piece in ws.recv_streaming()], [*pieces, pieces[0][:0]])


async def ping_payloads(ws):
    for payload in [b"", b"p", bytes(range(125))]:
        await (await ws.ping(payload))
    await ws.pong(b"unsolicited")
    await echoed(ws, "after a pong")


async def pipelined(ws):
    sent = [f"message {i}" if i % 2 else bytes([i & 0xFF]) * i for i in range(PIPELINED)]
    # In a separate task, so that all messages can be in flight before the first reply is read.
    writer = asyncio.create_task(send_all(ws, sent))
    await asyncio.wait([writer], timeout=5)
    for message in sent:
        same(await ws.recv(), message)
    await writer


async def send_all(ws, messages):
    for message in messages:
        await ws.send(message)


async def send_close(ws, code):
    if code is not None:
        return await ws.close(code, "done")
    # `close()` always sends a code, so an empty Close frame needs the lower layer of the library.
    async with ws.send_context():
        ws.protocol.send_close()
    await ws.wait_closed()


async def closes(url, code):
    async with connect(url) as ws:
        await echoed(ws, "before the close")
        await send_close(ws, code)
        same(int(ws.close_code), 1005 if code is None else code)


async def one_connection(url, body):
    async with connect(url, max_size=None) as ws:
        await body(ws)
        await ws.close()
        same(int(ws.close_code), 1000)


def client_cases(url):
    def case(body):
        return lambda: one_connection(url, body)

    yield "text", case(lambda ws: echoed(ws, "Grüße, 世界 🌍"))
    yield "binary", case(lambda ws: echoed(ws, bytes(range(256))))
    yield "empty text", case(lambda ws: echoed(ws, ""))
    yield "empty binary", case(lambda ws: echoed(ws, b""))
    for length in LENGTHS:
        yield f"text of {length}", case(lambda ws, n=length: echoed(ws, text_of(n)))
        yield f"binary of {length}", case(lambda ws, n=length: echoed(ws, bytes_of(n)))
    yield "text fragments", case(lambda ws: fragments_echoed(ws, ["Grü", "", "ße"], "Grüße"))
    yield "binary fragments", case(lambda ws: fragments_echoed(ws, [b"\x00" * 70000, b"\x01", b""], b"\x00" * 70000 + b"\x01"))
    yield "pings and pongs", case(ping_payloads)
    yield f"{PIPELINED} pipelined", case(pipelined)
    for code in [1000, 1001, 3000, None]:
        yield f"close {code or 'without a code (1005)'}", lambda c=code: closes(url, c)


def parts_cases(url):
    yield from client_cases(url)
    for name, pieces in [("text", ["Grü", "", "ße"]), ("binary", [b"\x00\x01", b"", b"\x02"])]:
        yield f"{name} fragments stay fragments", lambda p=pieces: one_connection(url, lambda ws: fragments_kept(ws, p))


async def client(url, cases=client_cases):
    passed, failed = 0, []
    for name, run in cases(url):
        try:
            await asyncio.wait_for(run(), CASE_SECONDS)
            passed += 1
        except Exception as error:  # noqa: BLE001 - every kind of failure is a failed case
            failed.append(name)
            print(f"FAILED {name}: {type(error).__name__}: {error}", flush=True)
    print(f"{passed} passed, {len(failed)} failed")
    return 1 if failed else 0


async def goodbye(url):
    async with connect(url) as ws:
        await echoed(ws, "hello")
        print("READY", flush=True)
        start = time.monotonic()
        try:
            await asyncio.wait_for(ws.wait_closed(), 3)
        except asyncio.TimeoutError:
            print("FAILED: the connection did not end within 3 s")
            return 1
        print(f"close {int(ws.close_code)} after {time.monotonic() - start:.1f} s")
        return int(ws.close_code != 1001)


async def plain(url):
    # Blocking calls are permitted here: the event loop has no other task.
    page, other, no_upgrade = (get(url, path) for path in ["/", "/no/such/page", "/ws"])
    wrong = []
    if page[:2] != (200, "text/html") or b"Communication Log" not in page[2]:
        wrong.append(f"GET / returned {page[0]} {page[1]} with {len(page[2])} bytes, not the page")
    if other[0] != 404:
        wrong.append(f"another path returned {other[0]}, not 404")
    if no_upgrade[0] not in (400, 426):
        wrong.append(f"/ws without an upgrade returned {no_upgrade[0]}, neither 400 nor 426")
    print("; ".join(wrong) or "page 200, other path 404, /ws without an upgrade refused")
    return 1 if wrong else 0


def get(url, path):
    parts = urllib.parse.urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.netloc, timeout=CASE_SECONDS)
    connection.request("GET", path)
    answer = connection.getresponse()
    return answer.status, answer.getheader("Content-Type", "").split(";")[0], answer.read()


async def answer(ws):
    path = ws.request.path.split("?")[0]
    if path == "/echo":
        async for message in ws:
            await ws.send(message)
    elif path == "/fragments":
        try:
            for pieces in [["Grü", "", "ße"], [b"\x00" * 70000, b"\x01", b""]]:
                await fragments(ws, pieces)
            await ws.send("pong ok")
        except (asyncio.TimeoutError, AssertionError) as error:
            await ws.send(f"pong wrong: {error!r}")
        await ws.wait_closed()
    elif path.startswith("/close/"):
        await ws.recv()
        code = path.rsplit("/", 1)[1]
        await send_close(ws, None if code == "none" else int(code))
    else:
        await ws.close(1011, "no such path")


async def quiet(ws):
    try:
        await answer(ws)
    except ConnectionClosed:
        pass


async def server():
    async with serve(quiet, "127.0.0.1", 0, max_size=None) as listening:
        print(f"listening on 127.0.0.1:{listening.sockets[0].getsockname()[1]}", flush=True)
        await listening.serve_forever()
    return 0


if __name__ == "__main__":
    runs = {"client": client, "parts": lambda url: client(url, parts_cases), "goodbye": goodbye, "plain": plain, "server": server}
    if len(sys.argv) < 2 or sys.argv[1] not in runs:
        sys.exit(__doc__)
    try:
        sys.exit(asyncio.run(runs[sys.argv[1]](*sys.argv[2:])))
    except KeyboardInterrupt:
        sys.exit(130)
