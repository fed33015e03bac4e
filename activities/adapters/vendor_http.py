"""How answers of vendors' HTTP APIs are understood: the same for all that document nothing of their own."""

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Final

import httpx

from domain.effects import VendorError
from runtime.outbound import trusted_authorities

TIMEOUT: Final = httpx.Timeout(20.0, connect=5.0)
_LONGEST_PAUSE: Final = timedelta(hours=1)
_MAY_PASS: Final = frozenset({408, 409, 423, 425, 429})


def new_client(base_url: str) -> httpx.AsyncClient:
    """A client of one vendor's API; its connections are kept for the next call."""
    return httpx.AsyncClient(base_url=base_url, timeout=TIMEOUT, trust_env=False, verify=trusted_authorities())


def raise_for(response: httpx.Response) -> None:
    """Let a success pass, and say of anything else whether it is worth trying again.

    Raises:
        VendorError: `rate_limited` with the pause that was asked for, `unauthorized`, or `http_<status>`.
    """
    status = response.status_code
    if response.is_success:
        return
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        raise VendorError("rate_limited", retry_after=retry_after(response.headers.get("retry-after")))
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        raise VendorError("unauthorized", permanent=True)
    passing = response.is_server_error or status in _MAY_PASS
    pause = retry_after(response.headers.get("retry-after")) if passing else None
    raise VendorError(f"http_{status}", permanent=not passing, retry_after=pause)


def retry_after(value: str | None) -> timedelta | None:
    """The pause of a `Retry-After` header (RFC 9110, section 10.2.3), in seconds or as a date; an hour at most."""
    if not value:
        return None
    try:
        wait = timedelta(seconds=float(value))
    except (ValueError, OverflowError):
        try:
            wait = parsedate_to_datetime(value) - datetime.now(UTC)
        except (ValueError, TypeError):
            return None
    return min(max(wait, timedelta()), _LONGEST_PAUSE)


async def send(client: httpx.AsyncClient, request: httpx.Request) -> httpx.Response:
    """The vendor's answer, of whatever status.

    Raises:
        VendorError: `unreachable` when it cannot have heard of the request; `timeout` or `reply_lost` when it may.
    """
    try:
        return await client.send(request)
    except (httpx.ConnectError, httpx.ConnectTimeout):
        raise VendorError("unreachable") from None
    except httpx.TimeoutException:
        raise VendorError("timeout") from None
    except httpx.TransportError:
        raise VendorError("reply_lost") from None
