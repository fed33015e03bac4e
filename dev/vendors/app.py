"""All simulated vendors as one ASGI application, with the controls that make them misbehave.

/<vendor>/…                       the vendor's API, as it documents it
/control/<vendor>/behaviour       PUT how it behaves: to everybody, or to `?account=…`
/control/ledger                   GET what all of them were asked and did; DELETE it
"""

from typing import Annotated

from fastapi import FastAPI, HTTPException, Query

from dev.vendors.ledger import Json, Ledger
from dev.vendors.moods import ANYBODY, Behaviour
from dev.vendors.simulated import Simulated

VENDORS: tuple[type[Simulated], ...] = ()
"""Every vendor that is simulated."""


class Vendors:
    """The vendors, their common ledger, and the application that serves them."""

    def __init__(self) -> None:
        self.ledger = Ledger()
        self.by_name: dict[str, Simulated] = {vendor.name: vendor(self.ledger) for vendor in VENDORS}
        self.app = FastAPI(title="Vendors, simulated")
        self.app.put("/control/{vendor}/behaviour", status_code=204)(self.set_behaviour)
        self.app.get("/control/ledger")(self.read_ledger)
        self.app.delete("/control/ledger", status_code=204)(self.clear_ledger)
        for name, vendor in self.by_name.items():
            self.app.mount(f"/{name}", vendor.app)

    async def set_behaviour(self, vendor: str, behaviour: Behaviour, account: str = ANYBODY) -> None:
        """How a vendor behaves from now on."""
        self._vendor(vendor).moods.set(behaviour, account)

    async def read_ledger(
        self,
        vendor: str | None = None,
        account: str | None = None,
        action: str | None = None,
        after: Annotated[int, Query(ge=0)] = 0,
    ) -> Json:
        """The entries that match, but for the first `after`."""
        found = self.ledger.entries(vendor, account=account, action=action)
        return {"entries": [entry.as_json() for entry in found[after:]]}

    async def clear_ledger(self) -> None:
        self.ledger.clear()

    def _vendor(self, name: str) -> Simulated:
        if name not in self.by_name:
            raise HTTPException(404, f"There is no vendor {name}: {', '.join(self.by_name)}.")
        return self.by_name[name]
