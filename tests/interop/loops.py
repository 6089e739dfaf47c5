#!/usr/bin/env python3
"""Tests an echo server that has its own event loop, with clients of Python `websockets` and raw sockets.

  loops.py [--clients N] [--divide N] COMMAND...

Starts `COMMAND 127.0.0.1:0`, waits until it prints its address, runs all cases, and kills it. The path of its WebSocket is /ws. It
must send keep-alive pings after at most 5 seconds, and end the connection of a peer that does not answer.
--clients is the number of simultaneous clients (default 1000); --divide is a divisor for the lengths of large messages.
"""
import argparse
import asyncio
import http.client
import pathlib
import resource
import signal
import socket
import struct
import subprocess
import sys
import time

from websockets.asyncio.client import connect

# The timeout of a case, so that a lost reply is a failure and not a hang.
CASE_SECONDS = 75
# A server with back-pressure stops reading long before this time; a server without it never stops.
QUIET_SECONDS = 2
PIPELINED = 200
# Codes and reasons, which the server must return. None stands for an empty Close frame.
CLOSES = [(1000, ""), (1000, "done"), (1001, "Grüße"), (3000, "x" * 123), (4999, "private"), (None, "")]
# Faults: the bytes after the handshake, and the code of the server's Close frame.
FAULTS = {
    "an unknown opcode": (b"\x83\x80\0\0\0\0", 1002),
    "an unmasked frame": (b"\x81\x02hi", 1002),
    "a ping of 126 bytes": (b"\x89\xfe\0\x7e\0\0\0\0", 1002),
    "text that is not UTF-8": (b"\x81\x82\0\0\0\0\xc3\x28", 1007),
    "a Close frame with 1005": (b"\x88\x82\0\0\0\0\x03\xed", 1002),
    "a message longer than any limit": (b"\x82\xff" + bytes([0, 0, 1, 0, 0, 0, 0, 0]) + bytes(4), 1009),
}


class Failure(Exception):
    pass


def check(condition, message):
    if not condition:
        raise Failure(message)


class Raw:
    """A client on a raw socket. It can break every rule of the protocol."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer
        self.pings = 0

    @classmethod
    async def connect(cls, address):
        # A small receive buffer, so that the kernel holds little of a flood.
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, address)
        return cls(*await asyncio.open_connection(sock=sock))

    @classmethod
    async def open(cls, address):
        raw = await cls.connect(address)
        raw.writer.write(
            b"GET /ws HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AQIDBAUGBwgJCgsMDQ4PEA==\r\n\r\n"
        )
        head = await raw.reader.readuntil(b"\r\n\r\n")
        check(head.startswith(b"HTTP/1.1 101 "), f"no upgrade: {head!r}")
        return raw

    async def frame(self):
        first, second = await self.reader.readexactly(2)
        length = second & 0x7F
        if length > 125:
            length = int.from_bytes(await self.reader.readexactly(2 if length == 126 else 8), "big")
        return first & 0x80, first & 0x0F, await self.reader.readexactly(length)

    async def event(self):
        """Returns opcode and payload of the next message or Close frame. Pings are counted and not answered."""
        kind, parts = None, []
        while True:
            fin, opcode, payload = await self.frame()
            if opcode == 8:
                return opcode, payload
            if opcode == 9:
                self.pings += 1
            elif opcode < 8:
                kind = opcode or kind
                parts.append(payload)
                if fin:
                    return kind, b"".join(parts)

    async def end(self):
        """Waits for the end of the connection, which the server makes (RFC 6455 7.1.1). Returns the seconds until then."""
        start = time.monotonic()
        check(await self.reader.read() == b"", "received bytes after the Close frame")
        seconds = time.monotonic() - start
        # The server reads the remaining output too.
        await self.writer.drain()
        self.writer.close()
        return seconds

    def reset(self):
        """Resets the connection without a Close frame."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


def masked(payload, first=0x82):
    # A mask key of zeros does not change the payload.
    length = len(payload)
    header = bytes([first, 0x80 | length]) if length < 126 else struct.pack(">BBH", first, 0xFE, length)
    return header + bytes(4) + payload


class Server:
    def __init__(self, command):
        self.process = subprocess.Popen([*command, "127.0.0.1:0"], stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        check(line.startswith("listening on http://127.0.0.1:"), f"the first line is {line!r}")
        self.address = ("127.0.0.1", int(line.split(",")[0].rsplit(":", 1)[1]))
        self.url = f"ws://127.0.0.1:{self.address[1]}/ws"

    def resident(self):
        """Returns the resident memory in bytes, or None if the system does not report it."""
        try:
            status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        except OSError:
            return None
        return int(status.split("VmRSS:")[1].split()[0]) * 1024

    def files(self):
        """Returns the number of open files, or None if the system does not report it."""
        try:
            return len(list(pathlib.Path(f"/proc/{self.process.pid}/fd").iterdir()))
        except OSError:
            return None


async def echoed(ws, message):
    await ws.send(message)
    got = await ws.recv()
    check(got == message, f"sent {len(message)} of {type(message).__name__}, got {len(got)} of {type(got).__name__}")


async def pipelined(ws):
    sent = [f"message {i}" if i % 2 else bytes([i]) * i for i in range(PIPELINED)]

    async def send_all():
        for message in sent:
            await ws.send(message)

    # In a separate task, so that many messages are in flight before the first reply is read.
    sending = asyncio.create_task(send_all())
    for message in sent:
        got = await ws.recv()
        check(got == message, f"expected {message[:20]!r}, got {got[:20]!r}")
    await sending


async def closed(ws, code, reason):
    if code is None:
        # `close()` always sends a code, so an empty Close frame needs the lower layer of the library.
        async with ws.send_context():
            ws.protocol.send_close()
        await ws.wait_closed()
        check(ws.close_code == 1005, f"the empty Close frame came back as {ws.close_code}")
    else:
        await ws.close(code, reason)
        check((ws.close_code, ws.close_reason) == (code, reason), f"{code} came back as {ws.close_code} {ws.close_reason!r}")


async def crowd(server, args):
    """All clients are connected at once: none closes before all have been served."""
    waiting, all_served, connecting = args.clients, asyncio.Event(), asyncio.Semaphore(100)

    async def client(i):
        nonlocal waiting
        async with connecting:
            ws = await connect(server.url, max_size=None, ping_interval=None, compression=None)
        await echoed(ws, f"Grüße, 世界 🌍 {i}")
        await (await ws.ping(b"%d" % i))
        if i % 20 == 0:
            await echoed(ws, "0123456789abcde€" * (25_000 // args.divide))
        if i % 20 == 1:
            await echoed(ws, bytes(range(256)) * (3_516 // args.divide))
        if i % 4 == 2:
            await pipelined(ws)
        waiting -= 1
        if not waiting:
            all_served.set()
        await all_served.wait()
        await closed(ws, *CLOSES[i % len(CLOSES)])

    clients = [asyncio.create_task(client(i)) for i in range(args.clients)]
    try:
        await asyncio.gather(*clients)
    finally:
        for task in clients:
            task.cancel()
    return f"{args.clients} clients"


async def idle(server, args):
    """The connection of a client that answers pings stays open. `websockets` answers them automatically."""
    async with connect(server.url, ping_interval=None) as ws:
        # Longer than the keep-alive interval plus the timeout of the server.
        await asyncio.sleep(23)
        await echoed(ws, "still here")


async def unanswered(server, args):
    """A client that does not answer gets a ping, then a Close frame with code 1011."""
    raw = await Raw.open(server.address)
    opcode, payload = await raw.event()
    check(raw.pings == 1, f"{raw.pings} pings")
    check((opcode, payload[:2]) == (8, b"\x03\xf3"), f"opcode {opcode}, {payload!r}, not 1011")
    await raw.end()


async def half_request(server, args):
    """An incomplete request gets a response with status 408, then the end of the connection."""
    raw = await Raw.connect(server.address)
    raw.writer.write(b"GET /ws HTTP/1.1\r\nHost: exam")
    answer = await raw.reader.read()
    check(answer.startswith(b"HTTP/1.1 408 "), f"{answer!r}")
    raw.writer.close()


async def vanishing(server, args):
    """Clients that disconnect in the middle of a frame, a message or a handshake."""
    for unfinished in [b"", b"\x82", masked(b"x" * 1000)[:500], masked(b"half", 0x02), masked(b"x" * 1000) * 1000]:
        for leave in [Raw.reset, lambda raw: raw.writer.close()]:
            raw = await Raw.open(server.address)
            raw.writer.write(unfinished)
            leave(raw)
    raw = await Raw.connect(server.address)
    raw.writer.write(b"GET /ws HT")
    raw.reset()
    # The files must be closed before a keep-alive ping detects the loss. Three other cases hold connections at this time.
    for _ in range(40):
        if args.files is None or server.files() <= args.files + 3:
            return
        await asyncio.sleep(0.1)
    check(False, f"{server.files()} files are open, at the beginning {args.files}")


async def faults(server, args):
    """The Close frame has the right code. After the fault the server reads and discards input until the client ends: a socket that
    is closed with unread input resets the connection, which can destroy the Close frame in flight."""
    ends, resets = [], []
    for name, (sent, code) in FAULTS.items():
        raw = await Raw.open(server.address)
        raw.writer.transport.set_write_buffer_limits(0)
        raw.writer.write(masked(b"before", 0x81) + sent + bytes(8_000_000 // args.divide))
        check(await raw.event() == (1, b"before"), f"{name}: the message before the fault was not echoed")
        opcode, payload = await raw.event()
        check((opcode, int.from_bytes(payload[:2], "big")) == (8, code), f"{name}: opcode {opcode}, {payload!r}")
        try:
            ends.append(await raw.end())
        except ConnectionError as error:
            resets.append(error)
    # The server reads for up to 2 s. On a loaded machine this can be too short for some connections, but not for all.
    check(ends, f"all connections were reset: {resets}")
    check(min(ends) < 1.5, f"the fastest connection ended {min(ends):.1f} s after its Close frame")


async def flood(server, args):
    """The client writes and does not read: the server stops reading, and its memory stays within its limits. Then every byte is
    echoed."""
    count = 12_000
    payloads = [struct.pack(">I", i) * 1000 for i in range(count)]
    before = server.resident()
    raw = await Raw.open(server.address)
    written = 0

    async def write_all():
        nonlocal written
        for payload in payloads:
            raw.writer.write(masked(payload))
            await raw.writer.drain()
            written += len(payload)

    writing = asyncio.create_task(write_all())
    seen = -1
    while seen != written:
        seen = written
        await asyncio.sleep(QUIET_SECONDS)
    total = 4000 * count
    # The buffers of the sockets hold the rest: up to 4 MiB and 6 MiB by default on Linux.
    check(seen < 20_000_000, f"the server took {seen} of {total} bytes before the client read")
    if before is not None:
        grown = server.resident() - before
        check(grown < 4_000_000, f"the memory of the server grew by {grown} bytes")
    for payload in payloads:
        check(await raw.event() == (2, payload), "the echo differs from the message")
    await writing
    raw.writer.write(masked(b"\x03\xe8", 0x88))
    check(await raw.event() == (8, b"\x03\xe8"), "no Close frame")
    await raw.end()
    return f"{seen >> 20} of {total >> 20} MiB taken before the first read"


async def writes_first(server, args):
    """The client writes messages that exceed all socket buffers before it reads: the server must read while it writes."""
    payload = bytes(range(256)) * (56_000 // args.divide)
    raw = await Raw.open(server.address)
    raw.writer.transport.set_write_buffer_limits(0)
    for _ in range(2):
        raw.writer.write(struct.pack(">BBQ", 0x82, 0xFF, len(payload)) + bytes(4) + payload)
        await asyncio.wait_for(raw.writer.drain(), 20)
    for _ in range(2):
        check(await raw.event() == (2, payload), "the echo differs from the message")
    raw.reset()


async def plain(server, args):
    def get(path):
        connection = http.client.HTTPConnection(*server.address, timeout=10)
        connection.request("GET", path)
        return connection.getresponse().status

    statuses = [await asyncio.to_thread(get, path) for path in ["/", "/ws/other", "/ws"]]
    check(statuses[:2] == [404, 404], f"other paths: {statuses[:2]}, not 404")
    check(statuses[2] in (400, 426), f"/ws without an upgrade: {statuses[2]}")


async def usage(server, args):
    for arguments in [[], ["nonsense"], ["127.0.0.1:0", "more"]]:
        run = await asyncio.to_thread(
            subprocess.run, [*args.command, *arguments], capture_output=True, text=True, timeout=10
        )
        check(run.returncode == 2, f"{arguments}: exit status {run.returncode}")
        check(run.stderr.startswith("usage: ") and not run.stdout, f"{arguments}: printed {run.stderr!r} {run.stdout!r}")


async def nothing_left(server, args):
    """The server has released all connections: it has as many open files as at the beginning."""
    for _ in range(100):
        if server.files() == args.files:
            break
        await asyncio.sleep(0.1)
    check(server.files() == args.files, f"{server.files()} files are open, at the beginning {args.files}")
    check(server.process.poll() is None, "the server has ended")
    async with connect(server.url) as ws:
        await echoed(ws, "the last one")


async def run(server, args):
    failed = 0

    async def attempt(case):
        nonlocal failed
        try:
            return await asyncio.wait_for(case(server, args), CASE_SECONDS)
        except Exception as error:  # noqa: BLE001 - every kind of failure is a failed case
            failed += 1
            print(f"FAILED {case.__name__}: {type(error).__name__}: {error}", flush=True)

    # Cases that wait for deadlines of the server run beside the others. `crowd` runs last, since `flood` measures the memory of the
    # server.
    waiting = [asyncio.create_task(attempt(case)) for case in [half_request, idle, unanswered]]
    cases = [usage, plain, faults, vanishing, flood, writes_first, crowd]
    if args.divide > 1:
        cases.remove(writes_first)  # a divided message fits into the buffers of the sockets
    said = [await attempt(case) for case in cases]
    said += await asyncio.gather(*waiting)
    said += [await attempt(nothing_left)]
    notes = ", ".join(filter(None, said))
    print(f"{len(said) - failed} passed, {failed} failed" + (f" ({notes})" if notes else ""))
    return 1 if failed else 0


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--clients", type=int, default=1000)
    parser.add_argument("--divide", type=int, default=1)
    parser.add_argument("command", nargs="+")
    args = parser.parse_args()
    # The limit of open files, for both ends: the server inherits it.
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 16_384) if hard > 0 else 16_384, hard))
    # SIGTERM raises SystemExit, so that `finally` kills the server.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    server = Server(args.command)
    try:
        args.files = server.files()
        return asyncio.run(run(server, args))
    finally:
        server.process.kill()
        server.process.wait()


if __name__ == "__main__":
    sys.exit(main())
