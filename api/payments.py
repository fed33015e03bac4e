"""`/v1/bookings/{id}/payment`: a booking's payment, and a method to pay it by."""

from datetime import datetime
from typing import Final
from uuid import UUID

from fastapi import APIRouter, Response
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncConnection

from api.access import needs
from api.bookings.lookup import find_booking
from api.bookings.payment import encrypted_method
from api.bookings.schemas import PaymentMethodIn, PaymentToken
from api.deps import AppState, AppStateDep
from api.request_context import RequestContext, RequestContextDep
from api.shapes import Money
from api.writes import OnceWriterDep
from db.engine import autocommit
from db.repositories import bookings, payment_syncs, payments
from db.repositories.rows import Row
from domain import timeline
from domain.access import PERMITTED, Permission, actors_for
from domain.booking import BookingState
from domain.effects import Vendor
from domain.errors import ForbiddenError, NotFoundError
from domain.lifecycle import Role
from domain.payments import Collect, PaymentState
from domain.timeline import DeadlineKind
from runtime.json import from_json, to_json
from runtime.secrets import Secrets


class PaymentActionOut(BaseModel):
    """What the customer's browser hands to the gateway's own script, to prove to the bank who they are."""

    client_secret: str | None
    redirect_url: str | None


class TestMethodOut(BaseModel):
    """A payment method of a simulated gateway."""

    method: PaymentToken
    outcome: str
    """`good`, or the code with which it is declined."""


class PaymentOut(BaseModel):
    """What a booking costs through Holdfast, and how far that has come."""

    state: PaymentState
    vendor: Vendor
    public_key: str | None
    """By which the gateway's own form in a browser makes a token of a card."""
    collect: Collect
    amount: Money
    captured: Money
    refunded: Money
    keep: Money | None
    """Of a booking that was cancelled and settled: what it cost all the same."""
    failure: str | None
    """Of a method that was declined: the gateway's code."""
    action: PaymentActionOut | None
    """For the booking's customer alone."""
    expires_at: datetime | None
    """Until when the booking waits for its payment."""
    test_methods: list[TestMethodOut] | None
    """What a simulated gateway can be paid with; none: the gateway is real."""


router = APIRouter(prefix="/v1/bookings/{booking_id}/payment", tags=["payments"])

_TEST_METHODS: Final = {
    Vendor.STRIPE: [
        TestMethodOut(method="pm_card_visa", outcome="good"),
        TestMethodOut(method="pm_card_chargeDeclined", outcome="declined"),
        TestMethodOut(method="pm_card_chargeDeclinedInsufficientFunds", outcome="insufficient_funds"),
    ],
    Vendor.PAYJP: [
        TestMethodOut(method="pm_good", outcome="good"),
        TestMethodOut(method="pm_declined", outcome="declined"),
    ],
}
_PUBLIC_KEY = {Vendor.STRIPE: "publishable_key", Vendor.PAYJP: "public_key"}


@router.get(
    "",
    operation_id="getBookingPayment",
    dependencies=[needs(Permission.READ_BOOKINGS)],
    response_model=PaymentOut,
)
async def get(booking_id: UUID, app: AppStateDep, context: RequestContextDep) -> Response:
    """How far it has come. What the customer's browser needs to go on is shown to the customer alone.

    While it is `action_required` and the customer asks, the gateway is asked too, once a minute at most.
    """
    found = await find_booking(app, context, booking_id)
    async with autocommit(app.engine) as conn:
        if Role.CUSTOMER in _roles(context, found):  # the gateway may be unable to call us
            await payment_syncs.plan_sync_of_watched(conn, found["business_id"], booking_id)
        return await _shown(conn, app, context, found)


@router.post(
    "",
    operation_id="payBooking",
    dependencies=[needs(Permission.PAY_BOOKINGS)],
    status_code=202,
    response_model=PaymentOut,
)
async def pay(
    booking_id: UUID, body: PaymentMethodIn, app: AppStateDep, context: RequestContextDep, write: OnceWriterDep
) -> Response:
    """Pay by this method, a token of the gateway's. It is tried in the background: read on how that went.

    Possible while the booking waits for its payment, also when another method was declined, was not confirmed or
    could not be tried, ten times in all.
    """
    found = await find_booking(app, context, booking_id)
    if not _roles(context, found) & PERMITTED[Permission.PAY_BOOKINGS].roles:
        raise ForbiddenError
    encrypted = encrypted_method(app, body.method)

    async def make(conn: AsyncConnection) -> Response:
        await payments.try_method(conn, found["business_id"], booking_id, encrypted)
        return await _shown(conn, app, context, found, status=202)

    return await write.once(body, make)


def _roles(context: RequestContext, found: Row) -> set[Role]:
    actors = actors_for(
        context.caller,
        found["id"],
        business_id=found["business_id"],
        provider_id=found["provider_id"],
        customer_user_id=found["customer_user_id"],
    )
    return {actor.role for actor in actors}


async def _shown(
    conn: AsyncConnection, app: AppState, context: RequestContext, found: Row, *, status: int = 200
) -> Response:
    row = await payments.find(conn, found["business_id"], found["id"])
    state = await bookings.find_state(conn, found["business_id"], found["id"])
    if row is None or state is None:
        raise NotFoundError("Nothing is to be paid for this booking.")
    # An answer that is stored for repeated requests must not contain what is for the customer's browser alone.
    is_payer = status == 200 and Role.CUSTOMER in _roles(context, found)  # noqa: PLR2004
    content = _out(
        row, state, _action(app, row) if is_payer else None, is_simulated=bool(app.settings.vendors_url)
    )
    return Response(to_json(content.model_dump(mode="json")), status, media_type="application/json")


def _out(row: Row, state: BookingState, action: PaymentActionOut | None, *, is_simulated: bool) -> PaymentOut:
    def money(minor: int) -> Money:
        return Money(amount_minor=minor, currency=row["currency"])

    vendor, deadline = Vendor(row["vendor"]), timeline.deadline(state)
    waits = deadline is not None and deadline.kind is DeadlineKind.PAYMENT_EXPIRES
    return PaymentOut(
        state=row["state"],
        vendor=vendor,
        public_key=(row["gateway_settings"] or {}).get(_PUBLIC_KEY[vendor]),
        collect=row["collect"],
        amount=money(row["amount_minor"]),
        captured=money(row["captured_minor"]),
        refunded=money(row["refunded_minor"]),
        keep=None if row["keep_minor"] is None else money(row["keep_minor"]),
        failure=row["failure"],
        action=action,
        expires_at=deadline.at if deadline is not None and waits else None,
        test_methods=_TEST_METHODS[vendor] if is_simulated else None,
    )


def _action(app: AppState, row: Row) -> PaymentActionOut | None:
    if row["action_encrypted"] is None:
        return None
    opened = from_json(Secrets(app.settings.secrets_key).decrypt(row["action_encrypted"]))
    return PaymentActionOut.model_validate(opened)
