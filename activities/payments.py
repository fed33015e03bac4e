"""The effects of a booking's payment. Each asks the gateway what there is before it does anything again.

The row that is committed before the gateway is called is what undoes it: with the end of the booking it is
settled, whatever came of the calls before.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Final, NoReturn

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from temporalio import activity
from temporalio.client import Client

from activities.effects import Done, EffectRunner
from activities.payment_case import Case, case_of
from activities.ports.payments import DeclinedError, Gateway, Order
from activities.ports.vendors import Call
from db.engine import autocommit
from db.repositories import compared_payments, payments
from db.repositories.effect_attempts import Claimed
from domain.effects import EffectKind, EffectRef, ObsoleteError, Vendor, VendorError
from domain.lifecycle import Status, is_terminal
from domain.payments import (
    SETTLED,
    UNPAID,
    Charge,
    ChargeState,
    Move,
    Payment,
    PaymentState,
    Settlement,
    events_between,
    has_lapsed_fee,
    holds_money,
    least_fee,
    may_promise_again,
    present,
    settlement,
    smallest_step,
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
        if not any(charge.number == number or holds_money(charge) for charge in charges):
            await case.void_open(charges)  # nobody may finish a former try behind this one
            try:
                charges = [*charges, await case.authorize(self._order(case, number, case.stored.amount))]
            except DeclinedError as declined:
                return Done(write=self._writing_decline(case, number, declined.code))
        return self._done(case, charges)

    def _order(self, case: Case, number: int, amount: int, *, off_session: bool = False) -> Order:
        if case.method_encrypted is None or case.payer is None:
            raise ObsoleteError("no_method")
        try:
            method = self._secrets.decrypt(case.method_encrypted)
        except (SecretsKeyMissingError, SecretUnreadableError):
            raise VendorError("secrets_unreadable", permanent=True) from None
        return Order(
            booking_id=case.booking_id,
            number=number,
            amount=amount,
            currency=case.currency,
            payer=case.payer,
            method=method,
            off_session=off_session,
        )

    async def _with_payer(self, case: Case) -> Case:
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
        by_hand = claimed.attempts > claimed.tries
        if may_promise_again(case.stored, charges, is_served=case.status is Status.COMPLETED, by_hand=by_hand):
            charges = await self._promise_again(case, charges, case.stored.amount)
        charge = present(charges)
        if charge is None or charge.state not in (ChargeState.AUTHORIZED, ChargeState.CAPTURED):
            await self._write_now(case, charges)
            raise ObsoleteError("not_authorized")
        if charge.state is ChargeState.AUTHORIZED:
            charge = await case.capture(charge.ref, case.stored.amount)
        return self._done(case, [*(one for one in charges if one.ref != charge.ref), charge])

    async def _promise_again(self, case: Case, charges: Sequence[Charge], amount: int) -> list[Charge]:
        """Promises lapse after days; the saved method is charged again without the customer, as they agreed.

        https://docs.stripe.com/payments/place-a-hold-on-a-payment-method
        """
        last = max(charges, key=lambda charge: charge.number)
        if last.number > case.stored.tries and last.state is not ChargeState.VOID:
            await self._fail_to_pay(case, last.number, last.failure or last.state)  # an answer that was lost
        number = max(case.stored.tries, last.number) + 1
        try:
            charge = await case.authorize(self._order(case, number, amount, off_session=True))
        except DeclinedError as declined:
            await self._fail_to_pay(case, number, declined.code)
        if charge.state is not ChargeState.AUTHORIZED:
            await self._fail_to_pay(case, number, charge.failure or charge.state)
        return [*charges, charge]

    async def _fail_to_pay(self, case: Case, number: int, code: str) -> NoReturn:
        """It is owed and nobody pays: that is for people, who see the effect as failed with the gateway's code."""
        async with self._engine.begin() as conn:
            await self._writing_decline(case, number, code)(conn)
        with suppress(VendorError):
            await case.void_open(await case.charges())  # nobody may finish it behind our back
        raise VendorError(code[:100], permanent=True)

    # --- settling ----------------------------------------------------------------------------------------

    async def _settle(self, claimed: Claimed, call: Call) -> Done:
        case = await self._case(claimed, call)
        if case.status is not Status.CANCELLED:
            raise ObsoleteError("booking_goes_on")
        await self._require_newest(claimed, case)
        policy = Cancellation(fee_percent=int(claimed.subject.get("fee_percent", 0)))
        keep = min(policy.fee_minor(case.price), case.stored.amount)
        keep -= keep % smallest_step(claimed.vendor, case.currency)
        return await self._settled(claimed, case, keep)

    async def _settled(self, claimed: Claimed, case: Case, keep: int) -> Done:
        least = least_fee(claimed.vendor, case.currency)
        for _ in range(_ROUNDS):
            charges = await case.charges()
            if case.method_encrypted is not None and has_lapsed_fee(charges, keep, least=least):
                charges = await self._promise_again(case, charges, keep)
            todo = settlement(charges, keep, authorized=case.stored.amount, least=least)
            if not todo:
                return self._done(case, charges, keep=sum(charge.net for charge in charges))
            for one in todo:
                await _make(case, one)
        raise VendorError("changed_meanwhile")

    async def _require_newest(self, claimed: Claimed, case: Case) -> None:
        """Refuse to settle by an earlier cancellation of a booking that was brought back and cancelled again."""
        version = claimed.subject.get("version")
        async with autocommit(self._engine) as conn:
            newest = await compared_payments.newest_settled_version(conn, case.business_id, case.booking_id)
        if version is not None and newest is not None and version < newest:
            raise ObsoleteError("superseded")

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

    async def _case(self, claimed: Claimed, call: Call) -> Case:
        assert claimed.booking_id is not None
        async with autocommit(self._engine) as conn:
            found = await payments.find(conn, claimed.business_id, claimed.booking_id)
        if found is None:
            raise ObsoleteError("no_payment")
        return case_of(found, self._gateways[claimed.vendor], call)

    def _done(self, case: Case, charges: Sequence[Charge], *, keep: int | None = None) -> Done:
        charge = present(charges)
        return Done(vendor_ref=charge.ref if charge else None, write=self._writing(case, charges, keep))

    def _writing(
        self, case: Case, charges: Sequence[Charge], keep: int | None = None
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

    def _writing_decline(self, case: Case, number: int, code: str) -> Callable[[AsyncConnection], Awaitable[None]]:
        async def write(conn: AsyncConnection) -> None:
            before = payments.as_payment(await payments.lock(conn, case.business_id, case.booking_id))
            if before.tries <= number:
                after = replace(
                    before, state=PaymentState.DECLINED, tries=number, failure=code[:100], gateway_ref=None
                )
                await self._save(conn, case, before, after)

        return write

    async def _write_now(self, case: Case, charges: Sequence[Charge]) -> None:
        async with self._engine.begin() as conn:
            await self._writing(case, charges)(conn)

    async def _save(self, conn: AsyncConnection, case: Case, before: Payment, after: Payment) -> None:
        action = self._secrets.encrypt(to_json_text(after.action)) if after.action is not None else None
        await payments.save(conn, case.business_id, case.booking_id, after, action)
        await payments.add_events(conn, case.business_id, case.booking_id, after, events_between(before, after))

    async def _tell_of(self, ref: EffectRef) -> None:
        """Tell the booking's workflow, if it waits. When that fails, recovery tells it later."""
        try:
            async with autocommit(self._engine) as conn:
                unnotified = await payments.find_unnotified(conn, ref.business_id, ref.effect_id)
            if unnotified is not None:
                await self._tell(activity.client(), unnotified)
        except Exception as error:
            _log.warning("payment_not_told", effect_id=str(ref.effect_id), error=type(error).__name__)


def _require_wanted(case: Case, number: int) -> None:
    """Refuse to try a method that is not to be tried any more."""
    if is_terminal(case.status) and case.status is not Status.COMPLETED:
        raise ObsoleteError("booking_ended")
    if case.stored.state not in UNPAID:
        raise ObsoleteError("paid_already" if case.stored.state not in SETTLED else "settled")
    if case.stored.tries != number:
        raise ObsoleteError("superseded")


async def _make(case: Case, one: Settlement) -> None:
    match one.move:
        case Move.CAPTURE:
            await case.capture(one.ref, one.amount)
        case Move.VOID:
            await case.void(one.ref)
        case Move.REFUND:
            await case.refund(one.ref, one.amount)
