"""Requests as raw bytes, which no client library would send."""

import asyncio
from dataclasses import dataclass
from urllib.parse import urlsplit

import orjson


@dataclass(frozen=True)
class RawAnswer:
    status: int
    lines: list[bytes]
    """The header fields as they came."""
    body: bytes

    @property
    def headers(self) -> dict[str, str]:
        fields = (line.partition(b":") for line in self.lines)
        return {name.decode().lower(): value.strip().decode("latin-1") for name, _, value in fields}

    @property
    def code(self) -> str:
        """The code of the problem in this answer."""
        assert self.headers["content-type"] == "application/problem+json"
        body = orjson.loads(self.body)
        assert (body["status"], body["request_id"]) == (self.status, self.headers["x-request-id"])
        return str(body["code"])


async def send_raw(url: str, *pieces: bytes) -> RawAnswer:
    """Send these bytes on a new connection, and read until the server closes it."""
    at = urlsplit(url)
    reader, writer = await asyncio.open_connection(at.hostname, at.port)
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    finally:
        writer.close()
    first, *lines = head.split(b"\r\n")
    return RawAnswer(int(first.split(b" ")[1]), lines, body)


async def read_answer(reader: asyncio.StreamReader) -> RawAnswer:
    """The next answer on an open connection; it must state its length."""
    head = await reader.readuntil(b"\r\n\r\n")
    first, *lines = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
    answer = RawAnswer(int(first.split(b" ")[1]), lines, b"")
    return RawAnswer(answer.status, lines, await reader.readexactly(int(answer.headers["content-length"])))
