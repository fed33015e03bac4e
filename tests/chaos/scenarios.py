"""Scenarios: a client creates one booking in one of several ways, then sends commands."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from tests.chaos.business import REMINDED_STARTS, Business
from tests.chaos.client import Client, Request
from tests.chaos.history import Json

_HOURS_AHEAD: Final = 240
_POLL_SECONDS: Final = 0.4
_UNTIL_SECONDS: Final = 45.0
_THREE_PLACES: Final = 0.12
"""Share of requests that are sent from three places at the same time."""
_GOOD_CARD: Final = "pm_card_visa"

SCRIPTS: Final[tuple[tuple[int, str], ...]] = (
    (16, "accept start complete"),
    (12, "accept"),
    (10, "reject accept"),
    (10, "cancel"),
    (8, "accept cancel"),
    (8, "accept reschedule start complete"),
    (6, "reschedule accept cancel"),
    (5, "accept start absent-provider accept"),
    (5, "accept start absent-customer"),
    (5, "reject assign accept"),
    (4, "accept override-completed"),
    (4, "cancel override-pending accept"),
    (4, "accept override-rejected accept"),
    (3, "look"),
)
"""Weights and steps; each step waits until the booking has the required status."""
KINDS: Final[tuple[tuple[int, str], ...]] = (
    (55, "plain"),
    (15, "held"),
    (15, "paid"),
    (12, "group"),
    (3, "released"),
)


class BookingScenario:
    """The scenario of one booking; all random choices use `rng`, and `stop` ends it at the next pause."""

    def __init__(self, client: Client, rng: random.Random, stop: asyncio.Event, number: int) -> None:
        self._client = client
        self._business: Business = client.business
        self._chance = rng
        self._stop = stop
        self._number = number
        self._customer: UUID = rng.choice(self._business.customers)
        self._booking_id = ""

    async def run(self) -> None:
        """Run the scenario until it ends or the load stops."""
        booking = await self._create(_weighted(KINDS, self._chance))
        if booking is None:
            return
        self._booking_id = booking["id"]
        for step in _weighted(SCRIPTS, self._chance).split():
            await asyncio.sleep(self._chance.uniform(0, 2.0))
            if self._stop.is_set() or not await self._do(step):
                return

    # --- creating -------------------------------------------------------------------------------------------

    async def _create(self, kind: str) -> Json | None:
        service = kind if kind in ("paid", "group") else "repair"
        body: Json = {"business_id": self._business.slug, "service_id": service, "starts_at": self._start()}
        if kind != "group" and self._chance.random() < 0.7:
            body["provider_id"] = str(self._chance.choice(list(self._business.tenant.providers.values())))
        if kind in ("held", "released"):
            hold = await self._hold(body)
            if hold is None or kind == "released":
                if hold is not None:
                    await self._release(hold)
                return None
            body |= {"hold_id": hold["id"], "provider_id": hold["provider_id"]}
        if kind == "paid":
            body["payment"] = {"method": _GOOD_CARD}
        key = self._key("create")
        return await self._ask("create", "POST", "/v1/bookings", body | {"notes": key}, key=key)

    def _start(self) -> str:
        """A random start; half of them at the hours whose reminders fall due during the cell."""
        hours = REMINDED_STARTS if self._chance.random() < 0.5 else _HOURS_AHEAD
        moment = self._business.first_start + timedelta(hours=self._chance.randrange(hours))
        return moment.isoformat()

    async def _hold(self, body: Json) -> Json | None:
        hold = await self._ask("hold", "POST", "/v1/holds", body, key=self._key("hold"))
        await asyncio.sleep(self._chance.uniform(0, 1.5))
        return hold

    async def _release(self, hold: Json) -> None:
        await self._ask("release", "DELETE", f"/v1/holds/{hold['id']}", None, key=None, one_place=True)

    # --- commands -------------------------------------------------------------------------------------------

    async def _do(self, step: str) -> bool:
        """Run one step; returns whether the scenario continues."""
        word, _, rest = step.partition("-")
        steps: dict[str, Callable[[str], Awaitable[Json | None]]] = {
            "accept": lambda _: self._by_provider("accept", "assigned"),
            "reject": lambda _: self._by_provider("reject", "assigned"),
            "start": lambda _: self._by_provider("start", "accepted"),
            "complete": lambda _: self._by_provider("complete", "in_progress"),
            "absent": self._absent,
            "cancel": self._cancel,
            "reschedule": self._reschedule,
            "assign": self._assign,
            "override": self._override,
            "look": lambda _: self._read(),
        }
        return await steps[word](rest) is not None

    async def _by_provider(self, command: str, status: str, **body: Any) -> Json | None:
        booking = await self._until(status)
        if booking is None:
            return None
        provider = self._business.provider_user(booking["provider_id"])
        return await self._command(command, "provider", provider, **body)

    async def _absent(self, party: str) -> Json | None:
        return await self._by_provider("no-show", "in_progress", party=party)

    async def _cancel(self, _rest: str) -> Json | None:
        return await self._command("cancel", "customer", self._customer)

    async def _reschedule(self, _rest: str) -> Json | None:
        headers = {"If-Match": "*"}
        return await self._command(
            "reschedule", "owner", self._business.member("owner"), headers=headers, starts_at=self._start()
        )

    async def _assign(self, _rest: str) -> Json | None:
        if await self._until("rejected", "no_show", "pending", patience=2.0) is None:
            return await self._read()  # it has a provider already
        provider = self._chance.choice(list(self._business.tenant.providers.values()))
        return await self._command("assign", "owner", self._business.member("owner"), provider_id=str(provider))

    async def _override(self, status: str) -> Json | None:
        admin, headers = self._business.member("admin"), {"If-Match": "*"}
        return await self._command("override", "admin", admin, headers=headers, status=status, reason="chaos")

    async def _command(
        self, command: str, role: str, user: UUID, *, headers: Json | None = None, **body: Any
    ) -> Json | None:
        path = f"/v1/bookings/{self._booking_id}/{command}"
        return await self._ask(
            command, "POST", path, body, key=self._key(command), role=role, user=user, headers=headers
        )

    async def _until(self, *statuses: str, patience: float = _UNTIL_SECONDS) -> Json | None:
        """Wait until the booking has one of the statuses; None after a timeout or when the load stops."""
        end = asyncio.get_running_loop().time() + patience
        while asyncio.get_running_loop().time() < end and not self._stop.is_set():
            booking = await self._read()
            if booking is not None and booking["status"] in statuses:
                return booking
            await asyncio.sleep(_POLL_SECONDS)
        return None

    async def _read(self) -> Json | None:
        path = f"/v1/bookings/{self._booking_id}"
        owner = self._business.member("owner")
        return await self._ask("read", "GET", path, None, key=None, role="owner", user=owner, one_place=True)

    # --- requests -------------------------------------------------------------------------------------------

    def _key(self, what: str) -> str:
        return f"{what}-{self._number}-{self._chance.getrandbits(64):016x}"

    async def _ask(
        self,
        operation: str,
        method: str,
        path: str,
        body: Json | None,
        *,
        key: str | None,
        role: str = "customer",
        user: UUID | None = None,
        headers: Json | None = None,
        one_place: bool = False,
    ) -> Json | None:
        places = 3 if not one_place and self._chance.random() < _THREE_PLACES else 1
        request = Request(
            operation=operation,
            method=method,
            path=path,
            role=role,
            user_id=user or self._customer,
            body=body,
            booking_id=self._booking_id or None,
            key=key,
            headers=headers or {},
        )
        return await self._client.ask(request, self._chance, places=places)


def _weighted(choices: tuple[tuple[int, str], ...], rng: random.Random) -> str:
    return rng.choices([name for _, name in choices], [weight for weight, _ in choices])[0]
