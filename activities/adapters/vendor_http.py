"""HTTP with vendors: clients, and which failures are temporary or permanent unless a vendor documents more."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any, Final

import httpx

from domain.effects import VendorError
from runtime import outbound

TIMEOUT: Final = httpx.Timeout(20.0, connect=5.0)
_LONGEST_PAUSE: Final = timedelta(hours=1)
_TEMPORARY: Final = frozenset({408, 409, 423, 425, 429})


def new_client(base_url: str) -> httpx.AsyncClient:
    """A client of one vendor's API, which keeps connections open between calls."""
    authorities = outbound.trusted_authorities()
    return httpx.AsyncClient(base_url=base_url, timeout=TIMEOUT, trust_env=False, verify=authorities)


async def send(client: httpx.AsyncClient, request: httpx.Request) -> httpx.Response:
    """The vendor's answer, whatever its status.

    Raises:
        VendorError: `unreachable` when the request cannot have arrived; `timeout` or `reply_lost` when it may.
    """
    try:
        return await client.send(request)
    except (httpx.ConnectError, httpx.ConnectTimeout):
        raise VendorError("unreachable") from None
    except httpx.TimeoutException:
        raise VendorError("timeout") from None
    except httpx.TransportError:
        raise VendorError("reply_lost") from None


def raise_for(response: httpx.Response) -> None:
    """Raise unless the answer is a success.

    Raises:
        VendorError: `rate_limited` with the requested pause, `unauthorized`, or `http_<status>`.
    """
    status = response.status_code
    if response.is_success:
        return
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        raise VendorError("rate_limited", retry_after=retry_after(response.headers.get("retry-after")))
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        raise VendorError("unauthorized", permanent=True)
    temporary = response.is_server_error or status in _TEMPORARY
    pause = retry_after(response.headers.get("retry-after")) if temporary else None
    raise VendorError(f"http_{status}", permanent=not temporary, retry_after=pause)


def retry_after(value: str | None) -> timedelta | None:
    """The pause of a `Retry-After` header (RFC 9110, section 10.2.3), in seconds or as a date; at most an hour."""
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


def json_object(response: httpx.Response) -> Mapping[str, Any]:
    """The JSON object in the answer; empty when there is none."""
    try:
        found = response.json()
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def outbound_failure(error: Exception, *, interrupted: str, invalid: str) -> str:
    """The code of a call to an address that a business named (`runtime.outbound`); never a URL or the answer.

    `interrupted` is the code when the connection broke, `invalid` when there is no valid URL or answer.
    """
    match error:
        case TimeoutError() | httpx.TimeoutException():
            return "timeout"
        case outbound.OutboundRefusedError():
            return "address_refused"
        case outbound.TooLargeError():
            return "too_large"
        case httpx.ConnectError():
            return "tls_failed" if outbound.is_about_tls(error) else "unreachable"
        case httpx.TransportError():
            return interrupted
    return invalid


OUTBOUND_ERRORS: Final = (
    TimeoutError,
    outbound.OutboundRefusedError,
    outbound.TooLargeError,
    httpx.HTTPError,
    httpx.InvalidURL,
)
"""What `outbound_failure` knows."""
