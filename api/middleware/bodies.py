"""Bounds on a request's target, header fields and body, and on the body's encoding."""

import re
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import Message, Receive, Scope

from api.middleware.deadlines import allow_time
from runtime.json import NotJsonError, UnfitJsonError, parse_untrusted

MOST_BODY_BYTES: Final = 256 * 1024
MOST_TARGET_BYTES: Final = 8 * 1024
"""Bytes of the request target; RFC 9112, section 3, recommends 8000 or more."""
MOST_HEADER_BYTES: Final = 32 * 1024
_SECONDS_FOR_MORE: Final = 120.0
_JSON: Final = re.compile(rb"application/([a-z0-9.-]+\+)?json", re.IGNORECASE)
_HOST: Final = re.compile(rb"[A-Za-z0-9._~!$&'()*+,;=:%\[\]-]*")
"""RFC 3986, section 3.2.2, with the port."""


def allow_body(request: Request, most_bytes: int) -> None:
    """Allow this request a larger body, and more time.

    A route calls it before it reads the body, once the caller is known. It then parses the body itself with
    `parse_untrusted`, off the event loop if that takes long.
    """
    request.state.most_bytes = most_bytes
    allow_time(request, _SECONDS_FOR_MORE)


def bounded(scope: Scope, receive: Receive) -> Receive:
    """The request's body, bounded in size however it is sent; JSON with duplicate members is refused."""
    received = 0
    pieces: list[bytes] | None = [] if _is_json(scope) else None

    async def receiving() -> Message:
        nonlocal received, pieces
        message = await receive()
        piece = message.get("body", b"")
        received += len(piece)
        most: int = scope["state"].get("most_bytes", MOST_BODY_BYTES)
        if received > most:
            raise HTTPException(413, f"A request may have {most} bytes at most.")
        if most > MOST_BODY_BYTES:
            pieces = None
        if pieces is not None:
            pieces.append(piece)
            if message["type"] == "http.request" and not message.get("more_body", False):
                _require_plain(b"".join(pieces))
        return message

    return receiving


def refusal_of(scope: Scope) -> HTTPException | None:
    """The refusal of a request by its target and header fields alone; none: it may go on."""
    return _oversize(scope) or _without_host(scope) or _encoded(scope)


def _oversize(scope: Scope) -> HTTPException | None:
    if len(scope.get("raw_path") or b"") + len(scope["query_string"]) > MOST_TARGET_BYTES:
        return HTTPException(414, f"A request target may have {MOST_TARGET_BYTES} bytes at most.")
    if sum(len(name) + len(value) for name, value in scope["headers"]) > MOST_HEADER_BYTES:
        return HTTPException(431, f"Header fields may have {MOST_HEADER_BYTES} bytes at most, all together.")
    return None


def _without_host(scope: Scope) -> HTTPException | None:
    """Exactly one valid `Host` (RFC 9112, section 3.2)."""
    hosts = _values(scope, b"host")
    if (not hosts and scope.get("http_version") == "1.1") or len(hosts) > 1:
        return HTTPException(400, "A request of HTTP/1.1 has one `Host` field.")
    if hosts and not _HOST.fullmatch(hosts[0]):
        return HTTPException(400, "`Host` names no host.")
    return None


def _encoded(scope: Scope) -> HTTPException | None:
    """Encoded bodies are refused: a few bytes could expand to gigabytes (RFC 9110, section 15.5.16)."""
    codings = [coding for coding in _values(scope, b"content-encoding") if coding.strip().lower() != b"identity"]
    if codings and (_values(scope, b"transfer-encoding") or _values(scope, b"content-length") not in ([], [b"0"])):
        detail = "Send the body as it is, without `Content-Encoding`."
        return HTTPException(415, detail, {"Accept-Encoding": "identity"})
    return None


def _is_json(scope: Scope) -> bool:
    return any(_JSON.match(value.strip()) for value in _values(scope, b"content-type"))


def _values(scope: Scope, wanted: bytes) -> list[bytes]:
    return [value for name, value in scope["headers"] if name == wanted]


def _require_plain(body: bytes) -> None:
    try:
        parse_untrusted(body)
    except NotJsonError:
        return  # the route reports the error with its place
    except UnfitJsonError as error:
        raise HTTPException(422, f"The body is no JSON that is taken: {error}.") from None
