"""All simulated vendors as one ASGI application, with the controls that make them misbehave.

/                                 a page that shows it all
/<vendor>/…                       the vendor's API, as it documents it
/control/<vendor>/behaviour       PUT how it behaves: to everybody, or to `?account=…`
/control                          POST the same from the page's form
/control/ledger                   GET what all of them were asked and did; DELETE it
"""

import asyncio
from collections.abc import Callable
from typing import Annotated
from urllib.parse import parse_qsl

from fastapi import FastAPI, HTTPException, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from dev.vendors.callbacks import Manner
from dev.vendors.fault_modes import ANYBODY, Behaviour
from dev.vendors.ga4 import Ga4
from dev.vendors.google_ads import GoogleAds
from dev.vendors.klaviyo import Klaviyo
from dev.vendors.ledger import Json, Ledger
from dev.vendors.mail_server import MailServer
from dev.vendors.meta import Meta
from dev.vendors.page import POLICY, render
from dev.vendors.payjp import Payjp
from dev.vendors.sendgrid import SendGrid
from dev.vendors.servicetitan import ServiceTitan
from dev.vendors.simulated import Simulated
from dev.vendors.slot_source import SchedulingVendor
from dev.vendors.stripe import Stripe
from dev.vendors.twilio import Twilio
from dev.vendors.webhook_receiver import WebhookReceiver

VENDORS: tuple[type[Simulated], ...] = (
    MailServer,
    SendGrid,
    Klaviyo,
    Twilio,
    Ga4,
    Meta,
    GoogleAds,
    ServiceTitan,
    Stripe,
    Payjp,
    WebhookReceiver,
)
"""Every vendor that is simulated."""


class Vendors:
    """The vendors, their common ledger, and the application that serves them."""

    def __init__(self) -> None:
        self.ledger = Ledger()
        self.by_name: dict[str, Simulated] = {vendor.name: vendor(self.ledger) for vendor in VENDORS}
        self.list_files: Callable[[], list[str]] = list
        """What lies in the S3 store, where there is one beside."""
        self.app = FastAPI(title="Vendors, simulated")
        self.app.get("/", response_class=HTMLResponse, include_in_schema=False)(self.show)
        self.app.get("/livez")(self.livez)
        self.app.post("/control", include_in_schema=False)(self.set_by_form)
        self.app.put("/control/{vendor}/behaviour", status_code=204)(self.set_behaviour)
        self.app.get("/control/ledger")(self.read_ledger)
        self.app.delete("/control/ledger", status_code=204)(self.clear_ledger)
        for name, vendor in self.by_name.items():
            self.app.mount(f"/{name}", vendor.app)
        self.app.mount("/scheduling", SchedulingVendor().app)

    async def show(self) -> HTMLResponse:
        """Everything, for people."""
        headers = {"Content-Security-Policy": POLICY, "Cache-Control": "no-store"}
        files = await asyncio.to_thread(self.list_files)
        return HTMLResponse(render(self.ledger.entries(), self.by_name.values(), files), headers=headers)

    async def livez(self) -> Json:
        return {"status": "ok"}

    async def set_by_form(self, request: Request) -> Response:
        """How a vendor behaves from now on, as the page's form says; fields that are left empty are not said."""
        if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            raise HTTPException(403, "Only the page itself sends this form.")
        said = dict(parse_qsl((await request.body()).decode(errors="replace")))
        vendor = self._vendor(said.pop("vendor", ""))
        manner = said.pop("calls", None)
        try:
            vendor.moods.set(Behaviour.model_validate(said))
            if (calls := vendor.calls_back_by()) is not None and manner is not None:
                calls.behave_to_all(Manner(manner))
        except ValueError as error:
            raise HTTPException(422, "There is no such behaviour.") from error
        return RedirectResponse("./#behaviour", status_code=303)

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
