"""Base of the simulated vendors: accounts, ledger and fault modes."""

import base64
import binascii
from typing import ClassVar

from fastapi import FastAPI, Request
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Scope

from dev.vendors.callbacks import Callbacks
from dev.vendors.fault_modes import FaultInjector, FaultModes
from dev.vendors.ledger import Entry, Json, Ledger


class SimulatedVendor:
    """Base of a vendor: subclasses add routes to `self.api`; `app` is the API behind the fault injector.

    Callers are identified by their credentials: concurrent tests with different credentials do not see each
    other's entries and fault modes.
    """

    name: ClassVar[str]
    """As in `domain.effects.Vendor`; the vendor is served at /<name>."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.fault_modes = FaultModes()
        self.api = FastAPI(title=f"Simulated {self.name}", openapi_url=None)
        self.app: ASGIApp = FaultInjector(self.api, self.fault_modes, self.account_of)

    def account_of(self, scope: Scope) -> str:
        """The account of a request: the bearer token, or the user name of basic authentication."""
        return credentials_of(Headers(scope=scope).get("authorization"))

    def callback_sender(self) -> Callbacks | None:
        """The sender of its callbacks; None if it sends none."""
        return getattr(self, "callbacks", None)

    def current_items(self) -> list[Json]:
        """The vendor's current objects for the page, such as payments or jobs: same members, oldest first."""
        return []

    def record(
        self,
        request: Request,
        action: str,
        *,
        key: str | None = None,
        applied: bool = True,
        detail: Json | None = None,
    ) -> None:
        """Add a request to the ledger."""
        account = self.account_of(request.scope)
        self.ledger.add(Entry(self.name, account, action, key, applied, detail or {}))


def credentials_of(authorization: str | None) -> str:
    """The bearer token, or the user name of basic authentication; empty without credentials."""
    kind, _, value = (authorization or "").partition(" ")
    if kind.lower() != "basic":
        return value
    try:
        return base64.b64decode(value).decode().partition(":")[0]
    except (binascii.Error, UnicodeDecodeError):
        return ""
