"""What all simulated vendors have in common: a name, an account for each caller, a ledger and moods."""

import base64
import binascii
from typing import ClassVar

from fastapi import FastAPI, Request
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Scope

from dev.vendors.callbacks import Callbacks
from dev.vendors.fault_modes import FaultModes, Moody
from dev.vendors.ledger import Entry, Json, Ledger


class Simulated:
    """Base of a vendor. Its API goes into `self.api`; `app` is that with its moods in front.

    Who calls is told apart by credentials, so that tests that run side by side, each with its own, do not see each
    other's entries and moods.
    """

    name: ClassVar[str]
    """The vendor's, as in `domain.effects.Vendor`: it answers at /<name>."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.moods = FaultModes()
        self.api = FastAPI(title=f"{self.name}, simulated", openapi_url=None)
        self.app: ASGIApp = Moody(self.api, self.moods, self.account_of)

    def account_of(self, scope: Scope) -> str:
        """Whose request it is: the bearer token, or the user name of basic authentication."""
        return credentials_of(Headers(scope=scope).get("authorization"))

    def calls_back_by(self) -> Callbacks | None:
        """What makes its calls; none: it makes none."""
        return getattr(self, "callbacks", None)

    def standing(self) -> list[Json]:
        """What there is now, for the page: payments, jobs; all with the same members, the oldest first."""
        return []

    def note(
        self,
        request: Request,
        action: str,
        *,
        key: str | None = None,
        applied: bool = True,
        detail: Json | None = None,
    ) -> None:
        """Write a line into the ledger."""
        account = self.account_of(request.scope)
        self.ledger.add(Entry(self.name, account, action, key, applied, detail or {}))


def credentials_of(authorization: str | None) -> str:
    """The token of a bearer, or the user of basic authentication; empty without."""
    kind, _, value = (authorization or "").partition(" ")
    if kind.lower() != "basic":
        return value
    try:
        return base64.b64decode(value).decode().partition(":")[0]
    except (binascii.Error, UnicodeDecodeError):
        return ""
