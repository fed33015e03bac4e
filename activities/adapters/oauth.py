"""OAuth 2.0 access tokens of vendors' accounts, cached until shortly before they expire (RFC 6749)."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from time import monotonic
from typing import Any, Final
from weakref import WeakValueDictionary

import httpx

from activities.adapters.vendor_http import new_client, raise_for, send
from domain.attribution import sha256
from domain.effects import VendorError

_MARGIN_SECONDS: Final = 60.0
"""A token is not used in its last minute."""
_DEFAULT_LIFETIME_SECONDS: Final = 3600.0
"""For an answer that names none."""


@dataclass(frozen=True, slots=True)
class AccessToken:
    """A token, and until when to use it (`time.monotonic`)."""

    value: str
    good_until: float


class AccessTokens:
    """Fetches tokens from a vendor's token endpoint; of concurrent callers for the same token, one fetches it."""

    def __init__(self, base_url: str, path: str) -> None:
        self._http = new_client(base_url)
        self._path = path
        self._cached: dict[str, AccessToken] = {}
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def get(self, form: Mapping[str, str], *, instead_of: AccessToken | None = None) -> AccessToken:
        """The token for this grant, as the token request's form fields describe it.

        `instead_of` is a token that the vendor has refused: it is not given again.

        Raises:
            VendorError: `unauthorized` when the vendor refuses the grant, for example because it was revoked.
        """
        name = sha256("\n".join(f"{field}={value}" for field, value in sorted(form.items())))
        async with self._locks.setdefault(name, asyncio.Lock()):
            cached = self._cached.get(name)
            if cached is None or cached is instead_of or cached.good_until <= monotonic():
                cached = self._cached[name] = await self._fetch(form)
            return cached

    async def _fetch(self, form: Mapping[str, str]) -> AccessToken:
        response = await send(self._http, self._http.build_request("POST", self._path, data=dict(form)))
        if (
            response.status_code == httpx.codes.BAD_REQUEST
        ):  # RFC 6749, section 5.2: `invalid_client`, `invalid_grant`
            raise VendorError("unauthorized", permanent=True)
        raise_for(response)
        return _read(response)


def _read(response: httpx.Response) -> AccessToken:
    try:
        answer: Any = response.json()
        lifetime = float(answer.get("expires_in", _DEFAULT_LIFETIME_SECONDS))
        return AccessToken(str(answer["access_token"]), monotonic() + max(lifetime - _MARGIN_SECONDS, 0.0))
    except (ValueError, TypeError, KeyError, AttributeError):
        raise VendorError("reply_unreadable") from None
