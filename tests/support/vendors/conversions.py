"""Accounts with the simulated analytics vendors, and conversions to report."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

from activities.adapters.ga4 import Ga4
from activities.adapters.google_ads import GoogleAds
from activities.adapters.meta import Meta
from activities.ports import Analytics, Conversion
from activities.vendor_calls import Account, Call
from dev.vendors.fault_modes import Behaviour
from dev.vendors.ledger import Entry
from domain.attribution import read_attribution
from domain.effects import Vendor
from tests.support.simulator import Simulator

_NUMBERS = itertools.count(10**9 + 1)
EMAIL, PHONE, NAME = "Cass.Customer@gmail.com", "+12125550142", "Cass Customer"


@dataclass(frozen=True)
class Measured:
    """An account that only this test uses."""

    simulator: Simulator
    vendor: Vendor
    adapter: Analytics
    name: str
    """What the simulator tells the account by."""
    settings: dict[str, Any]
    secrets: dict[str, str]

    async def report(
        self, conversion: Conversion, *, attempt: int = 1, secrets: dict[str, str] | None = None
    ) -> str | None:
        """One attempt, optionally with other secrets."""
        account = Account(self.settings, self.secrets | (secrets or {}))
        key = f"{conversion.booking_id}/report_conversion/{self.vendor}"
        call = Call(account=account, key=key, attempt=attempt, first_attempt_at=datetime.now(UTC))
        return await self.adapter.report(call, conversion)

    def behave(self, **behaviour: Any) -> None:
        self.simulator.behave(self.vendor, Behaviour(**behaviour), self.name)

    def entries(self) -> list[Entry]:
        """All requests to this account."""
        return self.simulator.ledger.entries(self.vendor, account=self.name)

    def applied(self) -> list[Entry]:
        """The requests that had an effect."""
        return self.simulator.applied(self.vendor, self.name)


def ga4(simulator: Simulator) -> Measured:
    number, secret = next(_NUMBERS), f"secret-{uuid4().hex}"
    settings = {"measurement_id": f"G-{number}"}
    adapter = Ga4(f"{simulator.url}/ga4")
    return Measured(simulator, Vendor.GA4, adapter, secret, settings, {"api_secret": secret})


def meta(simulator: Simulator) -> Measured:
    pixel = str(next(_NUMBERS))
    adapter = Meta(f"{simulator.url}/meta")
    secrets = {"access_token": f"EAA{uuid4().hex}"}
    return Measured(simulator, Vendor.META, adapter, pixel, {"pixel_id": pixel}, secrets)


def google_ads(simulator: Simulator) -> Measured:
    number = str(next(_NUMBERS))
    url = f"{simulator.url}/google_ads"
    settings = {"customer_id": number, "login_customer_id": "1234567890", "conversion_action": "77"}
    client = f"{number}.apps.googleusercontent.com"
    secrets = {"client_id": client, "client_secret": "GOCSPX-x", "refresh_token": "1//x"}
    return Measured(simulator, Vendor.GOOGLE_ADS, GoogleAds(url, url), client, settings, secrets)


MAKERS: dict[Vendor, Callable[[Simulator], Measured]] = {
    Vendor.GA4: ga4,
    Vendor.META: meta,
    Vendor.GOOGLE_ADS: google_ads,
}


def conversion(*, ago: timedelta = timedelta(minutes=1), **changes: Any) -> Conversion:
    """A conversion with attribution data."""
    at = datetime.now(UTC) - ago
    values: dict[str, Any] = {
        "booking_id": uuid4(),
        "reference": uuid4().hex[:7].upper(),
        "happened_at": at,
        "booked_at": at,
        "value": Decimal("129.00"),
        "currency": "USD",
        "service": "repair",
        "customer_id": uuid4(),
        "may_personalise": False,
        "attribution": read_attribution({"gclid": "abc", "fbclid": "IwAR2F4"}),
        "name": NAME,
        "email": EMAIL,
        "phone": PHONE,
    }
    return Conversion(**values | changes)
