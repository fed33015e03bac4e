"""httpx under Twilio's own client: with our timeouts, and to whatever base URL stands for Twilio's."""

import logging
from base64 import b64encode
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
from twilio.http import HttpClient
from twilio.http.response import Response

from activities.adapters.vendor_http import new_client, raise_for, send

_SILENT: Final = logging.Logger("twilio", level=logging.CRITICAL)
"""It would log whole requests, phone numbers and all."""


class TwilioHttp(HttpClient):  # type: ignore[misc]
    """Carries requests of the client; of answers, those that the client understands get to it."""

    def __init__(self, base_url: str) -> None:
        super().__init__(_SILENT, is_async=True)
        self._http = new_client(base_url)

    async def request(
        self,
        method: str,
        uri: str,
        params: dict[str, Any] | None = None,
        data: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        timeout: float | None = None,  # noqa: ASYNC109  # the signature that the client calls
        allow_redirects: bool = False,
    ) -> Response:
        """Send one request.

        Raises:
            VendorError: no answer came, or one of a kind that is the same with all vendors.
        """
        signed = {"Authorization": _basic(*auth)} if auth else {}
        path = urlsplit(uri).path.lstrip("/")
        request = self._http.build_request(
            method, path, params=params, data=data, headers=(headers or {}) | signed
        )
        response = await send(self._http, request)
        if not _is_a_refusal(response):
            raise_for(response)
        return Response(response.status_code, response.text, response.headers)


def _is_a_refusal(response: httpx.Response) -> bool:
    """Whether Twilio says with a code of its own what is wrong with the request."""
    if not response.is_client_error or response.status_code == HTTPStatus.TOO_MANY_REQUESTS:
        return False
    return str(response.headers.get("Content-Type", "")).startswith("application/json")


def _basic(user: str, password: str) -> str:
    return f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"
