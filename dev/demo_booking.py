"""Booking in the demo, as its customer, and what the desk does about it."""

import asyncio
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

import httpx

from dev.demo_business import PAID
from dev.demo_client import ApiError, DemoClient, Json
from dev.demo_users import BUSINESS, TIMEZONE, provider_email
from dev.errors import DevError

_FREE: Final = "estimate"
"""Half an hour, and all three providers do it."""
_CARD: Final = "pm_card_visa"
_CONTACT: Final = {"name": "Demo Customer", "phone": "+12125550147", "sms_opt_in": True}
_CONSENTS: Final = ("email", "sms", "analytics")
_PATIENCE_SECONDS: Final = 60.0
_PAUSE_SECONDS: Final = 0.2


class Days(NamedTuple):
    """Days ahead within which a slot is looked for."""

    first: int
    length: int


FAR: Final = Days(5, 23)
"""It can still be cancelled free of charge."""
NEAR: Final = Days(1, 2)
"""It cannot any more; one day of any two is open."""


@dataclass(frozen=True, slots=True)
class Booked:
    """A booking of the demo."""

    id: str
    reference: str
    starts_at: str
    what: str


class Desk:
    """The customer, those who run the business, and its providers."""

    def __init__(
        self, http: httpx.AsyncClient, customer: DemoClient, owner: DemoClient, names: Mapping[str, str]
    ) -> None:
        self._http = http
        self.customer = customer
        self._owner = owner
        self.names = names
        """Of the providers, by their ids."""
        self.takes_payment = False

    async def provider(self, provider_id: str) -> DemoClient:
        """A provider, logged in."""
        return await DemoClient.log_in(self._http, provider_email(self.names[provider_id]))

    async def book(self, days: Days) -> Booked:
        """Book a slot at random, so that run after run finds one; where there are vendors, one that is paid for.

        Raises:
            DevError: there is none.
        """
        service = await self._service()
        self.takes_payment = service["code"] == PAID["code"]
        first = datetime.now(ZoneInfo(TIMEZONE)).date() + timedelta(days=days.first)
        booking = await self._book(service["code"], first, days.length)
        for purpose in _CONSENTS:
            consent = {"purpose": purpose, "granted": True, "source": "demo", "text": "Yes, please."}
            path = f"/v1/businesses/{BUSINESS}/customers/{booking['customer_id']}/consents"
            await self._owner.call("POST", path, consent)
        return Booked(booking["id"], booking["reference"], booking["starts_at"], service["name"])

    async def _service(self) -> Json:
        offered = {service["code"]: service for service in await self.customer.services(BUSINESS)}
        return offered.get(PAID["code"], offered[_FREE])

    async def _book(self, service: str, first: date, days: int) -> Json:
        slots = await self.customer.slots(BUSINESS, service, first, days)
        secrets.SystemRandom().shuffle(slots)
        request: Json = {"business_id": BUSINESS, "service_id": service, "customer": _CONTACT}
        if self.takes_payment:
            request["payment"] = {"method": _CARD}
        # One at which everybody is free, if there is any.
        for slot in sorted(slots, key=lambda slot: -len(slot["provider_ids"])):
            try:
                return await self.customer.book(request | {"starts_at": slot["starts_at"]})
            except ApiError as error:  # somebody else was quicker
                if error.code != "slot_unavailable":
                    raise
        raise DevError(f"every time of these {days} days is taken: `python -m dev reset` empties the stack")

    async def payment_until(self, booked: Booked, reached: Callable[[Json], bool], goal: str) -> Json:
        """The booking's payment once `reached` is true of it.

        Raises:
            DevError: it was not within a minute.
        """
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                while not reached(payment := await self.customer.payment(booked.id)):  # noqa: ASYNC110
                    await asyncio.sleep(_PAUSE_SECONDS)
                return payment
        except TimeoutError as error:
            raise DevError(f"the booking is not {goal} after {_PATIENCE_SECONDS:.0f} s") from error
