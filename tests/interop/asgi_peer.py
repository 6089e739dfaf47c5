"""A WebSocket server for hypercorn, as an application of ASGI. The paths are those of python_peer.py that ASGI can serve:

  /echo         echoes each message with its type
  /close/CODE   closes with CODE after the first message
  /refused      refuses with 401 and a body
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
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        if path.startswith("/close/"):
            await send({"type": "websocket.close", "code": int(path.removeprefix("/close/")), "reason": "done"})
            return
        key = "bytes" if message.get("text") is None else "text"
        await send({"type": "websocket.send", key: message[key]})
