"""All simulated vendors as one ASGI application, with routes that control their faults.

/                                 a page for people
/<vendor>/…                       the vendor's API, as documented
/control/<vendor>/behaviour       PUT the behaviour, for all accounts or for `?account=…`
/control                          POST the same from the page's form
/control/ledger                   GET the requests and results of all vendors; DELETE them
"""

import asyncio
from collections.abc import Callable
from typing import Annotated
from urllib.parse import parse_qsl

from fastapi import FastAPI, HTTPException, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from dev.vendors.base import SimulatedVendor
from dev.vendors.callbacks import CallbackMode
from dev.vendors.fault_modes import ALL_ACCOUNTS, Behaviour
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
from dev.vendors.slot_source import SchedulingVendor
from dev.vendors.stripe import Stripe
from dev.vendors.twilio import Twilio
from dev.vendors.webhook_receiver import WebhookReceiver

VENDORS: tuple[type[SimulatedVendor], ...] = (
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
"""All simulated vendors."""


class Vendors:
    """The vendors, their shared ledger, and the application that serves them."""

    def __init__(self) -> None:
        self.ledger = Ledger()
        self.by_name: dict[str, SimulatedVendor] = {vendor.name: vendor(self.ledger) for vendor in VENDORS}
        self.list_files: Callable[[], list[str]] = list
        """Lists the files in the S3 store, if there is one."""
        self.app = FastAPI(title="Simulated vendors")
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
        """The page for people."""
        headers = {"Content-Security-Policy": POLICY, "Cache-Control": "no-store"}
        files = await asyncio.to_thread(self.list_files)
        return HTMLResponse(render(self.ledger.entries(), self.by_name.values(), files), headers=headers)

    async def livez(self) -> Json:
        return {"status": "ok"}

    async def set_by_form(self, request: Request) -> Response:
        """Set a vendor's behaviour from the page's form; empty fields are ignored."""
        if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            raise HTTPException(403, "Only the page may send this form.")
        form = dict(parse_qsl((await request.body()).decode(errors="replace")))
        vendor = self._vendor(form.pop("vendor", ""))
        callback_mode = form.pop("callback_mode", None)
        try:
            vendor.fault_modes.set(Behaviour.model_validate(form))
            if (callbacks := vendor.callback_sender()) is not None and callback_mode is not None:
                callbacks.set_mode_of_all(CallbackMode(callback_mode))
        except ValueError as error:
            raise HTTPException(422, "Unknown behaviour.") from error
        return RedirectResponse("./#behaviour", status_code=303)

    async def set_behaviour(self, vendor: str, behaviour: Behaviour, account: str = ALL_ACCOUNTS) -> None:
        """Set a vendor's behaviour."""
        self._vendor(vendor).fault_modes.set(behaviour, account)

    async def read_ledger(
        self,
        vendor: str | None = None,
        account: str | None = None,
        action: str | None = None,
        after: Annotated[int, Query(ge=0)] = 0,
    ) -> Json:
        """The matching entries, without the first `after`."""
        found = self.ledger.entries(vendor, account=account, action=action)
        return {"entries": [entry.as_json() for entry in found[after:]]}

    async def clear_ledger(self) -> None:
        self.ledger.clear()

    def _vendor(self, name: str) -> SimulatedVendor:
        if name not in self.by_name:
            raise HTTPException(404, f"Unknown vendor {name}: the vendors are {', '.join(self.by_name)}.")
        return self.by_name[name]
