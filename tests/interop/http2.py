#!/usr/bin/env python3
"""Tests the sample app and the clients over HTTP/2 with nghttpx, hypercorn, and a hand-made client.

  http2.py FOLDER MODULES

FOLDER has the programs `echo`, `client` and `interop_client`, MODULES is a folder in which npm has installed `ws`.
"""
import asyncio
import contextlib
import os
import pathlib
import shutil
import signal
import socket
import ssl
import struct
import sys
import tempfile
import time
import traceback
import urllib.request

from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

import h2_faults
import h2_peer
from frameworks import exchange, frame, open_socket, take_frame, upgrade_request
from proxies import CA, CERTIFICATES, Client, Proxies, Server, check, one_line, same

HERE = pathlib.Path(__file__).resolve().parent
# The timeout of a case, so that a lost reply is a failure and not a hang.
CASE_SECONDS = 60
# Debian installs it in a folder for administrators.
NGHTTPX = shutil.which("nghttpx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
OVER_HTTP2 = "connected over HTTP/2\n"
# Memory of the app after all cases of the hand-made client: their data and windows, far below one window of a session for each.
MOST_RESIDENT = 64 << 20


class Programs(Proxies):
    """Starts servers and proxies on free ports, and kills them at the end."""

    def __init__(self, folder, bin):
        super().__init__(folder)
        self.bin = bin

    def echo(self, *options):
        """Starts the sample app. Returns its address."""
        return self.start(lambda port: [self.bin / "echo", f"127.0.0.1:{port}", *options])

    def nghttpx(self, backend, protocol, *options, tls=False):
        """Starts nghttpx. With TLS the clients select HTTP/2, without TLS they use HTTP/1.1."""
        host, port = backend.split(":")
        files = [CERTIFICATES / "key.pem", CERTIFICATES / "localhost.pem"] if tls else []
        return self.start(
            lambda own: [
                NGHTTPX,
                "--conf=/dev/null",
                "--single-process",
                "--single-thread",
                "--no-ocsp",
                "--accesslog-file=/dev/null",
                f"--frontend=127.0.0.1,{own}{'' if tls else ';no-tls'}",
                f"--backend={host},{port};;proto={protocol}",
                *options,
                *files,
            ]
        )

    def hypercorn(self, *lines):
        def command(port):
            config = self.folder / f"{port}.toml"
            common = [f'bind = "127.0.0.1:{port}"', f'keyfile = "{CERTIFICATES}/key.pem"', f'certfile = "{CERTIFICATES}/localhost.pem"']
            config.write_text("\n".join([*common, *lines, ""]))
            return [sys.executable, "-m", "hypercorn", "--config", config, "asgi_peer:app"]

        return self.start(command)

    def log(self, address):
        return (self.folder / f"{address.rsplit(':', 1)[1]}.log").read_text()

    def of(self, address):
        """The process that serves an address."""
        return next(process for process in self.processes if any(address.rsplit(":", 1)[1] in str(word) for word in process.args))

    def finish(self):
        """Kills all, and checks that no program of ours has panicked."""
        self.kill()
        self.processes.clear()
        for log in self.folder.glob("*.log"):
            text = log.read_text()
            log.unlink()
            check("panicked at" not in text, text)


class Test:
    """The programs, for one case."""

    def __init__(self, programs, modules):
        self.programs = programs
        self.client = Client(programs.bin / "client")
        self.environment = {**self.client.environment, "INTEROP_NODE_MODULES": modules}
        self.python_peer = [sys.executable, HERE / "python_peer.py"]
        self.node_peer = ["node", HERE / "node_peer.mjs"]

    def app(self, *options, proxy=()):
        """Starts the app with HTTP/2 only to it, and nghttpx for clients of HTTP/1.1. Returns both addresses."""
        app = self.programs.echo("--h2c", *options)
        return app, self.programs.nghttpx(app, "h2", *proxy)

    async def passes(self, *command):
        """Runs a program that prints its failed cases."""
        process = await asyncio.create_subprocess_exec(
            *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, env=self.environment
        )
        try:
            output = (await process.communicate())[0].decode()
        finally:
            if process.returncode is None:
                process.kill()
        shown = "".join(line for line in output.splitlines(keepends=True) if not line.startswith("ok "))
        check(process.returncode == 0, f"{' '.join(map(str, command))}:\n{shown}")

    @contextlib.asynccontextmanager
    async def peer(self, command):
        """Starts the server of a peer. Its address is on its first line."""
        process = await asyncio.create_subprocess_exec(*command, "server", stdout=asyncio.subprocess.PIPE, env=self.environment)
        try:
            yield (await process.stdout.readline()).decode().split()[-1]
        finally:
            process.kill()
            await process.wait()


def get(address, path):
    try:
        with urllib.request.urlopen(f"http://{address}{path}", timeout=10) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as refused:
        return refused.code, refused.read().decode()


def sessions(address):
    """The number of TCP connections that the app has accepted."""
    port = int(address.rsplit(":", 1)[1])
    rows = [line.split() for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(row[1].endswith(f":{port:04X}") and row[3] == "01" for row in rows)


async def close_code(ws):
    await asyncio.wait_for(ws.wait_closed(), 10)
    return ws.close_code


# HTTP/1.1 -> nghttpx -> HTTP/2: our server.


async def clients_of_http1_reach_our_server(t):
    for options, set in [((), "client"), (("--deflate", "off"), "client"), (("--parts",), "parts")]:
        _, address = t.app(*options)
        await t.passes(*t.python_peer, set, f"ws://{address}/ws")
        await t.passes(*t.node_peer, "client", f"ws://{address}/ws")


async def compression_is_negotiated(t):
    # The last three arguments are the settings of the app, which the peers expect in the responses.
    for options, settings in [((), ["15", "15", "1"]), (("--deflate", "11,10", "--no-context-takeover"), ["11", "10", "0"])]:
        _, address = t.app(*options)
        await asyncio.gather(
            t.passes(sys.executable, HERE / "deflate_peer.py", "client", f"ws://{address}/ws", *settings),
            t.passes("node", HERE / "deflate_peer.mjs", "client", f"ws://{address}/ws", *settings),
        )


async def pages_and_refusals(t):
    _, address = t.app()
    status, page = await asyncio.to_thread(get, address, "/")
    check(status == 200 and "This page was sent over HTTP/2." in page, page)
    same((await asyncio.to_thread(get, address, "/no/such/page"))[0], 404)
    same((await asyncio.to_thread(get, address, "/ws"))[0], 400)
    for path, fields, status in [("/no/such/page", {}, 404), ("/", {}, 405), ("/ws", {"Origin": "https://other.example"}, 403)]:
        try:
            async with connect(f"ws://{address}{path}", additional_headers=fields):
                raise AssertionError(f"{path} with {fields} is accepted")
        except InvalidStatus as refused:
            same(refused.response.status_code, status, path)
            check(len(refused.response.body) > 0, f"{path}: no body")
    # A page of this host. nghttpx must keep the Host field, which the app compares.
    async with connect(f"ws://{address}/ws", origin=f"http://{address}") as ws:
        await ws.send("hello")
        same(await ws.recv(), "hello")


async def long_messages(t):
    _, address = t.app()
    for compression in ["deflate", None]:
        async with connect(f"ws://{address}/ws", compression=compression, max_size=None) as ws:
            for length in [70_000, 200_000, 1 << 20, 20 << 20]:
                text = ("Grüße, 世界 🌍" * (length // 10))[:length]
                for message in [text, os.urandom(length)]:
                    await ws.send(message)
                    check(await ws.recv() == message, f"another message than that of {length}")


async def our_server_closes(t):
    app, address = t.app("--max-message", "1000")
    async with connect(f"ws://{address}/ws") as ws:
        await ws.send(os.urandom(1001))
        same(await close_code(ws), 1009)
    for sent, code in [(frame(1, b"\xff"), 1007), (b"\x81\x00", 1002), (frame(3, b""), 1002)]:
        with open_socket(address) as sock:
            status, _, data = await asyncio.to_thread(exchange, sock, upgrade_request("/ws", address))
            same(status, 101)
            sock.sendall(sent)
            while take_frame(data) is None:
                more = await asyncio.to_thread(sock.recv, 65536)
                check(more, "the connection ended without a Close frame")
                data += more
            opcode, payload, _ = take_frame(data)
            same((opcode, payload[:2]), (0x88, struct.pack(">H", code)))
    # At its end, all WebSockets of the session.
    async with contextlib.AsyncExitStack() as stack:
        open_ones = [await stack.enter_async_context(connect(f"ws://{address}/ws")) for _ in range(5)]
        process = t.programs.of(app)
        process.send_signal(signal.SIGTERM)
        same([await close_code(ws) for ws in open_ones], [1001] * 5, "close codes")
        same(await asyncio.to_thread(process.wait, 5), 0, "exit status")


async def twenty_at_once_on_one_session(t):
    app, address = t.app()

    async def one(i):
        async with connect(f"ws://{address}/ws", max_size=None) as ws:
            ready.append(i)
            await all_ready.wait()
            for length in [0, 10, 70_000, 300_000]:
                message = bytes([i]) * length
                await ws.send(message)
                same(await ws.recv(), message, f"message of WebSocket {i}")

    ready, all_ready = [], asyncio.Event()
    tasks = [asyncio.create_task(one(i)) for i in range(20)]
    while len(ready) < 20:
        await asyncio.sleep(0.01)
    same(sessions(app), 1, "sessions")
    all_ready.set()
    await asyncio.gather(*tasks)


async def keep_alive_keeps_idle_connections(t):
    """nghttpx ends connections that are idle for 2 s."""
    timeouts = ["--frontend-read-timeout=2s", "--backend-read-timeout=2s", "--frontend-keep-alive-timeout=2s"]
    _, idle = t.app("--keep-alive", "3600", proxy=timeouts)
    _, kept = t.app("--keep-alive", "1", proxy=timeouts)
    async with connect(f"ws://{idle}/ws", ping_interval=None) as lost, connect(f"ws://{kept}/ws", ping_interval=None) as ws:
        await asyncio.sleep(5)
        await ws.send("still here")
        same(await ws.recv(), "still here")
        same(await close_code(lost), 1006)


async def a_client_that_does_not_answer_pings(t):
    _, address = t.app("--keep-alive", "1,1")
    with open_socket(address) as sock:
        _, _, data = await asyncio.to_thread(exchange, sock, upgrade_request("/ws", address))
        with contextlib.suppress(ConnectionResetError):
            while more := await asyncio.to_thread(sock.recv, 65536):
                data += more
    same(data[:1], b"\x89", "first frame")


async def clients_that_vanish(t):
    app, address = t.app()
    async with connect(f"ws://{address}/ws") as ws:
        for sent in [b"", frame(1, b"part", fin=False), frame(2, bytes(200_000))[:100_000], frame(8, b"\x03\xe8")]:
            for abort in [True, False]:
                with open_socket(address) as sock:
                    await asyncio.to_thread(exchange, sock, upgrade_request("/ws", address))
                    sock.sendall(sent)
                    if abort:
                        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        await ws.send("hello")
        same(await ws.recv(), "hello")
        same(sessions(app), 1, "sessions")


# HTTP/2 -> nghttpx -> HTTP/1.1: our client.


async def our_client_reaches_servers_of_http1(t):
    for command in [t.python_peer, t.node_peer]:
        async with t.peer(command) as backend:
            address = t.programs.nghttpx(backend, "http/1.1", tls=True)
            for adapter in ["http2", "http2_at_once"]:
                for set in ["plain", "deflate"]:
                    await t.passes(*our_client(t, address, adapter, set))


def our_client(t, address, adapter, set):
    return t.programs.bin / "interop_client", f"wss://{address}", adapter, set, CERTIFICATES / "ca.pem"


async def the_command_line_client(t):
    server = await Server().start(t.stack)
    address = t.programs.nghttpx(server.address, "http/1.1", tls=True)
    url, options = f"wss://{address}", [*CA, "--http2"]
    # stdin ends after the echoes: Python `websockets` sends no message after it has received a Close frame.
    text = "Grüße, 世界 🌍\n\n" + "x" * 1_000_000 + "\n"
    expected = f"127.0.0.1\n{text}".encode()
    async with t.client.started(url, *options) as process:
        process.stdin.write(text.encode())
        check(await process.stdout.readexactly(len(expected)) == expected, "another output")
        out, err = await process.communicate(b"")
        same((process.returncode, out, err.decode()), (0, b"", OVER_HTTP2))
    same(await server.closed.get(), 1000, "close code")
    await t.client.fails([f"client: {address}: ", "the server answered 403", '"first line\\n'], f"{url}/forbidden", *options)
    for path, part in [("/close/1011", 'the server closed with 1011 "a reason\\nof two lines"'), ("/vanish", "connection failed: ")]:
        status, out, err = await t.client.run(f"{url}{path}", *options)
        same((status, out), (1, "127.0.0.1\n"), path)
        one_line(err.removeprefix(OVER_HTTP2), [f"client: {address}: ", part])
    # No server.
    dead = t.programs.nghttpx("127.0.0.1:9", "http/1.1", tls=True)
    await t.client.fails([f"client: {dead}: ", "the server answered 50"], f"wss://{dead}", *options)


async def servers_that_open_no_session(t):
    """Servers that select HTTP/2 by ALPN."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(CERTIFICATES / "localhost.pem", CERTIFICATES / "key.pem")
    context.set_alpn_protocols(["h2"])
    settings = h2_peer.h2_frame(h2_peer.SETTINGS, 0, 0)
    go_away = h2_peer.h2_frame(h2_peer.GOAWAY, 0, 0, struct.pack(">II", 0, 11))
    for sent, then_ends, least in [
        (b"", False, 1),
        (settings[:5], False, 1),
        # Without the setting for WebSockets, our client offers HTTP/1.1 on a second connection, which this server refuses.
        (settings, False, 0),
        (settings + go_away, True, 0),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", True, 0),
        (b"", True, 0),
    ]:

        async def handle(_, writer, sent=sent, then_ends=then_ends):
            with contextlib.suppress(ConnectionError, asyncio.CancelledError):
                writer.write(sent)
                await writer.drain()
                await asyncio.sleep(0 if then_ends else 5)
            writer.close()

        server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=context)
        address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        start = time.monotonic()
        await t.client.fails([f"client: {address}: "], f"wss://{address}", *CA, "--http2", "--timeout", "1")
        seconds = time.monotonic() - start
        check(least - 0.1 <= seconds < 5, f"after {sent!r}: {seconds:.1f} s")
        server.close()


# HTTP/2: our client, and hypercorn.


async def our_client_reaches_hypercorn(t):
    address = t.programs.hypercorn()
    await asyncio.gather(*(t.passes(*our_client(t, address, "http2_each", set)) for set in ["asgi", "asgi_deflate"]))


async def hypercorn_refuses_and_closes(t):
    address = t.programs.hypercorn()
    url, options = f"wss://{address}", [*CA, "--http2"]
    await t.client.fails([f"client: {address}: ", "the server answered 401", '"who are you?"'], f"{url}/refused", *options)
    await t.client.fails([f"client: {address}: ", "the server answered 403"], f"{url}/forbidden", *options)
    async with t.client.started(f"{url}/close/1011", *options) as process:
        # Stdin stays open: its end would close the connection first.
        process.stdin.write(b"hello\n")
        err = (await process.stderr.read()).decode()
        one_line(err.removeprefix(OVER_HTTP2), [f"client: {address}: ", 'the server closed with 1011 "done"'])
        same(await process.wait(), 1, "exit status")


async def hypercorn_with_http1_only(t):
    address = t.programs.hypercorn('alpn_protocols = ["http/1.1"]')
    async with t.client.started(f"wss://{address}/echo", *CA, "--http2") as process:
        process.stdin.write(b"hello\n")
        same(await process.stdout.readexactly(6), b"hello\n")
        out, err = await process.communicate(b"")
        same((process.returncode, out, err), (0, b"", b"connected over HTTP/1.1\n"))


# HTTP/2: a hand-made client, and our server.


def hand_made(case):
    async def run(t):
        await asyncio.to_thread(case, t.shared_app)

    run.__name__ = case.__name__
    return run


async def the_app_is_still_there(t):
    """After all cases of the hand-made client."""
    status = pathlib.Path(f"/proc/{t.shared_process.pid}/status").read_text()
    resident = int(status.split("VmHWM:")[1].split()[0]) * 1024
    check(resident < MOST_RESIDENT, f"the app had {resident} bytes")
    check("panicked at" not in t.shared_log.read_text(), t.shared_log.read_text())


CASES = [
    clients_of_http1_reach_our_server,
    compression_is_negotiated,
    pages_and_refusals,
    long_messages,
    our_server_closes,
    twenty_at_once_on_one_session,
    keep_alive_keeps_idle_connections,
    a_client_that_does_not_answer_pings,
    clients_that_vanish,
    our_client_reaches_servers_of_http1,
    the_command_line_client,
    servers_that_open_no_session,
    our_client_reaches_hypercorn,
    hypercorn_refuses_and_closes,
    hypercorn_with_http1_only,
    *map(hand_made, h2_peer.CASES + h2_faults.CASES),
    the_app_is_still_there,
]


async def outcome(name, run):
    """Prints one line. Returns whether the case has passed."""
    start = time.monotonic()
    try:
        async with asyncio.timeout(CASE_SECONDS + 30):
            await run()
        print(f"{name}: {time.monotonic() - start:.1f} s", flush=True)
        return True
    except Exception as error:  # noqa: BLE001 - every kind of failure is a failed case
        lines = [f"{pathlib.Path(f.filename).stem}:{f.lineno}" for f in traceback.extract_tb(error.__traceback__) if f.filename.startswith(str(HERE))]
        print(f"FAILED {name} ({' '.join(lines[1:])}): {type(error).__name__}: {error}", flush=True)
        return False


async def run(folder, bin, modules):
    shared = Programs(folder / "shared", bin)
    try:
        app = shared.echo("--h2c")
        deadlines = shared.echo("--h2c")
        # They take up to 60 s each, most of it at the same time as the other cases.
        late = [
            asyncio.create_task(outcome(name, lambda case=case: asyncio.to_thread(case, deadlines)))
            for name, case in h2_faults.DEADLINES.items()
        ]
        outcomes = []
        for case in CASES:
            programs = Programs(folder / "programs", bin)
            t = Test(programs, modules)
            t.shared_app, t.shared_process = app, shared.of(app)
            t.shared_log = shared.folder / f"{app.rsplit(':', 1)[1]}.log"

            async def one(t=t, case=case, programs=programs):
                try:
                    async with contextlib.AsyncExitStack() as t.stack:
                        await case(t)
                    programs.finish()
                finally:
                    programs.kill()

            outcomes.append(await outcome(case.__name__, one))
        outcomes += await asyncio.gather(*late)
    finally:
        shared.kill()
    print(f"{sum(outcomes)} passed, {len(outcomes) - sum(outcomes)} failed")
    return 0 if all(outcomes) else 1


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    check(NGHTTPX, "nghttpx is not installed")
    # hypercorn imports its application from here.
    os.chdir(HERE)
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    # SIGTERM raises SystemExit, so that `finally` kills the programs.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        for name in ["shared", "programs"]:
            (folder / name).mkdir()
        return asyncio.run(run(folder, pathlib.Path(sys.argv[1]), sys.argv[2]))


if __name__ == "__main__":
    sys.exit(main())
