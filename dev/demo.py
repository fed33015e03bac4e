"""`python -m dev demo`: a paid booking from request to completion, and two that are cancelled."""

from typing import NamedTuple

from dev.demo_booking import FAR, NEAR, Booked, Desk
from dev.demo_client import DemoClient, Json, demo_http
from dev.demo_jobs import JobList
from dev.demo_users import BUSINESS, CUSTOMER, login_email
from dev.timeline import Timeline


class Links(NamedTuple):
    """Where the stack is, and what there is to look at."""

    api_url: str
    ui_url: str | None
    vendors_url: str


async def demo(links: Links) -> None:
    """Book, have a provider refuse, another one accept and finish; then cancel in time, and late. Print it all.

    Raises:
        DevError: no stack answers, or a booking did not get to its end.
    """
    async with demo_http(links.api_url) as http:
        customer = await DemoClient.log_in(http, CUSTOMER)
        owner = await DemoClient.log_in(http, login_email("owner"))
        desk = Desk(http, customer, owner, await _names(customer))
        booked = await desk.book(FAR)
        print(f"Booked {booked.what}: {booked.reference}, {booked.starts_at}\n")
        await _live(desk, booked)
        jobs = JobList(owner, booked.id)
        print("\nWhat it set off:\n")
        await jobs.show()
        if desk.takes_payment:
            await _cancelled(desk, "Cancelled in time", await desk.book(FAR))
            await _cancelled(desk, "Cancelled late", await desk.book(NEAR))
            print(f"\nE-mails, texts, payments, jobs and webhooks: {links.vendors_url}")
    if links.ui_url:
        print(f"Its workflow: {links.ui_url}/namespaces/default/workflows/booking%2F{booked.id}")


async def _names(customer: DemoClient) -> dict[str, str]:
    return {one["id"]: one["name"] for one in await customer.providers(BUSINESS)}


async def _live(desk: Desk, booked: Booked) -> None:
    timeline = Timeline(desk.customer, booked.id, desk.names)
    first = (await timeline.until(_is_assigned, "assigned"))["provider_id"]
    refusing = await desk.provider(first)
    await refusing.command(booked.id, "reject", {"reason": "the van is in repair"})
    second = (await timeline.until(lambda now: _is_assigned(now, other_than=first), "assigned again"))[
        "provider_id"
    ]
    working = await desk.provider(second)
    for command in ("accept", "start", "complete"):
        await working.command(booked.id, command)
        await timeline.show()


async def _cancelled(desk: Desk, title: str, booked: Booked) -> None:
    """Have it accepted and paid, cancel it, and say what came of the money."""
    timeline = Timeline(desk.customer, booked.id, desk.names)
    print(f"\n{title}: {booked.reference}, {booked.starts_at}\n")
    assigned = await timeline.until(_is_assigned, "assigned")
    await (await desk.provider(assigned["provider_id"])).command(booked.id, "accept")
    await desk.payment_until(booked, lambda payment: payment["state"] == "captured", "paid")
    await desk.customer.command(booked.id, "cancel", {"reason": "the car is sold"})
    await timeline.show()
    print(f"  {_money(await desk.payment_until(booked, _is_settled, 'settled'))}")


def _is_assigned(booking: Json, other_than: str | None = None) -> bool:
    return bool(booking["status"] == "assigned" and booking["provider_id"] != other_than)


def _is_settled(payment: Json) -> bool:
    keep = payment["keep"]
    given_back = payment["captured"]["amount_minor"] - payment["refunded"]["amount_minor"]
    return keep is not None and given_back <= int(keep["amount_minor"])


def _money(payment: Json) -> str:
    captured, refunded = (payment[name]["amount_minor"] / 100 for name in ("captured", "refunded"))
    currency = payment["amount"]["currency"]
    return f"paid {captured:.2f} {currency}, given back {refunded:.2f}, kept {captured - refunded:.2f}"
