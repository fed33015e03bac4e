"""`python -m dev demo`: one booking from request to completion, with a refusal on the way."""

import secrets
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import httpx

from dev.demo_client import ApiError, DemoClient, Json, demo_http
from dev.demo_users import BUSINESS, CUSTOMER, TIMEZONE, provider_email
from dev.errors import DevError
from dev.timeline import Timeline

_SERVICE = "estimate"  # half an hour, and all three providers do it
_DAYS_AHEAD = 28


async def demo(api_url: str, ui_url: str | None) -> None:
    """Book, have a provider refuse, another one accept and finish; print it as it happens.

    Raises:
        DevError: no stack answers, or the booking did not get to its end.
    """
    async with demo_http(api_url) as http:
        customer = await DemoClient.log_in(http, CUSTOMER)
        names = {one["id"]: one["name"] for one in await customer.providers(BUSINESS)}
        booking = await _book(customer)
        print(f"Booked an estimate: {booking['reference']}, {booking['starts_at']}\n")
        await _live(http, Timeline(customer, booking["id"], names), booking["id"], names)
    if ui_url:
        print(f"\nIts workflow: {ui_url}/namespaces/default/workflows/booking%2F{booking['id']}")


async def _live(http: httpx.AsyncClient, timeline: Timeline, booking_id: str, names: dict[str, str]) -> None:
    first = (await timeline.until(_is_assigned, "assigned"))["provider_id"]
    refusing = await DemoClient.log_in(http, provider_email(names[first]))
    await refusing.command(booking_id, "reject", {"reason": "the van is in repair"})
    second = (await timeline.until(lambda now: _is_assigned(now, other_than=first), "assigned again"))[
        "provider_id"
    ]
    working = await DemoClient.log_in(http, provider_email(names[second]))
    for command in ("accept", "start", "complete"):
        await working.command(booking_id, command)
        await timeline.show()


def _is_assigned(booking: Json, other_than: str | None = None) -> bool:
    return bool(booking["status"] == "assigned" and booking["provider_id"] != other_than)


async def _book(customer: DemoClient) -> Json:
    """Book a slot at random, so that run after run finds one; one at which everybody is free, if there is any."""
    tomorrow = datetime.now(ZoneInfo(TIMEZONE)).date() + timedelta(days=1)
    slots = await customer.slots(BUSINESS, _SERVICE, tomorrow, _DAYS_AHEAD)
    secrets.SystemRandom().shuffle(slots)
    for slot in sorted(slots, key=lambda slot: -len(slot["provider_ids"])):
        request = {"business_id": BUSINESS, "service_id": _SERVICE, "starts_at": slot["starts_at"]}
        try:
            return await customer.book(request)
        except ApiError as error:  # somebody else was quicker
            if error.code != "slot_unavailable":
                raise
    raise DevError(f"every time of the next {_DAYS_AHEAD} days is taken: `python -m dev reset` empties the stack")
