"""Webhooks over HTTP, as https://www.standardwebhooks.com asks for it of whoever sends them.

Each delivery has a connection of its own: nothing that one business's endpoint says, no cookie and no answer that
comes late, can reach another's.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http import HTTPStatus
from typing import Final

import httpx

from activities.adapters.vendor_http import retry_after
from activities.ports.vendors import Call
from activities.ports.webhooks import Webhook
from domain.effects import VendorError
from runtime import outbound

TIMEOUT_SECONDS: Final = 15.0
"""For all of it: resolving, connecting, sending, and the beginning of the answer."""
MAX_BYTES: Final = 16_384
"""Of the answer; what it says is thrown away."""

_THROTTLING: Final = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)


class HttpWebhooks:
    def __init__(self, *, allow_loopback: bool, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self._allow_loopback = allow_loopback
        self._timeout_seconds = timeout_seconds

    async def deliver(self, call: Call, webhook: Webhook) -> None:
        """Have the endpoint take it; 2xx is the only answer that says so."""
        await call.confirm()
        with _failures():
            async with asyncio.timeout(self._timeout_seconds):
                answer = await self._post(webhook)
        _raise_for(answer)

    async def _post(self, webhook: Webhook) -> httpx.Response:
        http = outbound.client(allow_loopback=self._allow_loopback, timeout_seconds=self._timeout_seconds)
        headers = {"Accept-Encoding": "identity", "User-Agent": "Holdfast", **webhook.headers}
        async with http, http.stream("POST", webhook.url, headers=headers, content=webhook.body) as response:
            with suppress(outbound.TooLargeError):
                await outbound.read_limited(response, MAX_BYTES)
        return response


def _raise_for(answer: httpx.Response) -> None:
    status = answer.status_code
    if answer.is_success:
        return
    if status == HTTPStatus.GONE:
        raise VendorError("gone", permanent=True)
    if 300 <= status < 400:  # noqa: PLR2004  # not followed: it may lead anywhere
        raise VendorError("redirected")
    pause = retry_after(answer.headers.get("retry-after")) if status in _THROTTLING else None
    code = "rate_limited" if status == HTTPStatus.TOO_MANY_REQUESTS else f"http_{status}"
    raise VendorError(code, retry_after=pause)


@contextmanager
def _failures() -> Iterator[None]:
    """Everything that can go wrong on the way, as codes."""
    permanent = False
    try:
        yield
    except (TimeoutError, httpx.TimeoutException):
        code = "timeout"
    except outbound.OutboundRefusedError:
        code, permanent = "address_refused", True
    except httpx.ConnectError as error:
        code = "tls_failed" if outbound.is_about_tls(error) else "unreachable"
    except httpx.TransportError:
        code = "reply_lost"
    except (httpx.HTTPError, httpx.InvalidURL):
        code, permanent = "address_refused", True
    else:
        return
    raise VendorError(code, permanent=permanent) from None
