"""The service that lines are made with: what it answers, and after how long, stands in the request.

    /api/v2/match/17?status=503&seconds=0.01

`python line_app.py PORT` serves it plainly, as a backend of a proxy.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qs


def asked(query: str) -> tuple[int, float]:
    """The status and the seconds that a query asks for."""
    said = parse_qs(query)
    return int(said.get("status", ["200"])[0]), float(said.get("seconds", ["0"])[0])


def wsgi(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    status, seconds = asked(environ.get("QUERY_STRING", ""))
    time.sleep(seconds)
    body = b"" if status in (204, 304) else b"answer\n"
    start_response(f"{status} As asked", [("Content-Length", str(len(body)))] if body else [])
    return [b"" if environ["REQUEST_METHOD"] == "HEAD" else body]


async def asgi(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        while (await receive())["type"] == "lifespan.startup":
            await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    status, seconds = asked(scope["query_string"].decode())
    await asyncio.sleep(seconds)
    body = b"" if status in (204, 304) else b"answer\n"
    headers = [(b"content-length", str(len(body)).encode())] if body else []
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One request, then the end."""
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        method, target = head.split(" ", 2)[:2]
        status, seconds = asked(target.partition("?")[2])
        await asyncio.sleep(seconds)
        body = b"" if method == "HEAD" or status in (204, 304) else b"answer\n"
        length = "" if status in (204, 304) else "Content-Length: 7\r\n"
        writer.write(f"HTTP/1.1 {status} As asked\r\n{length}Connection: close\r\n\r\n".encode() + body)
        await writer.drain()
    except (OSError, asyncio.IncompleteReadError):
        pass
    finally:
        writer.close()


async def main(port: int) -> None:
    async with await asyncio.start_server(_serve, "127.0.0.1", port) as server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
