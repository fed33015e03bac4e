"""A payment gateway for tests: adapter, simulator and an account."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID, uuid4

from activities.adapters.payjp import PayjpGateway
from activities.adapters.stripe import StripeGateway
from activities.ports import ChargeRequest, Gateway
from activities.vendor_calls import Call
from dev.vendors.fault_modes import Behaviour, FaultMode
from dev.vendors.gateways import ClockShift, SimulatedGateway
from dev.vendors.ledger import Entry
from dev.vendors.payjp import Payjp
from dev.vendors.stripe import Stripe
from domain.effects import Vendor
from tests.support.simulator import Simulator
from tests.support.vendors.mails import a_call

MONEY = ("authorize", "capture", "void", "refund", "lapse")
"""What moves money, in a gateway's ledger."""


@dataclass(frozen=True, slots=True)
class Methods:
    """Payment methods with a known behaviour."""

    good: str
    declined: str
    challenged: str

    @classmethod
    def of(cls, vendor: Vendor) -> "Methods":
        """Stripe's test methods are shared; PAY.JP's belong to one customer, so each is new."""
        if vendor is Vendor.STRIPE:
            return cls("pm_card_visa", "pm_card_chargeDeclined", "pm_card_authenticationRequired")
        mark = uuid4().hex[:12]
        return cls(f"pm_good_{mark}", f"pm_declined_{mark}", f"pm_challenged_{mark}")


@dataclass(frozen=True, slots=True)
class GatewayAccount:
    """One account at one gateway."""

    vendor: Vendor
    vendors: Simulator
    gateway: Gateway
    key: str
    booking_id: UUID

    @classmethod
    def at(cls, vendor: Vendor, vendors: Simulator) -> "GatewayAccount":
        """A new account."""
        url = f"{vendors.url}/{vendor}"
        gateway: Gateway = StripeGateway(url) if vendor is Vendor.STRIPE else PayjpGateway(url)
        return cls(vendor, vendors, gateway, f"sk_test_{uuid4().hex}", uuid4())

    @property
    def simulated(self) -> SimulatedGateway:
        found = self.vendors.vendor(self.vendor)
        assert isinstance(found, SimulatedGateway)
        return found

    def call(self, key: str | None = None) -> Call:
        """A first attempt."""
        return a_call({}, {"api_key": key or self.key})

    async def charge_request(self, method: str, number: int = 1) -> ChargeRequest:
        """A request to charge 5000 yen to a new payer."""
        payer = await self.gateway.payer(self.call(), self.booking_id)
        return ChargeRequest(self.booking_id, number, 5000, "JPY", payer, method)

    def behave(self, mode: FaultMode, times: int = 1, **how: float) -> None:
        self.vendors.behave(self.vendor, Behaviour.model_validate({"mode": mode, "times": times} | how), self.key)

    async def pass_hours(self, hours: float) -> None:
        await self.simulated.move_clock(self.key, ClockShift(hours=hours))

    def lose_the_reply(self, *, behind: str, to: str, hours: float = 0) -> None:
        """Lose the answer to the request after this action, once; then let hours pass."""
        todo = [behind, to]

        def listener(entry: Entry) -> None:
            if entry.account != self.key or not todo or entry.action != todo[0]:
                return
            if todo.pop(0) == behind:
                self.behave(FaultMode.REPLY_LOST)
            else:  # not before the gateway has noted its answer under the key
                asyncio.get_running_loop().call_later(0.1, self._pass, timedelta(hours=hours))

        self.vendors.ledger.listen(listener)

    def _pass(self, time: timedelta) -> None:
        self.simulated.account(self.key).clock += time

    async def authenticate(self, ref: str) -> None:
        """Complete the customer's authentication with the bank."""
        assert isinstance(self.simulated, Stripe | Payjp)
        await self.simulated.authenticate(self.key, ref)

    def moved(self) -> list[tuple[str, int]]:
        """Each movement of money and its amount, in order."""
        return moved(self.vendors.ledger.entries(self.vendor, account=self.key, applied=True))


def moved(entries: Sequence[Entry]) -> list[tuple[str, int]]:
    """Each movement of money and its amount."""
    return [(one.action, one.detail["amount"]) for one in entries if one.action in MONEY]
