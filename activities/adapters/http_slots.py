"""Sources of slots over HTTP, in the format of docs/external-calendars.md."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Final

import httpx
from pydantic import ValidationError

from activities.ports.slots import SourceQuestion
from domain.external import SourceAnswer, SourceFailedError
from runtime import outbound

TIMEOUT_SECONDS: Final = 8.0
"""For all of it. Less than the pause between two rounds, so that a source that hangs holds up no round."""
MAX_BYTES: Final = 10_000_000

_UNAUTHORIZED: Final = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)


class HttpSlots:
    def __init__(
        self, *, allow_loopback: bool, timeout_seconds: float = TIMEOUT_SECONDS, max_bytes: int = MAX_BYTES
    ) -> None:
        self._allow_loopback = allow_loopback
        self._timeout_seconds = timeout_seconds
        self._max_bytes = max_bytes

    async def ask(self, question: SourceQuestion) -> SourceAnswer:
        """Ask by GET with the window as `from` and `to`.

        Raises:
            SourceFailedError: with `timeout`, `unreachable`, `tls_failed`, `address_refused`, `cut_off`,
                `unauthorized`, `http_` and the status, `too_large` or `unreadable`.
        """
        with _failures():
            async with asyncio.timeout(self._timeout_seconds):
                body = await self._get(question)
        # In a thread: a large answer takes a while to read, and the loop has bookings to see to.
        return await asyncio.to_thread(_read, body)

    async def _get(self, question: SourceQuestion) -> bytes:
        http = outbound.client(allow_loopback=self._allow_loopback, timeout_seconds=self._timeout_seconds)
        async with http, http.stream("GET", _url(question), headers=_headers(question)) as response:
            if response.status_code in _UNAUTHORIZED:
                raise SourceFailedError("unauthorized")
            if response.status_code != HTTPStatus.OK:
                raise SourceFailedError(f"http_{response.status_code}")
            return await outbound.read_limited(response, self._max_bytes)


def _url(question: SourceQuestion) -> httpx.URL:
    window = {"from": _text(question.starts_at), "to": _text(question.ends_at)}
    return httpx.URL(question.url).copy_merge_params(window)


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _headers(question: SourceQuestion) -> dict[str, str]:
    # Not compressed, so that the limit on the answer's size is one on memory, too.
    headers = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "Holdfast"}
    return headers | ({"Authorization": f"Bearer {question.token}"} if question.token else {})


def _read(body: bytes) -> SourceAnswer:
    try:
        return SourceAnswer.model_validate_json(body)
    except ValidationError:
        # Without its cause, which quotes the answer.
        raise SourceFailedError("unreadable") from None


@contextmanager
def _failures() -> Iterator[None]:
    """Everything that can go wrong on the way, as codes; never a URL or what was answered."""
    try:
        yield
    except (TimeoutError, httpx.TimeoutException):
        code = "timeout"
    except outbound.OutboundRefusedError:
        code = "address_refused"
    except outbound.TooLargeError:
        code = "too_large"
    except httpx.ConnectError as error:
        code = "tls_failed" if outbound.is_about_tls(error) else "unreachable"
    except httpx.TransportError:
        code = "cut_off"
    except (httpx.HTTPError, httpx.InvalidURL):
        code = "unreadable"
    else:
        return
    raise SourceFailedError(code) from None
