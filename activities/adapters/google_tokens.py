"""Access to Google's APIs as a person who has allowed it: a refresh token becomes access tokens, each for an hour.

https://developers.google.com/identity/protocols/oauth2/web-server#offline
"""

import asyncio
from time import monotonic
from typing import Any, Final

import httpx

from activities.adapters.vendor_http import new_client, raise_for, send
from activities.ports.vendors import Account
from domain.attribution import sha256
from domain.effects import VendorError

OAUTH_URL: Final = "https://oauth2.googleapis.com"
_MARGIN_SECONDS: Final = 60.0
_LASTS_SECONDS: Final = 3600.0
_GIVEN: Final = ("client_id", "client_secret", "refresh_token")


class GoogleTokens:
    """Access tokens, each kept until shortly before it ends."""

    def __init__(self, base_url: str = OAUTH_URL) -> None:
        self._http = new_client(base_url)
        self._kept: dict[str, tuple[str, float]] = {}
        self._turn = asyncio.Lock()

    async def token(self, account: Account) -> str:
        """An access token for the account.

        Raises:
            VendorError: `unauthorized` when the person or Google has taken the permission back.
        """
        name = _name(account)
        async with self._turn:  # of many who need one at once, one asks
            kept = self._kept.get(name)
            if kept is not None and kept[1] > monotonic():
                return kept[0]
            token, lasts = await self._ask(account)
            self._kept[name] = (token, monotonic() + max(lasts - _MARGIN_SECONDS, 0.0))
            return token

    def forget(self, account: Account) -> None:
        """Ask for another one next time."""
        self._kept.pop(_name(account), None)

    async def _ask(self, account: Account) -> tuple[str, float]:
        form = {name: account.secrets[name] for name in _GIVEN} | {"grant_type": "refresh_token"}
        response = await send(self._http, self._http.build_request("POST", "/token", data=form))
        if response.status_code == httpx.codes.BAD_REQUEST:  # RFC 6749, section 5.2
            raise VendorError("unauthorized", permanent=True)
        raise_for(response)
        return _read(response)


def _name(account: Account) -> str:
    return sha256("\n".join(account.secrets[name] for name in _GIVEN))


def _read(response: httpx.Response) -> tuple[str, float]:
    try:
        answer: Any = response.json()
        return str(answer["access_token"]), float(answer.get("expires_in", _LASTS_SECONDS))
    except (ValueError, TypeError, KeyError, AttributeError):
        raise VendorError("reply_unreadable") from None
