"""The simulated vendors in the test process, with their ledger."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from dev.vendors.app import Vendors
from dev.vendors.base import SimulatedVendor
from dev.vendors.fault_modes import Behaviour
from dev.vendors.ledger import Entry, Ledger
from domain.effects import Vendor
from tests.support.servers import served


@dataclass(frozen=True, slots=True)
class Simulator:
    """All vendors, served at `url`; each test uses its own credentials."""

    url: str
    vendors: Vendors

    @property
    def ledger(self) -> Ledger:
        return self.vendors.ledger

    def vendor(self, name: Vendor) -> SimulatedVendor:
        return self.vendors.by_name[name]

    def behave(self, name: Vendor, behaviour: Behaviour, account: str) -> None:
        """Set a vendor's behaviour for one account."""
        self.vendor(name).fault_modes.set(behaviour, account)

    def applied(self, name: Vendor, account: str, action: str | None = None) -> list[Entry]:
        """The entries of the account's requests that had an effect."""
        return self.ledger.entries(name, account=account, action=action, applied=True)


@asynccontextmanager
async def simulated_vendors() -> AsyncIterator[Simulator]:
    """Serve the vendors on a free port."""
    vendors = Vendors()
    async with served(vendors.app) as url:
        yield Simulator(url, vendors)
