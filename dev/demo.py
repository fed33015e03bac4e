"""`python -m dev demo`: one paid booking from request to completion, and two cancelled ones."""

from typing import NamedTuple

from dev.demo_booking import FAR, NEAR, DemoBooking, DemoSession
from dev.demo_business import BUSINESS, CUSTOMER, login_email
from dev.demo_client import DemoClient, Json, demo_http
from dev.demo_output import EffectList, Timeline
from dev.demo_stream import heard_by


class Links(NamedTuple):
    """Addresses of the stack."""

    api_url: str
    ui_url: str | None
    vendors_url: str


async def demo(links: Links) -> None:
    """Book; let one provider reject and another accept and complete; cancel in time, and late; print each step.

    Beside the steps of the first booking stands what the customer's stream hears of them.

    Raises:
        DevError: no stack answers, or a booking did not complete.
    """
    async with demo_http(links.api_url) as http:
        customer = await DemoClient.log_in(http, CUSTOMER)
        owner = await DemoClient.log_in(http, login_email("owner"))
        session = DemoSession(http, customer, owner, await _names(customer))
        async with heard_by(customer) as heard:
            booked = await session.book(FAR)
            print(f"Booked {booked.what}: {booked.reference}, {booked.starts_at}\n")
            await _complete(session, booked)
            await heard.wait_for(booked.id, "scheduling.booking.completed")
        effects = EffectList(owner, booked.id)
        print("\nEffects:\n")
        await effects.show()
        if session.takes_payment:
            await _cancelled(session, "Cancelled in time", await session.book(FAR))
            await _cancelled(session, "Cancelled late", await session.book(NEAR))
            print(f"\nE-mails, texts, payments, jobs and webhooks: {links.vendors_url}")
    if links.ui_url:
        print(f"Its workflow: {links.ui_url}/namespaces/default/workflows/booking%2F{booked.id}")


async def _names(customer: DemoClient) -> dict[str, str]:
    return {one["id"]: one["name"] for one in await customer.providers(BUSINESS)}


async def _complete(session: DemoSession, booked: DemoBooking) -> None:
    timeline = Timeline(session.customer, booked.id, session.names)
    first = (await timeline.until(_is_assigned, "assigned"))["provider_id"]
    rejecting = await session.provider(first)
    await rejecting.command(booked.id, "reject", {"reason": "the van is in repair"})
    second = (await timeline.until(lambda now: _is_assigned(now, other_than=first), "assigned again"))[
        "provider_id"
    ]
    working = await session.provider(second)
    for command in ("accept", "start", "complete"):
        await working.command(booked.id, command)
        await timeline.show()


async def _cancelled(session: DemoSession, title: str, booked: DemoBooking) -> None:
    """Let a booking be accepted and paid, cancel it, and print the payment."""
    timeline = Timeline(session.customer, booked.id, session.names)
    print(f"\n{title}: {booked.reference}, {booked.starts_at}\n")
    assigned = await timeline.until(_is_assigned, "assigned")
    await (await session.provider(assigned["provider_id"])).command(booked.id, "accept")
    await session.payment_until(booked, lambda payment: payment["state"] == "captured", "paid")
    await session.customer.command(booked.id, "cancel", {"reason": "the car is sold"})
    await timeline.show()
    print(f"  {_money(await session.payment_until(booked, _is_settled, 'settled'))}")


def _is_assigned(booking: Json, other_than: str | None = None) -> bool:
    return bool(booking["status"] == "assigned" and booking["provider_id"] != other_than)


def _is_settled(payment: Json) -> bool:
    keep = payment["keep"]
    kept = payment["captured"]["amount_minor"] - payment["refunded"]["amount_minor"]
    return keep is not None and kept <= int(keep["amount_minor"])


def _money(payment: Json) -> str:
    captured, refunded = (payment[name]["amount_minor"] / 100 for name in ("captured", "refunded"))
    currency = payment["amount"]["currency"]
    return f"paid {captured:.2f} {currency}, refunded {refunded:.2f}, kept {captured - refunded:.2f}"
