"""How large a request may be: its line, its header fields and its body."""

from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import Message, Receive, Scope

from api.middleware.deadlines import allow_time

MOST_BODY_BYTES: Final = 256 * 1024
MOST_TARGET_BYTES: Final = 8 * 1024
"""Of the request target: RFC 9112, section 3, recommends to take 8000 at least."""
MOST_HEADER_BYTES: Final = 32 * 1024
_SECONDS_FOR_MORE: Final = 120.0


def allow_body(request: Request, most_bytes: int) -> None:
    """Let this request be larger than others, and take longer.

    For a route to call before it reads, once it knows who is asking.
    """
    request.state.most_bytes = most_bytes
    allow_time(request, _SECONDS_FOR_MORE)


def bounded(scope: Scope, receive: Receive) -> Receive:
    """The same, up to the size that a request may have, however it is sent."""
    received = 0

    async def receiving() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        most: int = scope["state"].get("most_bytes", MOST_BODY_BYTES)
        if received > most:
            raise HTTPException(413, f"A request may have {most} bytes at most.")
        return message

    return receiving


def oversize(scope: Scope) -> HTTPException | None:
    """What is to be said of a request whose line or header fields are too long."""
    if len(scope.get("raw_path") or b"") + len(scope["query_string"]) > MOST_TARGET_BYTES:
        return HTTPException(414, f"A request target may have {MOST_TARGET_BYTES} bytes at most.")
    if sum(len(name) + len(value) for name, value in scope["headers"]) > MOST_HEADER_BYTES:
        return HTTPException(431, f"Header fields may have {MOST_HEADER_BYTES} bytes at most, all together.")
    return None
