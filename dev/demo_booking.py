"""Creating bookings in the demo, as its customer."""

import asyncio
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

import httpx

from dev.demo_business import BUSINESS, PAID, TIMEZONE, provider_email
from dev.demo_client import ApiError, DemoClient, Json
from dev.errors import DevError

_FREE: Final = "estimate"
"""Half an hour; all three providers offer it."""
_CARD: Final = "pm_card_visa"
_CONTACT: Final = {"name": "Demo Customer", "phone": "+12125550147", "sms_opt_in": True}
_CONSENTS: Final = ("email", "sms", "analytics")
_TIMEOUT_SECONDS: Final = 60.0
_PAUSE_SECONDS: Final = 0.2


class Days(NamedTuple):
    """The range of days, from today, in which a slot is searched."""

    first: int
    length: int


FAR: Final = Days(5, 23)
"""Far enough to be cancelled free of charge."""
NEAR: Final = Days(1, 2)
"""Too near to be cancelled free of charge; at least one of two days is open."""


@dataclass(frozen=True, slots=True)
class DemoBooking:
    """A booking of the demo."""

    id: str
    reference: str
    starts_at: str
    what: str


class DemoSession:
    """The customer, the owner and the providers of the demo business."""

    def __init__(
        self, http: httpx.AsyncClient, customer: DemoClient, owner: DemoClient, names: Mapping[str, str]
    ) -> None:
        self._http = http
        self.customer = customer
        self._owner = owner
        self.names = names
        """Names of the providers by id."""
        self.takes_payment = False

    async def provider(self, provider_id: str) -> DemoClient:
        """Log a provider in."""
        return await DemoClient.log_in(self._http, provider_email(self.names[provider_id]))

    async def book(self, days: Days) -> DemoBooking:
        """Book a random free slot, so that repeated runs find one; with vendors, of a paid service.

        Raises:
            DevError: there is no free slot.
        """
        service = await self._service()
        self.takes_payment = service["code"] == PAID["code"]
        first = datetime.now(ZoneInfo(TIMEZONE)).date() + timedelta(days=days.first)
        booking = await self._book(service["code"], first, days.length)
        for purpose in _CONSENTS:
            consent = {"purpose": purpose, "granted": True, "source": "demo", "text": "Yes, please."}
            path = f"/v1/businesses/{BUSINESS}/customers/{booking['customer_id']}/consents"
            await self._owner.call("POST", path, consent)
        return DemoBooking(booking["id"], booking["reference"], booking["starts_at"], service["name"])

    async def _service(self) -> Json:
        offered = {service["code"]: service for service in await self.customer.services(BUSINESS)}
        return offered.get(PAID["code"], offered[_FREE])

    async def _book(self, service: str, first: date, days: int) -> Json:
        slots = await self.customer.slots(BUSINESS, service, first, days)
        secrets.SystemRandom().shuffle(slots)
        request: Json = {"business_id": BUSINESS, "service_id": service, "customer": _CONTACT}
        if self.takes_payment:
            request["payment"] = {"method": _CARD}
        # Slots at which all providers are free come first.
        for slot in sorted(slots, key=lambda slot: -len(slot["provider_ids"])):
            try:
                return await self.customer.book(request | {"starts_at": slot["starts_at"]})
            except ApiError as error:  # another client was faster
                if error.code != "slot_unavailable":
                    raise
        raise DevError(f"every time of these {days} days is taken: `python -m dev reset` empties the stack")

    async def payment_until(self, booked: DemoBooking, reached: Callable[[Json], bool], goal: str) -> Json:
        """Wait until `reached` is true of the booking's payment; returns the payment.

        Raises:
            DevError: it was not true within a minute.
        """
        try:
            async with asyncio.timeout(_TIMEOUT_SECONDS):
                while not reached(payment := await self.customer.payment(booked.id)):  # noqa: ASYNC110
                    await asyncio.sleep(_PAUSE_SECONDS)
                return payment
        except TimeoutError as error:
            raise DevError(f"the booking is not {goal} after {_TIMEOUT_SECONDS:.0f} s") from error
