"""A WebSocket server for hypercorn, as an application of ASGI. The paths are those of python_peer.py that ASGI can serve:

  /echo         echoes each message with its type
  /close/CODE   closes with CODE after the first message
  /refused      refuses with 401 and a body
  /forbidden    refuses with 403

hypercorn 0.18.0 ends the session (KeyError in hypercorn/protocol/h2.py, `_handle_events`) when an empty DATA frame with END_STREAM
follows the closing handshake. Our client sends one, as RFC 8441 section 5 has it, so each case needs a session of its own.
wsproto 1.3.2 takes a message for uncompressed from the first ping between its fragments on.
"""


async def app(scope, receive, send):
    if scope["type"] != "websocket":
        return
    await receive()
    path = scope["path"]
    if path == "/refused":
        await send({"type": "websocket.http.response.start", "status": 401, "headers": [(b"content-type", b"text/plain")]})
        await send({"type": "websocket.http.response.body", "body": b"who are you?"})
        return
    if path == "/forbidden":
        await send({"type": "websocket.close"})
        return
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        if path.startswith("/close/"):
            await send({"type": "websocket.close", "code": int(path.removeprefix("/close/")), "reason": "done"})
            continue
        key = "bytes" if message.get("text") is None else "text"
        await send({"type": "websocket.send", key: message[key]})
