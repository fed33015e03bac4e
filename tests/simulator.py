"""The simulated vendors in the tests' own process, with their ledger at hand."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from dev.vendors.app import Vendors
from dev.vendors.fault_modes import Behaviour
from dev.vendors.ledger import Entry, Ledger
from dev.vendors.simulated import Simulated
from domain.effects import Vendor
from tests.servers import served


@dataclass(frozen=True, slots=True)
class Simulator:
    """All vendors, served at `url`; each test speaks to them with credentials of its own."""

    url: str
    vendors: Vendors

    @property
    def ledger(self) -> Ledger:
        return self.vendors.ledger

    def vendor(self, name: Vendor) -> Simulated:
        return self.vendors.by_name[name]

    def behave(self, name: Vendor, behaviour: Behaviour, account: str) -> None:
        """Have a vendor behave so towards one account."""
        self.vendor(name).moods.set(behaviour, account)

    def applied(self, name: Vendor, account: str, action: str | None = None) -> list[Entry]:
        """What came of anything that the account asked for."""
        return self.ledger.entries(name, account=account, action=action, applied=True)


@asynccontextmanager
async def simulated_vendors() -> AsyncIterator[Simulator]:
    """Serve them on a free port."""
    vendors = Vendors()
    async with served(vendors.app) as url:
        yield Simulator(url, vendors)
