"""Webhooks over HTTP, as https://www.standardwebhooks.com asks of senders.

Each delivery has its own connection: nothing that one business's endpoint sends, no cookie and no late answer, can
reach another's.
"""

import asyncio
from contextlib import suppress
from http import HTTPStatus
from typing import Final

import httpx

from activities.adapters.vendor_http import OUTBOUND_ERRORS, outbound_failure, retry_after
from activities.ports import WebhookRequest
from activities.vendor_calls import Call
from domain.effects import VendorError
from runtime import outbound

TIMEOUT_SECONDS: Final = 15.0
"""For the whole delivery: resolving, connecting, sending, and the beginning of the answer."""
MAX_BYTES: Final = 16_384
"""Of the answer, whose content is ignored."""

_THROTTLING: Final = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)


class HttpWebhookSender:
    def __init__(self, *, allow_loopback: bool, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self._allow_loopback = allow_loopback
        self._timeout_seconds = timeout_seconds

    async def deliver(self, call: Call, webhook: WebhookRequest) -> None:
        """See `WebhookSender`. Only an answer of 2xx counts as accepted."""
        await call.confirm()
        try:
            async with asyncio.timeout(self._timeout_seconds):
                answer = await self._post(webhook)
        except OUTBOUND_ERRORS as error:
            code = outbound_failure(error, interrupted="reply_lost", invalid="address_refused")
            raise VendorError(code, permanent=code == "address_refused") from None
        _raise_for(answer)

    async def _post(self, webhook: WebhookRequest) -> httpx.Response:
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
    if 300 <= status < 400:  # noqa: PLR2004  # not followed: it could lead anywhere
        raise VendorError("redirected")
    pause = retry_after(answer.headers.get("retry-after")) if status in _THROTTLING else None
    code = "rate_limited" if status == HTTPStatus.TOO_MANY_REQUESTS else f"http_{status}"
    raise VendorError(code, retry_after=pause)
