#!/usr/bin/env python3
"""Python `websockets`, and raw sockets, as clients of an echo server on an event loop of its own.

  loops.py [--clients N] [--divide N] COMMAND...

Starts `COMMAND 127.0.0.1:0`, waits until it prints the address that it listens on, runs all cases against it, and kills it. Its
WebSocket is /ws; it must send keep-alive pings after 5 seconds at the most and give up a peer without an answer.
--clients sets how many clients are connected at once (default 1000); --divide divides the lengths of large messages.
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

# No case may hang: a lost answer is a failure after this time.
CASE_SECONDS = 75
# A server without back-pressure goes on reading; one with it has stopped long before.
QUIET_SECONDS = 2
PIPELINED = 200
# A code and a reason that the server has to send back; None: an empty Close frame.
CLOSES = [(1000, ""), (1000, "done"), (1001, "Grüße"), (3000, "x" * 123), (4999, "private"), (None, "")]
# What fails a connection: the bytes behind the handshake, and the code of the server's Close frame.
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
    """A client that keeps to no rule unless it is told to."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer
        self.pings = 0

    @classmethod
    async def connect(cls, address):
        # A small window, so that little of a flood lies in the kernel.
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
        """The next message or Close frame: its opcode and payload. Pings are counted and not answered."""
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
        """The server ends the connection first (RFC 6455, section 7.1.1). Returns how long that takes."""
        start = time.monotonic()
        check(await self.reader.read() == b"", "there are bytes behind the Close frame")
        seconds = time.monotonic() - start
        # What is still to be written is taken, too.
        await self.writer.drain()
        self.writer.close()
        return seconds

    def reset(self):
        """Goes without a goodbye."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


def masked(payload, first=0x82):
    # A key of zeros leaves the payload as it is.
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
        """Bytes of memory; None where the system does not tell."""
        try:
            status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        except OSError:
            return None
        return int(status.split("VmRSS:")[1].split()[0]) * 1024

    def files(self):
        """How many files are open; None where the system does not tell."""
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

    # A task of its own, so that much of it can be on its way before the first answer is read.
    sending = asyncio.create_task(send_all())
    for message in sent:
        got = await ws.recv()
        check(got == message, f"expected {message[:20]!r}, got {got[:20]!r}")
    await sending


async def closed(ws, code, reason):
    if code is None:
        # `close()` always sends a code; an empty Close frame is only to be had one layer down.
        async with ws.send_context():
            ws.protocol.send_close()
        await ws.wait_closed()
        check(ws.close_code == 1005, f"the empty Close frame came back as {ws.close_code}")
    else:
        await ws.close(code, reason)
        check((ws.close_code, ws.close_reason) == (code, reason), f"{code} came back as {ws.close_code} {ws.close_reason!r}")


async def crowd(server, args):
    """All clients at once: nobody leaves before everybody has been served."""
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
    """A client that answers pings is kept; `websockets` answers them by itself."""
    async with connect(server.url, ping_interval=None) as ws:
        # Longer than the interval and the timeout of the server.
        await asyncio.sleep(23)
        await echoed(ws, "still here")


async def unanswered(server, args):
    """A client that vanishes: it is pinged, then it is given up."""
    raw = await Raw.open(server.address)
    opcode, payload = await raw.event()
    check(raw.pings == 1, f"{raw.pings} pings")
    check((opcode, payload[:2]) == (8, b"\x03\xf3"), f"opcode {opcode}, {payload!r}, not 1011")
    await raw.end()


async def half_request(server, args):
    """408, and the end."""
    raw = await Raw.connect(server.address)
    raw.writer.write(b"GET /ws HTTP/1.1\r\nHost: exam")
    answer = await raw.reader.read()
    check(answer.startswith(b"HTTP/1.1 408 "), f"{answer!r}")
    raw.writer.close()


async def vanishing(server, args):
    """Clients that are gone at the worst time."""
    for unfinished in [b"", b"\x82", masked(b"x" * 1000)[:500], masked(b"half", 0x02), masked(b"x" * 1000) * 1000]:
        for leave in [Raw.reset, lambda raw: raw.writer.close()]:
            raw = await Raw.open(server.address)
            raw.writer.write(unfinished)
            leave(raw)
    raw = await Raw.connect(server.address)
    raw.writer.write(b"GET /ws HT")
    raw.reset()
    # Before a keep-alive ping would find them gone. Three others wait for deadlines meanwhile.
    for _ in range(40):
        if args.files is None or server.files() <= args.files + 3:
            return
        await asyncio.sleep(0.1)
    check(False, f"{server.files()} files are open, {args.files} were at the beginning")


async def faults(server, args):
    """The Close frame has the right code, and the server then takes what comes behind the fault until we end, too: a socket that is
    closed with unread input resets the connection, which can destroy the Close frame on its way."""
    ends, resets = [], []
    for name, (sent, code) in FAULTS.items():
        raw = await Raw.open(server.address)
        raw.writer.transport.set_write_buffer_limits(0)
        raw.writer.write(masked(b"before", 0x81) + sent + bytes(8_000_000 // args.divide))
        check(await raw.event() == (1, b"before"), f"{name}: the message before it was not echoed")
        opcode, payload = await raw.event()
        check((opcode, int.from_bytes(payload[:2], "big")) == (8, code), f"{name}: opcode {opcode}, {payload!r}")
        try:
            ends.append(await raw.end())
        except ConnectionError as error:
            resets.append(error)
    # The server's time for this is 2 s, which a busy machine may delay for some of them, but not for all.
    check(ends, f"all connections were reset: {resets}")
    check(min(ends) < 1.5, f"after the Close frame the connections ended within {min(ends):.1f} s at best")


async def flood(server, args):
    """Writes without reading: the server stops reading, and keeps nothing beyond its limits. Then every byte comes back."""
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
    # The rest lies in the buffers of the sockets: up to 4 MiB and 6 MiB by Linux's defaults.
    check(seen < 20_000_000, f"{seen} bytes of {total} were taken before any was read")
    if before is not None:
        grown = server.resident() - before
        check(grown < 4_000_000, f"the server's memory has grown by {grown} bytes")
    for payload in payloads:
        check(await raw.event() == (2, payload), "the echo differs")
    await writing
    raw.writer.write(masked(b"\x03\xe8", 0x88))
    check(await raw.event() == (8, b"\x03\xe8"), "no Close frame")
    await raw.end()
    return f"{seen >> 20} of {total >> 20} MiB taken unread"


async def writes_first(server, args):
    """Messages larger than all buffers of the sockets, written before anything is read: the server must read beside its
    writes."""
    payload = bytes(range(256)) * (56_000 // args.divide)
    raw = await Raw.open(server.address)
    raw.writer.transport.set_write_buffer_limits(0)
    for _ in range(2):
        raw.writer.write(struct.pack(">BBQ", 0x82, 0xFF, len(payload)) + bytes(4) + payload)
        await asyncio.wait_for(raw.writer.drain(), 20)
    for _ in range(2):
        check(await raw.event() == (2, payload), "the echo differs")
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
    """All connections are gone, of whatever kind: the server has no more files than at the beginning."""
    for _ in range(100):
        if server.files() == args.files:
            break
        await asyncio.sleep(0.1)
    check(server.files() == args.files, f"{server.files()} files are open, {args.files} were at the beginning")
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

    # Some wait for deadlines of the server, beside the others. The crowd comes last, since the flood looks at the server's memory.
    waiting = [asyncio.create_task(attempt(case)) for case in [half_request, idle, unanswered]]
    cases = [usage, plain, faults, vanishing, flood, writes_first, crowd]
    if args.divide > 1:
        cases.remove(writes_first)  # a smaller message fits into the buffers of the sockets
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
    # For both ends: the server inherits it.
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 16_384) if hard > 0 else 16_384, hard))
    # So that the server is killed then, too.
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
