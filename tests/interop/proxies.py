#!/usr/bin/env python3
"""Tests the example `client`, directly and through tinyproxy (HTTP CONNECT) and microsocks (SOCKS5).

  proxies.py CLIENT

CLIENT is the program. The server is Python `websockets`. Both proxies connect to it from loopback addresses of their own, and the
server sends the address of each connection as the first message: this shows the way that a connection took.
"""
import asyncio
import contextlib
import os
import pathlib
import re
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import traceback

from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request
from websockets.server import ServerProtocol

# The timeout of a case, so that a lost reply is a failure and not a hang.
CASE_SECONDS = 30
# The time without progress after which a blocked writer counts as stopped.
QUIET_SECONDS = 1.0
START_SECONDS = 10

DIRECT, HTTP, SOCKS = "127.0.0.1", "127.0.0.2", "127.0.0.3"
# RFC 6761 6.4: no such name exists.
NO_NAME = "no-such-name.invalid"
TCP, TUNNEL, TLS, HANDSHAKE = (
    f"{step} failed: " for step in ["TCP connection", "tunnel through the proxy", "TLS handshake", "opening handshake"]
)
CERTIFICATES = pathlib.Path(__file__).resolve().parent.parent / "tls" / "certificates"
CA = ["--ca", str(CERTIFICATES / "ca.pem")]
NOT_HTTP = "the proxy doesn't speak HTTP/1"


def check(condition, text):
    if not condition:
        raise AssertionError(text)


def same(got, expected, what="output"):
    check(got == expected, f"{what}: expected {expected!r:.300}, got {got!r:.300}")


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


# The program under test.


class Client:
    """Runs the program. Its environment names a proxy only if the case sets one."""

    def __init__(self, path):
        self.path = path
        names = re.compile("(http|https|all|no)_proxy|REQUEST_METHOD", re.IGNORECASE)
        self.environment = {name: value for name, value in os.environ.items() if not names.fullmatch(name)}

    @contextlib.asynccontextmanager
    async def started(self, *arguments, **environment):
        process = await asyncio.create_subprocess_exec(
            self.path,
            *arguments,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**self.environment, **environment},
        )
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()

    async def run(self, *arguments, stdin=b"", **environment):
        """Returns the exit status, and the text on stdout and on stderr."""
        async with self.started(*arguments, **environment) as process:
            out, err = await process.communicate(stdin)
            return process.returncode, out.decode(), err.decode()

    async def prints(self, expected, *arguments, stdin=b"", **environment):
        same(await self.run(*arguments, stdin=stdin, **environment), (0, expected, ""))

    async def echoes(self, expected, stdin, *arguments):
        """Stdin ends after all output: Python `websockets` sends no message after it has received a Close frame."""
        async with self.started(*arguments) as process:
            process.stdin.write(stdin)
            try:
                got = await process.stdout.readexactly(len(expected.encode()))
            except asyncio.IncompleteReadError as error:
                got = error.partial + await process.stderr.read()
            same(got.decode(), expected)
            out, err = await process.communicate(b"")
            same((process.returncode, out, err), (0, b"", b""))

    async def fails(self, parts, *arguments, stdin=b"", stdout="", **environment):
        """The program prints one line with these parts in this order, and exits with status 1."""
        status, out, err = await self.run(*arguments, stdin=stdin, **environment)
        same(status, 1, f"exit status, with {err!r}")
        same(out, stdout)
        one_line(err, parts)
        return err


def one_line(text, parts):
    check(text.startswith("client: ") and text.endswith("\n") and text.count("\n") == 1, f"not one line: {text!r}")
    at = 0
    for part in parts:
        at = text.find(part, at)
        check(at >= 0, f"no {part!r} in {text!r}")
        at += len(part)


# Servers.


class Server:
    """A WebSocket server. The path selects its behaviour."""

    def __init__(self):
        self.received = []
        self.closed = asyncio.Queue()

    async def start(self, stack, certificate=None):
        """Starts the server, over TLS if there is a certificate."""
        context = None
        if certificate:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(CERTIFICATES / f"{certificate}.pem", CERTIFICATES / "key.pem")
        server = await stack.enter_async_context(
            serve(self.handle, "127.0.0.1", 0, process_request=self.refuse, max_size=1 << 21, ping_interval=None, ssl=context)
        )
        self.port = server.sockets[0].getsockname()[1]
        self.address = f"127.0.0.1:{self.port}"
        self.url = f"{'wss' if certificate else 'ws'}://{self.address}"
        return self

    @staticmethod
    def refuse(connection, request):
        if request.path == "/forbidden":
            return connection.respond(403, "first line\nsecond \x1b[31mline\n")
        if request.path == "/long":
            return connection.respond(401, "x" * 100_000)
        return None

    async def handle(self, ws):
        path = ws.request.path
        with contextlib.suppress(ConnectionClosed):
            await ws.send(ws.remote_address[0])
            if path == "/binary":
                await ws.send(bytes(70_000))
            elif path.startswith("/close/"):
                await ws.close(int(path.removeprefix("/close/")), "a reason\nof two lines")
            elif path == "/vanish":
                ws.transport.abort()
            async for message in ws:
                self.received.append(message)
                await ws.send(message)
        await self.closed.put(ws.close_code)


async def raw(stack, handle):
    """Starts a server whose connections `handle(reader, writer)` serves. Returns its address."""
    tasks = set()

    async def serve_one(reader, writer):
        tasks.add(asyncio.current_task())
        # The client can end first. A task that ends by its cancellation would make asyncio print a traceback.
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await handle(reader, writer)
        writer.close()

    async def stop():
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    server = await asyncio.start_server(serve_one, "127.0.0.1", 0)
    stack.push_async_callback(stop)
    return "127.0.0.1:%d" % server.sockets[0].getsockname()[1]


def says(data):
    """A server that sends this at once, then reads to the end of the connection."""

    async def handle(reader, writer):
        writer.write(data)
        while await reader.read(65536):
            pass

    return handle


def answers(data, then_ends=True):
    """A server that sends this after the head of the request."""

    async def handle(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(data)
        await writer.drain()
        if not then_ends:
            await reader.read()

    return handle


async def hangs_up(reader, writer):
    await reader.read(1)


async def endless_head(reader, writer):
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        writer.write(b"X-Field: " + b"x" * 1000 + b"\r\n")
        await writer.drain()


async def accept(reader, writer):
    """Accepts a WebSocket, for a server that then uses the bytes itself."""
    protocol = ServerProtocol()
    protocol.receive_data(await reader.readuntil(b"\r\n\r\n"))
    [request] = protocol.events_received()
    check(isinstance(request, Request), f"received {request}")
    protocol.send_response(protocol.accept(request))
    writer.write(b"".join(protocol.data_to_send()))


# Proxies.


class Proxies:
    """Starts proxies, and kills them at the end."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.processes = []

    def tinyproxy(self, *lines):
        def command(port):
            config = self.folder / f"{port}.conf"
            common = [f"Port {port}", "Listen 127.0.0.1", f"Bind {HTTP}", "Timeout 60", "LogLevel Info"]
            common += ['DefaultErrorFile "/usr/share/tinyproxy/default.html"']
            config.write_text("\n".join([*common, *lines, ""]))
            return ["tinyproxy", "-d", "-c", config]

        return self.start(command)

    def microsocks(self, *options):
        return self.start(lambda port: ["microsocks", "-i", "127.0.0.1", "-p", str(port), "-b", SOCKS, *options])

    def start(self, command):
        """Starts a proxy on a free port. Another program can take the port first: then with another one."""
        for _ in range(5):
            port = free_port()
            log = self.folder / f"{port}.log"
            with log.open("wb") as file:
                process = subprocess.Popen(command(port), stdin=subprocess.DEVNULL, stdout=file, stderr=file)
            self.processes.append(process)
            deadline = time.monotonic() + START_SECONDS
            while process.poll() is None and time.monotonic() < deadline:
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                    # The connection may be to another program, whose port this proxy could not take.
                    time.sleep(0.05)
                    if process.poll() is None:
                        return f"127.0.0.1:{port}"
                time.sleep(0.02)
        raise AssertionError(f"a proxy does not start: {log.read_text()}")

    def kill(self):
        for process in self.processes:
            process.kill()
            process.wait()


# The client without a proxy.


async def lines_are_messages(t):
    text = "x" * 1_000_000
    stdin = f"one\n\ntwo\r\nGrüße, 世界 🌍\n{text}\nlast\n".encode()
    expected = f"{DIRECT}\none\n\ntwo\nGrüße, 世界 🌍\n{text}\nlast\n"
    await t.client.echoes(expected, stdin, t.server.url)
    same(await t.server.closed.get(), 1000, "close code")
    await t.client.prints(f"{DIRECT}\n", t.server.url)
    same(await t.server.closed.get(), 1000, "close code")


async def messages_after_the_own_close_frame_are_printed(t):
    async def handle(reader, writer):
        await accept(reader, writer)
        # A text message of 2 bytes and the Close frame with 1000, each with header, length and mask.
        await reader.readexactly(6 + 2)
        same((await reader.readexactly(6 + 2))[:2], b"\x88\x82", "Close frame")
        writer.write(b"\x81\x04late\x88\x02\x03\xe8")
        await writer.drain()

    await t.client.prints("late\n", f"ws://{await raw(t.stack, handle)}", stdin=b"hi\n")


async def a_binary_message_is_described(t):
    await t.client.prints(f"{DIRECT}\n[binary message, 70000 bytes]\n", f"{t.server.url}/binary")


async def the_server_can_close(t):
    # Stdin is still open: its end is not needed.
    async with t.client.started(f"{t.server.url}/close/1000") as process:
        same(await process.stdout.read(), f"{DIRECT}\n".encode())
        same(await process.wait(), 0, "exit status")
        same(await process.stderr.read(), b"", "stderr")
    parts = [t.server.address, 'the server closed with 1011 "a reason\\nof two lines"']
    await t.client.fails(parts, f"{t.server.url}/close/1011", stdout=f"{DIRECT}\n")


async def a_lost_connection_is_a_failure(t):
    async def vanishes(reader, writer):
        await accept(reader, writer)

    async def breaks(reader, writer):
        await accept(reader, writer)
        writer.write(b"\x83\x00")
        await reader.read()

    for handle in [vanishes, breaks]:
        address = await raw(t.stack, handle)
        await t.client.fails([f"client: {address}: connection failed: "], f"ws://{address}")
    await t.client.fails([f"{t.server.address}: connection failed: "], f"{t.server.url}/vanish", stdout=f"{DIRECT}\n")


async def a_refusal_shows_status_and_body(t):
    parts = [t.server.address, HANDSHAKE, "403", '"first line\\nsecond \\u{1b}[31mline\\n"\n']
    await t.client.fails(parts, f"{t.server.url}/forbidden")
    line = await t.client.fails([t.server.address, HANDSHAKE, "401", 'x"...\n'], f"{t.server.url}/long")
    check(len(line) < 1000, f"{len(line)} bytes")


async def no_server(t):
    port = free_port()
    await t.client.fails([f"client: 127.0.0.1:{port}: {TCP}"], f"ws://127.0.0.1:{port}")
    await t.client.fails([f"client: {NO_NAME}:81: name resolution failed: "], f"ws://{NO_NAME}:81", "--timeout", "5")
    await t.client.fails([f"client: {NO_NAME}:443: "], f"wss://{NO_NAME}", "--timeout", "5")


async def another_server(t):
    for data, part in [
        (b"SSH-2.0-OpenSSH_9.2\r\n", "the server doesn't speak HTTP/1.1"),
        (b"\x15\x03\x01\x00\x02\x02\x46", "the server doesn't speak HTTP/1.1 (if it speaks TLS, use wss://)"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\npage", 'the server answered 200 OK: "page"\n'),
    ]:
        address = await raw(t.stack, says(data))
        await t.client.fails([address, HANDSHAKE, part], f"ws://{address}")


async def a_timeout_is_for_the_handshake(t):
    address = await raw(t.stack, says(b""))
    start = time.monotonic()
    await t.client.fails([f"client: {address}: {HANDSHAKE}", "in time"], f"ws://{address}", "--timeout", "0.5")
    took(0.5, time.monotonic() - start)


def took(timeout, seconds):
    # Without the option it is 10 s.
    check(timeout <= seconds < 9, f"it took {seconds} s")


async def tls_has_its_own_step(t):
    servers = {}
    for certificate in ["localhost", "other", "expired", "self_signed"]:
        servers[certificate] = await Server().start(t.stack, certificate)
    good = servers["localhost"]
    await t.client.echoes(f"{DIRECT}\nhello\n", b"hello\n", good.url, *CA)
    same(await good.closed.get(), 1000, "close code")
    await t.client.prints(f"{DIRECT}\n", f"wss://localhost:{good.port}", *CA)
    await t.client.prints(f"{DIRECT}\n", f"https://{good.address}", *CA)
    parts = [f"client: {good.address}: {HANDSHAKE}the server answered 403", '"first line\\n']
    await t.client.fails(parts, f"{good.url}/forbidden", *CA)
    # By default the roots of the system count; on Unix this variable replaces them.
    system = {"SSL_CERT_FILE": str(CERTIFICATES / "ca.pem")}
    await t.client.prints(f"{DIRECT}\n", good.url, **system)
    parts = [f"client: {good.address}: {TLS}", "UnknownIssuer"]
    await t.client.fails(parts, good.url, "--ca", str(CERTIFICATES / "self_signed.pem"), **system)
    for certificate, ca, part in [
        ("localhost", [], "UnknownIssuer"),
        ("other", CA, "not valid for name"),
        ("expired", CA, "certificate expired"),
        ("self_signed", CA, "invalid peer certificate: "),
    ]:
        server = servers[certificate]
        await t.client.fails([f"client: {server.address}: {TLS}", part], server.url, *ca)
    # TLS to a server without it, and the reverse: this server ends the connection without an alert.
    await t.client.fails([f"client: {t.server.address}: {TLS}"], f"wss://{t.server.address}", *CA)
    await t.client.fails([f"client: {good.address}: {HANDSHAKE}"], f"ws://{good.address}")
    address = await raw(t.stack, says(b""))
    parts = [f"client: {address}: {TLS}not finished in time"]
    await t.client.fails(parts, f"wss://{address}", *CA, "--timeout", "0.5")


async def stdin_must_be_lines_of_text(t):
    """The lines before the fault are sent, and the connection is closed in order."""
    for rest, part in [
        (b"b\xe4d\nmore\n", "stdin, line 2: invalid utf-8 sequence"),
        (b"x" * (2 << 20), "stdin, line 2: longer than 1048576 bytes"),
    ]:
        # The echo of the first line may come too late: Python `websockets` sends none after the Close frame.
        status, _, err = await t.client.run(t.server.url, stdin=b"good\n" + rest)
        same(status, 1, f"exit status, with {err!r}")
        one_line(err, [part])
        same(await t.server.closed.get(), 1000, "close code")
        same(t.server.received, ["good"])
        t.server.received.clear()


async def stdout_can_end(t):
    async with t.client.started(f"{t.server.url}/echo") as process:
        same(await process.stdout.readline(), f"{DIRECT}\n".encode())
        process._transport.get_pipe_transport(1).close()
        process.stdin.write(b"hello\n")
        await process.stdin.drain()
        one_line((await process.stderr.read()).decode(), ["stdout: "])
        same(await process.wait(), 1, "exit status")


async def memory_is_bounded(t):
    """The server does not read: the client stops reading stdin."""

    async def handle(reader, writer):
        await accept(reader, writer)
        # The StreamReader reads up to its limit of 128 KiB.
        await asyncio.sleep(CASE_SECONDS)

    total, line = 0, b"x" * 9_999 + b"\n"
    async with t.client.started(f"ws://{await raw(t.stack, handle)}") as process:
        while total < 200_000_000:
            process.stdin.write(line * 10)
            try:
                await asyncio.wait_for(process.stdin.drain(), QUIET_SECONDS)
            except TimeoutError:
                break
            total += 10 * len(line)
        # The buffers of the sockets hold the rest: up to 4 MiB and 6 MiB by default on Linux.
        check(total < 30_000_000, f"the client read {total} bytes")
        status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
        resident = int(status.split("VmHWM:")[1].split()[0]) * 1024
        check(resident < 20_000_000, f"the client has {resident} bytes")


async def arguments_are_checked(t):
    for arguments in [
        [],
        ["nonsense"],
        ["ftp://127.0.0.1"],
        [t.server.url, t.server.url],
        [t.server.url, "--unknown"],
        [t.server.url, "--timeout"],
        [t.server.url, *CA],
        [f"wss://{t.server.address}", "--ca"],
        [f"wss://{t.server.address}", "--ca", str(CERTIFICATES / "none.pem")],
        [f"wss://{t.server.address}", "--ca", str(CERTIFICATES / "key.pem")],
        *([t.server.url, "--timeout", value] for value in ["0", "-1", "NaN", "soon"]),
        *([t.server.url, "--proxy", value] for value in ["https://127.0.0.1", "ftp://127.0.0.1", "127.0.0.1:0", "http://user:secret@"]),
    ]:
        status, out, err = await t.client.run(*arguments)
        same((status, out), (2, ""), f"{arguments}: {err}")
        message, empty, usage = err.split("\n", 2)
        check(message.startswith("client: ") and empty == "" and usage.startswith("usage: client URL"), f"{arguments}: {err}")
        check("secret" not in err, err)
    status, out, err = await t.client.run("--help")
    same((status, out[:17], err), (0, "usage: client URL", ""))


# Through proxies.


async def tunnels(t):
    for proxy, origin in [
        (f"http://{t.http}", HTTP),
        (t.http, HTTP),
        (f"http://user:p%2Ess@{t.http_auth}", HTTP),
        (f"socks5://{t.socks}", SOCKS),
        (f"socks5h://{t.socks}", SOCKS),
        (f"socks5://user:p%2Ess@{t.socks_auth}", SOCKS),
        # A proxy that needs no password does not ask for it.
        (f"http://user:p%2Ess@{t.http}", HTTP),
        (f"socks5://user:p%2Ess@{t.socks}", SOCKS),
    ]:
        text = "again and again " * 5000
        await t.client.echoes(f"{origin}\nhello\n{text}\n", f"hello\n{text}\n".encode(), t.server.url, "--proxy", proxy)
        same(await t.server.closed.get(), 1000, "close code")


async def tls_through_tunnels(t):
    server = await Server().start(t.stack, "localhost")
    expired = await Server().start(t.stack, "expired")
    for proxy, origin in [
        (f"http://{t.http}", HTTP),
        (f"http://user:p%2Ess@{t.http_auth}", HTTP),
        (f"socks5://{t.socks}", SOCKS),
        (f"socks5://user:p%2Ess@{t.socks_auth}", SOCKS),
    ]:
        await t.client.echoes(f"{origin}\nhello\n", b"hello\n", server.url, *CA, "--proxy", proxy)
        same(await server.closed.get(), 1000, "close code")
        # The certificate is that of the server, and so is the address of the error.
        await t.client.fails([f"client: {expired.address}: {TLS}", "expired"], expired.url, *CA, "--proxy", proxy)
    # For wss:// URLs HTTP_PROXY has no meaning.
    dead = f"127.0.0.1:{free_port()}"
    await t.client.prints(f"{SOCKS}\n", server.url, *CA, "--proxy", "env", HTTPS_PROXY=f"socks5://{t.socks}", HTTP_PROXY=dead)
    await t.client.prints(f"{DIRECT}\n", server.url, *CA, "--proxy", "env", HTTP_PROXY=dead)


async def names_are_resolved_by_the_proxy(t):
    for proxy, origin in [(f"http://{t.http}", HTTP), (f"socks5://{t.socks}", SOCKS)]:
        # Only the address family of the proxy's own address is used.
        await t.client.prints(f"{origin}\n", f"ws://localhost:{t.server.port}", "--proxy", proxy)


async def the_environment_selects_a_proxy(t):
    dead = f"127.0.0.1:{free_port()}"
    url = t.server.url
    for expected, variables in [
        (DIRECT, {}),
        (HTTP, {"HTTP_PROXY": f"http://{t.http}"}),
        (HTTP, {"http_proxy": t.http}),
        (SOCKS, {"ALL_PROXY": f"socks5://{t.socks}"}),
        (SOCKS, {"HTTPS_PROXY": f"socks5h://{t.socks}", "HTTP_PROXY": dead, "ALL_PROXY": dead}),
        (HTTP, {"HTTP_PROXY": f"http://user:p%2Ess@{t.http_auth}", "ALL_PROXY": dead, "NO_PROXY": "localhost,127.0.0.2"}),
        (DIRECT, {"HTTP_PROXY": dead, "NO_PROXY": "127.0.0.1"}),
        (DIRECT, {"ALL_PROXY": dead, "no_proxy": "example.com, 127.0.0.0/8"}),
        (DIRECT, {"HTTPS_PROXY": dead, "NO_PROXY": f"127.0.0.1:{t.server.port}"}),
        (DIRECT, {"HTTP_PROXY": dead, "NO_PROXY": "*"}),
        # httpoxy: in a CGI program HTTP_PROXY may be a field of a request.
        (DIRECT, {"HTTP_PROXY": dead, "REQUEST_METHOD": "GET"}),
    ]:
        await t.client.prints(f"{expected}\n", url, "--proxy", "env", **variables)
        # Without the option the environment is not read.
        await t.client.prints(f"{DIRECT}\n", url, **variables)
    # A host that the list does not name.
    for no_proxy in ["127.0.0.2", "127.0.0.1:1", "localhost"]:
        await t.client.fails([f"client: {dead}: {TCP}"], url, "--proxy", "env", HTTP_PROXY=dead, NO_PROXY=no_proxy)
    status, _, err = await t.client.run(url, "--proxy", "env", ALL_PROXY="https://user:secret@127.0.0.1")
    same(status, 2, "exit status")
    check("the variable ALL_PROXY: " in err and "secret" not in err, err)


async def an_http_proxy_refuses(t):
    for proxy, url, parts in [
        (t.http_auth, t.server.url, ["407 Proxy Authentication Required", "<title>407 Proxy Authentication Required</title>"]),
        (f"user:wrong@{t.http_auth}", t.server.url, ["401 Unauthorized", "<title>401 Unauthorized</title>"]),
        (t.http_rules, "ws://forbidden.example:1", ["403 Filtered", "<title>403 Filtered</title>"]),
        (t.http_rules, t.server.url, ["403 Access violation", "<title>403 Access violation</title>"]),
        (t.http_closed, t.server.url, ["403 Access denied", "<title>403 Access denied</title>"]),
        (t.http, f"ws://127.0.0.1:{free_port()}", ["500 Unable to connect", "<title>500 Unable to connect</title>"]),
    ]:
        address = proxy.rsplit("@")[-1]
        # The body is in quotes, after the status. Its line ends are escaped.
        await t.client.fails([f"client: {address}: {TUNNEL}the proxy answered ", parts[0], ': "<?xml', "\\n", parts[1]], url, "--proxy", f"http://{proxy}")
    # Depends on the resolver of the machine: a refusal of the proxy, or a timeout.
    await t.client.fails([f"client: {t.http}: {TUNNEL}"], f"ws://{NO_NAME}", "--proxy", t.http, "--timeout", "5")


async def a_socks_proxy_refuses(t):
    refused = f"ws://127.0.0.1:{free_port()}"
    for proxy, url, part in [
        (t.socks_auth, t.server.url, "the proxy accepts no offered authentication method"),
        (f"user:wrong@{t.socks_auth}", t.server.url, "the proxy refused user and password with the status 0x"),
        (f"other:p%2Ess@{t.socks_auth}", t.server.url, "the proxy refused user and password with the status 0x"),
        (t.socks, refused, "the proxy refused to connect: the host refused the connection"),
        (f"user:p%2Ess@{t.socks_auth}", refused, "the proxy refused to connect: the host refused the connection"),
    ]:
        address = proxy.rsplit("@")[-1]
        await t.client.fails([f"client: {address}: {TUNNEL}{part}"], url, "--proxy", f"socks5://{proxy}")
    await t.client.fails([f"client: {t.socks}: {TUNNEL}"], f"ws://{NO_NAME}", "--proxy", f"socks5://{t.socks}", "--timeout", "5")


async def the_server_refuses_behind_a_proxy(t):
    """The error names the server, not the proxy."""
    parts = [f"client: {t.server.address}: {HANDSHAKE}the server answered 403", '"first line\\n']
    for proxy in [f"http://{t.http}", f"socks5://{t.socks}"]:
        await t.client.fails(parts, f"{t.server.url}/forbidden", "--proxy", proxy)


async def no_proxy_is_there(t):
    port = free_port()
    for proxy in ["http", "socks5"]:
        await t.client.fails([f"client: 127.0.0.1:{port}: {TCP}"], t.server.url, "--proxy", f"{proxy}://127.0.0.1:{port}")
        await t.client.fails([f"client: {NO_NAME}:8: name resolution failed: "], t.server.url, "--proxy", f"{proxy}://{NO_NAME}:8", "--timeout", "5")


async def the_proxy_speaks_something_else(t):
    page = b"HTTP/1.1 404 Not Found\r\nContent-Length: 10\r\n\r\nno\r\nthing\n"
    chunked = b"HTTP/1.1 403 No\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\nZZ\r\n"
    for scheme, handle, part in [
        ("http", says(b"SSH-2.0-OpenSSH_9.2\r\n"), NOT_HTTP),
        ("http", says(b"220 mail.example ESMTP\r\n"), NOT_HTTP),
        # An alert of TLS.
        ("http", says(b"\x15\x03\x01\x00\x02\x02\x46"), NOT_HTTP),
        ("http", answers(b"HTTP/1.1 2x0 OK\r\n\r\n"), "the proxy's response is not HTTP/1: "),
        ("http", endless_head, "the proxy's response: "),
        ("http", answers(page, then_ends=False), 'the proxy answered 404 Not Found: "no\\r\\nthing\\n"\n'),
        ("http", answers(b"HTTP/1.1 403 No\r\n\r\n" + b"x" * 100_000), 'xxx"...\n'),
        ("http", answers(chunked), 'the proxy answered 403 No: "hi"\n'),
        ("http", hangs_up, "the proxy closed the connection before the tunnel was open"),
        ("socks5", says(b"SSH-2.0-OpenSSH_9.2\r\n"), "the proxy's reply has the version 0x53, not 0x05 of SOCKS5"),
        ("socks5", says(page), "the proxy's reply has the version 0x48, not 0x05 of SOCKS5"),
        ("socks5", says(b"\x05\x01"), "the proxy chose the authentication method 0x01, which was not offered"),
        ("socks5", says(b"\x05\x00\x05\x02\x00\x01\x00\x00\x00\x00\x00\x00"), "the proxy refused to connect: not allowed by its rules"),
        ("socks5", says(b"\x05\x00\x05\x00\x00\x09"), "the proxy's reply has an address of the unknown type 0x09"),
        ("socks5", hangs_up, "the proxy closed the connection before the tunnel was open"),
    ]:
        address = await raw(t.stack, handle)
        await t.client.fails([f"client: {address}: {TUNNEL}", part], t.server.url, "--proxy", f"{scheme}://{address}")
    # A WebSocket server does not know CONNECT. To the bytes of SOCKS5 it does not answer: they are an incomplete request.
    for scheme, part in [("http", "the proxy answered 405 "), ("socks5", "the proxy opened no tunnel in time")]:
        proxy = f"{scheme}://{t.server.address}"
        await t.client.fails([f"client: {t.server.address}: {TUNNEL}{part}"], t.server.url, "--proxy", proxy, "--timeout", "1")
    # A tunnel to something else is an error of the server, not of the proxy.
    ssh = await raw(t.stack, says(b"SSH-2.0-OpenSSH_9.2\r\n"))
    for proxy in [f"http://{t.http}", f"socks5://{t.socks}"]:
        await t.client.fails([f"client: {ssh}: {HANDSHAKE}the server doesn't speak HTTP/1.1"], f"ws://{ssh}", "--proxy", proxy)


async def the_proxy_never_answers(t):
    async def fails(handle, proxy, part):
        address = await raw(t.stack, handle)
        parts = [f"client: {address}: {TUNNEL}{part}"]
        await t.client.fails(parts, t.server.url, "--proxy", f"{proxy}://{address}", "--timeout", "1")

    async def server_fails(proxy):
        address = await raw(t.stack, says(b""))
        parts = [f"client: {address}: {HANDSHAKE}", "in time"]
        await t.client.fails(parts, f"ws://{address}", "--proxy", proxy, "--timeout", "1")

    late = "the proxy opened no tunnel in time"
    partial_body = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 9\r\n\r\npart"
    start = time.monotonic()
    await asyncio.gather(
        fails(says(b""), "http", late),
        fails(says(b"HTTP/1.1 200 OK\r\nX-Field: "), "http", late),
        fails(says(b""), "socks5", late),
        fails(says(b"\x05\x00"), "socks5", late),
        fails(says(b"\x05\x00\x05\x00\x00\x03"), "socks5", late),
        # The refusal counts, with the first part of its body.
        fails(answers(partial_body, then_ends=False), "http", 'the proxy answered 403 Forbidden: "part"\n'),
        server_fails(f"http://{t.http}"),
        server_fails(f"socks5://{t.socks}"),
    )
    took(1, time.monotonic() - start)


CASES = [
    lines_are_messages,
    messages_after_the_own_close_frame_are_printed,
    a_binary_message_is_described,
    the_server_can_close,
    a_lost_connection_is_a_failure,
    a_refusal_shows_status_and_body,
    no_server,
    another_server,
    a_timeout_is_for_the_handshake,
    tls_has_its_own_step,
    stdin_must_be_lines_of_text,
    stdout_can_end,
    memory_is_bounded,
    arguments_are_checked,
    tunnels,
    tls_through_tunnels,
    names_are_resolved_by_the_proxy,
    the_environment_selects_a_proxy,
    an_http_proxy_refuses,
    a_socks_proxy_refuses,
    the_server_refuses_behind_a_proxy,
    no_proxy_is_there,
    the_proxy_speaks_something_else,
    the_proxy_never_answers,
]


class Test:
    """The program, the server and the proxies, for one case; its own servers end with it."""


async def run(proxies, path):
    folder = proxies.folder
    (folder / "filter").write_text("^forbidden\\.example$\n")
    t = Test()
    t.client = Client(path)
    t.http = proxies.tinyproxy("Allow 127.0.0.1")
    t.http_auth = proxies.tinyproxy("Allow 127.0.0.1", "BasicAuth user p.ss")
    t.http_rules = proxies.tinyproxy("Allow 127.0.0.1", "ConnectPort 1", f'Filter "{folder}/filter"')
    t.http_closed = proxies.tinyproxy("Allow 127.0.0.9")
    t.socks = proxies.microsocks()
    t.socks_auth = proxies.microsocks("-u", "user", "-P", "p.ss")
    failed = 0
    for case in CASES:
        start = time.monotonic()
        try:
            async with asyncio.timeout(CASE_SECONDS), contextlib.AsyncExitStack() as t.stack:
                t.server = Server()
                await t.server.start(t.stack)
                await case(t)
            print(f"{case.__name__}: {time.monotonic() - start:.1f} s")
        except Exception as error:  # noqa: BLE001 - every kind of failure is a failed case
            failed += 1
            line = next((frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.name == case.__name__), 0)
            print(f"FAILED {case.__name__}, line {line}: {type(error).__name__}: {error}", flush=True)
    print(f"{len(CASES) - failed} passed, {failed} failed")
    return 1 if failed else 0


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    # SIGTERM raises SystemExit, so that `finally` kills the proxies.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory() as folder:
        proxies = Proxies(folder)
        try:
            return asyncio.run(run(proxies, sys.argv[1]))
        finally:
            proxies.kill()


if __name__ == "__main__":
    sys.exit(main())
