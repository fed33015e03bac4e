"""The effects of a booking's payment. Each asks the gateway what there is before it does anything again.

The row that is committed before the gateway is called is what undoes it: with the end of the booking it is
settled, whatever came of the calls before.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from temporalio import activity
from temporalio.client import Client

from activities.effects import Done, EffectRunner
from activities.ports.payments import DeclinedError, Gateway, Order
from activities.ports.vendors import Call
from db.engine import autocommit
from db.repositories import payments
from db.repositories.effects import Claimed
from domain.effects import EffectKind, EffectRef, ObsoleteError, Vendor, VendorError
from domain.lifecycle import Status, is_terminal
from domain.payments import (
    SETTLED,
    UNPAID,
    Charge,
    ChargeState,
    Collect,
    Move,
    Payment,
    PaymentState,
    Settlement,
    events_between,
    least_capture,
    present,
    settlement,
    synced,
)
from domain.policies import Cancellation
from domain.steps import BookingRef
from runtime.json import to_json_text
from runtime.secrets import Secrets, SecretsKeyMissingError, SecretUnreadableError

_log = structlog.get_logger()

_ROUNDS: Final = 3
"""How often an end is compared with the gateway: the customer's browser may change something in between."""

Tell = Callable[[Client, BookingRef], Awaitable[None]]
"""Tells a booking's workflow that the payment is there."""


@dataclass(frozen=True, slots=True)
class _Case:
    """A payment that is being worked on: as it is stored, and the gateway as its business reaches it."""

    booking_id: UUID
    business_id: UUID
    stored: Payment
    status: Status
    price: int
    currency: str
    collect: Collect
    payer: str | None
    method_encrypted: str | None = field(repr=False)
    gateway: Gateway = field(repr=False)
    call: Call = field(repr=False)

    async def charges(self) -> list[Charge]:
        """All that the gateway has of this booking."""
        if self.payer is None:
            return []
        charges = list(await self.gateway.charges(self.call, self.payer))
        if any(charge.state is ChargeState.PROCESSING for charge in charges):
            raise VendorError("processing")
        return charges


class PaymentActivities:
    def __init__(
        self,
        engine: AsyncEngine,
        runner: EffectRunner,
        secrets: Secrets,
        gateways: Mapping[Vendor, Gateway],
        tell: Tell,
    ) -> None:
        self._engine = engine
        self._secrets = secrets
        self._gateways = gateways
        self._tell = tell
        self._runner = runner

    @activity.defn(name=EffectKind.AUTHORIZE_PAYMENT)
    async def authorize_payment(self, ref: EffectRef) -> str:
        """Have the money promised, and let the booking's workflow go on."""
        state = await self._runner.run(ref, self._authorize)
        await self._tell_of(ref)
        return state

    @activity.defn(name=EffectKind.CAPTURE_PAYMENT)
    async def capture_payment(self, ref: EffectRef) -> str:
        """Take what was promised."""
        return await self._runner.run(ref, self._capture)

    @activity.defn(name=EffectKind.SETTLE_PAYMENT)
    async def settle_payment(self, ref: EffectRef) -> str:
        """After the end: keep what the booking costs all the same, and let go or give back the rest."""
        return await self._runner.run(ref, self._settle)

    @activity.defn(name=EffectKind.SYNC_PAYMENT)
    async def sync_payment(self, ref: EffectRef) -> str:
        """Take over what the gateway has, because it called."""
        state = await self._runner.run(ref, self._sync)
        await self._tell_of(ref)
        return state

    # --- authorising -------------------------------------------------------------------------------------

    async def _authorize(self, claimed: Claimed, call: Call) -> Done:
        case = await self._case(claimed, call)
        number = int(claimed.subject["try"])
        _require_wanted(case, number)
        case = await self._with_payer(case)
        charges = await case.charges() if call.may_have_happened or number > 1 else []
        if not any(charge.number == number or _holds_money(charge) for charge in charges):
            for charge in charges:  # nobody may finish a former try behind this one
                if charge.state is not ChargeState.VOID:
                    await case.gateway.void(call, charge.ref)
            try:
                charges = [*charges, await case.gateway.authorize(call, self._order(case, number))]
            except DeclinedError as declined:
                return Done(write=self._writing_decline(case, number, declined.code))
        _require_settled_state(charges)
        return self._done(case, charges)

    def _order(self, case: _Case, number: int, *, off_session: bool = False) -> Order:
        if case.method_encrypted is None or case.payer is None:
            raise ObsoleteError("no_method")
        try:
            method = self._secrets.decrypt(case.method_encrypted)
        except (SecretsKeyMissingError, SecretUnreadableError):
            raise VendorError("secrets_unreadable", permanent=True) from None
        return Order(
            booking_id=case.booking_id,
            number=number,
            amount=case.stored.amount,
            currency=case.currency,
            payer=case.payer,
            method=method,
            is_kept=case.collect is Collect.COMPLETION,
            off_session=off_session,
        )

    async def _with_payer(self, case: _Case) -> _Case:
        """The same with a payer, whose id is committed before they are charged: by it all tries are found."""
        if case.payer is not None:
            return case
        made = await case.gateway.payer(case.call, case.booking_id)
        async with autocommit(self._engine) as conn:
            payer = await payments.note_payer(conn, case.business_id, case.booking_id, made)
        return replace(case, payer=payer)

    # --- capturing ---------------------------------------------------------------------------------------

    async def _capture(self, claimed: Claimed, call: Call) -> Done:
        case = await self._case(claimed, call)
        if case.status is Status.CANCELLED:
            raise ObsoleteError("booking_ended")  # it is settled right behind this
        if case.stored.state in SETTLED:
            raise ObsoleteError("settled")
        charges = await case.charges()
        charge = present(charges)
        if charge is not None and charge.has_lapsed and case.stored.state is PaymentState.AUTHORIZED:
            charge = await self._authorize_again(case, charges)
        if charge is None or charge.state not in (ChargeState.AUTHORIZED, ChargeState.CAPTURED):
            await self._write_now(case, charges)
            raise ObsoleteError("not_authorized")
        if charge.state is ChargeState.AUTHORIZED:
            charge = await case.gateway.capture(call, charge.ref, case.stored.amount)
        return self._done(case, [*(one for one in charges if one.ref != charge.ref), charge])

    async def _authorize_again(self, case: _Case, charges: Sequence[Charge]) -> Charge:
        """Promises lapse after days; the saved method is charged again without the customer, as they agreed.

        https://docs.stripe.com/payments/place-a-hold-on-a-payment-method
        """
        number = max(charge.number for charge in charges) + 1
        try:
            charge = await case.gateway.authorize(case.call, self._order(case, number, off_session=True))
        except DeclinedError as declined:
            return await self._fail_to_pay(case, number, declined.code)
        _require_settled_state([charge])
        if charge.state is not ChargeState.AUTHORIZED:
            await case.gateway.void(case.call, charge.ref)
            return await self._fail_to_pay(case, number, charge.failure or charge.state)
        return charge

    async def _fail_to_pay(self, case: _Case, number: int, code: str) -> Charge:
        """The service was given and nobody pays: that is for people, who see the effect as failed."""
        async with self._engine.begin() as conn:
            await self._writing_decline(case, number, code)(conn)
        raise VendorError("payment_declined", permanent=True)

    # --- settling ----------------------------------------------------------------------------------------

    async def _settle(self, claimed: Claimed, call: Call) -> Done:
        case = await self._case(claimed, call)
        if case.status is not Status.CANCELLED:
            raise ObsoleteError("booking_goes_on")
        policy = Cancellation(fee_percent=int(claimed.subject.get("fee_percent", 0)))
        keep = min(policy.fee_minor(case.price), case.stored.amount)
        return await self._settled(claimed, case, keep)

    async def _settled(self, claimed: Claimed, case: _Case, keep: int) -> Done:
        for _ in range(_ROUNDS):
            charges = await case.charges()
            least = least_capture(claimed.vendor)
            todo = settlement(charges, keep, authorized=case.stored.amount, least=least)
            if not todo:
                return self._done(case, charges, keep=sum(charge.net for charge in charges))
            for one in todo:
                await _make(case, one)
        raise VendorError("changed_meanwhile")

    # --- what the gateway says ---------------------------------------------------------------------------

    async def _sync(self, claimed: Claimed, call: Call) -> Done:
        case = await self._case(claimed, call)
        if case.payer is None:
            raise ObsoleteError("nothing_there")
        charges = await case.charges()
        late = any(charge.state is ChargeState.AUTHORIZED for charge in charges)
        if late and case.status is Status.CANCELLED and case.stored.keep is not None:
            return await self._settled(claimed, case, case.stored.keep)  # promised after it was all over
        return self._done(case, charges)

    async def _case(self, claimed: Claimed, call: Call) -> _Case:
        assert claimed.booking_id is not None
        async with autocommit(self._engine) as conn:
            found = await payments.find(conn, claimed.business_id, claimed.booking_id)
        if found is None:
            raise ObsoleteError("no_payment")
        return _Case(
            booking_id=claimed.booking_id,
            business_id=claimed.business_id,
            stored=payments.as_payment(found),
            status=Status(found["status"]),
            price=found["price_minor"],
            currency=found["currency"],
            collect=Collect(found["collect"]),
            payer=found["payer_ref"],
            method_encrypted=found["method_encrypted"],
            gateway=self._gateways[claimed.vendor],
            call=call,
        )

    def _done(self, case: _Case, charges: Sequence[Charge], *, keep: int | None = None) -> Done:
        charge = present(charges)
        return Done(vendor_ref=charge.ref if charge else None, write=self._writing(case, charges, keep))

    def _writing(
        self, case: _Case, charges: Sequence[Charge], keep: int | None = None
    ) -> Callable[[AsyncConnection], Awaitable[None]]:
        """What brings our row up to the gateway's; with `keep` the booking has ended and this is what it cost."""

        async def write(conn: AsyncConnection) -> None:
            before = payments.as_payment(await payments.lock(conn, case.business_id, case.booking_id))
            after = synced(before, charges)
            if keep is not None:
                settled = PaymentState.RELEASED if after.captured == 0 else after.state
                after = replace(after, keep=keep, state=settled, failure=None, action=None)
            await self._save(conn, case, before, after)

        return write

    def _writing_decline(
        self, case: _Case, number: int, code: str
    ) -> Callable[[AsyncConnection], Awaitable[None]]:
        async def write(conn: AsyncConnection) -> None:
            before = payments.as_payment(await payments.lock(conn, case.business_id, case.booking_id))
            if before.tries <= number:
                after = replace(
                    before, state=PaymentState.DECLINED, tries=number, failure=code[:100], gateway_ref=None
                )
                await self._save(conn, case, before, after)

        return write

    async def _write_now(self, case: _Case, charges: Sequence[Charge]) -> None:
        async with self._engine.begin() as conn:
            await self._writing(case, charges)(conn)

    async def _save(self, conn: AsyncConnection, case: _Case, before: Payment, after: Payment) -> None:
        action = self._secrets.encrypt(to_json_text(after.action)) if after.action is not None else None
        await payments.save(conn, case.business_id, case.booking_id, after, action)
        await payments.add_events(conn, case.business_id, case.booking_id, after, events_between(before, after))

    async def _tell_of(self, ref: EffectRef) -> None:
        """Tell the booking's workflow, if it waits. Should that fail, the sweeper tells it."""
        try:
            async with autocommit(self._engine) as conn:
                unheard = await payments.find_unheard(conn, ref.business_id, ref.effect_id)
            if unheard is not None:
                await self._tell(activity.client(), unheard)
        except Exception as error:
            _log.warning("payment_not_told", effect_id=str(ref.effect_id), error=type(error).__name__)


def _require_wanted(case: _Case, number: int) -> None:
    """Refuse to try a method that is not to be tried any more."""
    if is_terminal(case.status) and case.status is not Status.COMPLETED:
        raise ObsoleteError("booking_ended")
    if case.stored.state not in UNPAID:
        raise ObsoleteError("paid_already" if case.stored.state not in SETTLED else "settled")
    if case.stored.tries != number:
        raise ObsoleteError("superseded")


def _require_settled_state(charges: Sequence[Charge]) -> None:
    """Wait for a gateway that has not made up its mind."""
    if any(charge.state is ChargeState.PROCESSING for charge in charges):
        raise VendorError("processing")


def _holds_money(charge: Charge) -> bool:
    return charge.captured > 0 or charge.state is ChargeState.AUTHORIZED


async def _make(case: _Case, one: Settlement) -> None:
    match one.move:
        case Move.CAPTURE:
            await case.gateway.capture(case.call, one.ref, one.amount)
        case Move.VOID:
            await case.gateway.void(case.call, one.ref)
        case Move.REFUND:
            await case.gateway.refund(case.call, one.ref, one.amount)
