"""The server's side of a connection, as far as whoever sends a stream over it needs to know."""

import asyncio
import socket
from typing import Final, Protocol

_MOST_UNSENT_BYTES: Final = 64 * 1024


class Connection(Protocol):
    """In `scope["state"]["connection"]`."""

    def begin_stream(self) -> None:
        """Keep little of what the client does not read: a stream can go on later from anywhere."""

    def give_up(self, seconds: float) -> None:
        """Send the rest without waiting for the client, and cut the connection off after so many seconds."""


def bound_unsent_bytes(transport: asyncio.Transport) -> None:
    """Have the system take no more than 64 KiB that it cannot send: by default it takes megabytes."""
    sock = transport.get_extra_info("socket")
    if sock is not None and sock.family in (socket.AF_INET, socket.AF_INET6):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _MOST_UNSENT_BYTES)
