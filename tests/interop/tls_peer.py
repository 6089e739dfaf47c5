#!/usr/bin/env python3
"""Tests TLS of the sample app, with Python's `ssl` and raw sockets.

  tls_peer.py certificate HOST:PORT SHA256 FILE    compares the certificate of the server with its SHA-256 in hex, and saves it
  tls_peer.py handshakes HOST:PORT FILE            runs all cases, with FILE as the only trusted certificate

The WebSocket cases over TLS are those of python_peer.py and node_peer.mjs, with a wss URL.
"""
import base64
import concurrent.futures
import hashlib
import os
import re
import socket
import ssl
import struct
import sys
import time

# The timeout of a read, so that a lost reply is a failure and not a hang. It is above the server's timeout of handshakes.
SECONDS = 30
HANDSHAKE_TIMEOUT = 10
NAMES = ["localhost", "127.0.0.1", "::1"]
GET = "GET {path} HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n"
UPGRADE = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n"


def same(what, got, expected):
    if got != expected:
        raise AssertionError(f"{what}: expected {expected!r}, got {got!r}")


def tcp(address):
    host, port = address.rsplit(":", 1)
    return socket.create_connection((host, int(port)), timeout=SECONDS)


def tls(address, file, name="localhost", alpn=("http/1.1",)):
    context = ssl.create_default_context(cafile=file)
    if alpn:
        context.set_alpn_protocols(list(alpn))
    # By default a stream without close_notify ends like one with it.
    return context.wrap_socket(tcp(address), server_hostname=name, suppress_ragged_eofs=False)


def read_all(stream):
    """Reads to the end. Over TLS, an end without close_notify is an error."""
    data = bytearray()
    while part := stream.recv(65536):
        data += part
    return bytes(data)


def upgraded(address, file):
    stream = tls(address, file)
    key = base64.b64encode(os.urandom(16)).decode()
    stream.sendall(GET.format(path="/ws", fields=UPGRADE.format(key=key)).encode())
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += stream.recv(1)
    same("the status", head.split(b" ", 2)[1], b"101")
    return stream


def close_frame(code):
    # A mask of zeros leaves the payload as it is.
    return b"\x88\x82\0\0\0\0" + struct.pack("!H", code)


def refused(connect, kind, text):
    try:
        connect()
    except kind as error:
        # The versions of OpenSSL write the same text with other separators and other case.
        if text not in re.sub("[-_]", " ", str(error)).lower():
            raise AssertionError(f"expected an error with {text!r}, got: {error}") from error
    else:
        raise AssertionError("no error")


def names(address, file):
    for name in NAMES:
        tls(address, file, name).close()
    refused(lambda: tls(address, file, "example.com"), ssl.SSLCertVerificationError, "example.com")


def not_trusted(address, _file):
    refused(lambda: tls(address, None), ssl.SSLCertVerificationError, "self signed")


def alpn(address, file):
    for offer, selected in [
        (("http/1.1",), "http/1.1"),
        (("h2", "http/1.1"), "h2"),
        (("http/1.1", "h2"), "h2"),
        (("h2",), "h2"),
        ((), None),
    ]:
        with tls(address, file, alpn=offer) as stream:
            same(f"the protocol of {offer}", stream.selected_alpn_protocol(), selected)
    refused(lambda: tls(address, file, alpn=("h3",)), ssl.SSLError, "no application protocol")


def page(address, file):
    """The page ends with close_notify."""
    with tls(address, file) as stream:
        stream.sendall(GET.format(path="/", fields="").encode())
        same("the status", read_all(stream).split(b" ", 2)[1], b"200")


def close_notify(address, file):
    """A closing handshake ends with close_notify."""
    with upgraded(address, file) as stream:
        stream.sendall(close_frame(1000))
        same("the end", read_all(stream), b"\x88\x02\x03\xe8")


def no_close_notify(address, file):
    """A client that ends TCP after the closing handshake without close_notify. The server must print no error."""
    with upgraded(address, file) as stream:
        stream.sendall(close_frame(1000))
        same("the Close frame", stream.recv(4), b"\x88\x02\x03\xe8")
        stream.shutdown(socket.SHUT_WR)


def plain_http(address, _file):
    """The server answers a request without TLS with an alert, and ends the connection."""
    with tcp(address) as stream:
        stream.sendall(GET.format(path="/", fields="").encode())
        try:
            answer = read_all(stream)
        except ConnectionResetError:
            return
        # The record type of alerts.
        same("the type of the record", answer[:1], b"\x15")


def dropped(sent):
    def case(address, _file):
        with tcp(address) as stream:
            stream.sendall(sent)
            start = time.monotonic()
            same("the input", read_all(stream), b"")
            seconds = time.monotonic() - start
        if seconds < HANDSHAKE_TIMEOUT - 1:
            raise AssertionError(f"dropped after {seconds:.1f} s, before the timeout of {HANDSHAKE_TIMEOUT} s")

    return case


def client_hello():
    output = ssl.MemoryBIO()
    client = ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), output, server_hostname="localhost")
    try:
        client.do_handshake()
    except ssl.SSLWantReadError:
        return output.read()
    raise AssertionError("a handshake without a server")


def handshakes(address, file):
    hello = client_hello()
    cases = {
        # First, so that the others run meanwhile.
        "a client that sends nothing is dropped": dropped(b""),
        "half a ClientHello": dropped(hello[: len(hello) // 2]),
        "names": names,
        "not trusted": not_trusted,
        "ALPN": alpn,
        "page": page,
        "close_notify": close_notify,
        "no close_notify": no_close_notify,
        "plain HTTP": plain_http,
    }
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(len(cases)) as threads:
        for name, run in [(name, threads.submit(case, address, file)) for name, case in cases.items()]:
            if error := run.exception():
                failed += 1
                print(f"FAILED {name}: {type(error).__name__}: {error}", flush=True)
    print(f"{len(cases) - failed} passed, {failed} failed")
    return 1 if failed else 0


def certificate(address, fingerprint, file):
    host, port = address.rsplit(":", 1)
    text = ssl.get_server_certificate((host, int(port)), timeout=SECONDS)
    digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(text)).hexdigest()
    # AB:CD:..., as browsers show it.
    same("the SHA-256", fingerprint, ":".join(digest[i : i + 2] for i in range(0, len(digest), 2)).upper())
    with open(file, "w", encoding="ascii") as out:
        out.write(text)
    print("the printed SHA-256 is that of the certificate")
    return 0


if __name__ == "__main__":
    runs = {"certificate": certificate, "handshakes": handshakes}
    if len(sys.argv) < 2 or sys.argv[1] not in runs:
        sys.exit(__doc__)
    sys.exit(runs[sys.argv[1]](*sys.argv[2:]))
