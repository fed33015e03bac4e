"""External calendars over HTTP, in the format of docs/external-calendars.md."""

import asyncio
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Final

import httpx
from pydantic import ValidationError

from activities.adapters.vendor_http import OUTBOUND_ERRORS, outbound_failure
from activities.ports import CalendarQuery
from domain.external import SourceAnswer, SourceFailedError
from runtime import outbound

TIMEOUT_SECONDS: Final = 8.0
"""For the whole request. Shorter than the pause between two rounds, so that a hanging source delays no round."""
MAX_BYTES: Final = 10_000_000

_UNAUTHORIZED: Final = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)


class HttpCalendarSource:
    def __init__(
        self, *, allow_loopback: bool, timeout_seconds: float = TIMEOUT_SECONDS, max_bytes: int = MAX_BYTES
    ) -> None:
        self._allow_loopback = allow_loopback
        self._timeout_seconds = timeout_seconds
        self._max_bytes = max_bytes

    async def fetch(self, query: CalendarQuery) -> SourceAnswer:
        """GET the window, as `from` and `to`.

        Raises:
            SourceFailedError: `timeout`, `unreachable`, `tls_failed`, `address_refused`, `cut_off`,
                `unauthorized`, `http_<status>`, `too_large` or `unreadable`.
        """
        try:
            async with asyncio.timeout(self._timeout_seconds):
                body = await self._get(query)
        except OUTBOUND_ERRORS as error:
            code = outbound_failure(error, interrupted="cut_off", invalid="unreadable")
            raise SourceFailedError(code) from None
        # In a thread: parsing a large answer takes time, and the event loop also serves bookings.
        return await asyncio.to_thread(_parse, body)

    async def _get(self, query: CalendarQuery) -> bytes:
        http = outbound.client(allow_loopback=self._allow_loopback, timeout_seconds=self._timeout_seconds)
        async with http, http.stream("GET", _url(query), headers=_headers(query)) as response:
            if response.status_code in _UNAUTHORIZED:
                raise SourceFailedError("unauthorized")
            if response.status_code != HTTPStatus.OK:
                raise SourceFailedError(f"http_{response.status_code}")
            return await outbound.read_limited(response, self._max_bytes)


def _url(query: CalendarQuery) -> httpx.URL:
    window = {"from": _text(query.starts_at), "to": _text(query.ends_at)}
    return httpx.URL(query.url).copy_merge_params(window)


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _headers(query: CalendarQuery) -> dict[str, str]:
    # Not compressed, so that the limit on the answer's size also limits memory.
    headers = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "Holdfast"}
    return headers | ({"Authorization": f"Bearer {query.token}"} if query.token else {})


def _parse(body: bytes) -> SourceAnswer:
    try:
        return SourceAnswer.model_validate_json(body)
    except ValidationError:
        # Without its cause, which quotes the answer.
        raise SourceFailedError("unreadable") from None
