"""The effects of a booking's payment: authorise, capture, settle (fees and refunds), and synchronise.

Each effect asks the gateway for its charges before it repeats anything. The payment's row is committed before the
gateway is called, so the settlement at the booking's end undoes whatever earlier calls did.
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
from activities.payment_context import PaymentContext, payment_context
from activities.ports import ChargeRequest, DeclinedError, Gateway
from activities.vendor_calls import Call
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
    Payment,
    PaymentState,
    SettlementAction,
    SettlementStep,
    current_charge,
    events_between,
    holds_money,
    least_fee,
    may_reauthorize,
    needs_fee_authorization,
    settlement,
    smallest_step,
    synced,
)
from domain.policies import Cancellation
from domain.steps import BookingRef
from runtime.json import to_json_text
from runtime.secrets import Secrets, SecretsKeyMissingError, SecretUnreadableError

_log = structlog.get_logger()

_SETTLEMENT_ROUNDS: Final = 3
"""How often a settlement is checked against the gateway: the customer's browser may change something meanwhile."""

Notify = Callable[[Client, BookingRef], Awaitable[None]]
"""Notifies a booking's workflow that its payment is authorised."""


class PaymentActivities:
    def __init__(
        self,
        engine: AsyncEngine,
        runner: EffectRunner,
        secrets: Secrets,
        gateways: Mapping[Vendor, Gateway],
        notify: Notify,
    ) -> None:
        self._engine = engine
        self._secrets = secrets
        self._gateways = gateways
        self._notify = notify
        self._runner = runner

    @activity.defn(name=EffectKind.AUTHORIZE_PAYMENT)
    async def authorize_payment(self, ref: EffectRef) -> str:
        """Authorise the payment, and notify the booking's workflow."""
        state = await self._runner.run(ref, self._authorize)
        await self._notify_workflow(ref)
        return state

    @activity.defn(name=EffectKind.CAPTURE_PAYMENT)
    async def capture_payment(self, ref: EffectRef) -> str:
        """Capture the authorised payment."""
        return await self._runner.run(ref, self._capture)

    @activity.defn(name=EffectKind.SETTLE_PAYMENT)
    async def settle_payment(self, ref: EffectRef) -> str:
        """After a cancellation: keep the fee, and release or refund the rest."""
        return await self._runner.run(ref, self._settle)

    @activity.defn(name=EffectKind.SYNC_PAYMENT)
    async def sync_payment(self, ref: EffectRef) -> str:
        """Take over the gateway's state of the payment."""
        state = await self._runner.run(ref, self._sync)
        await self._notify_workflow(ref)
        return state

    # --- authorisation -----------------------------------------------------------------------------------

    async def _authorize(self, claimed: Claimed, call: Call) -> Done:
        context = await self._context(claimed, call)
        number = int(claimed.subject["try"])
        _require_current_try(context, number)
        context = await self._with_payer(context)
        charges = await context.charges() if call.may_have_happened or number > 1 else []
        if not any(charge.number == number or holds_money(charge) for charge in charges):
            await context.void_open(charges)  # so that nobody can still complete an earlier try
            try:
                charges = [
                    *charges,
                    await context.authorize(self._request(context, number, context.stored.amount)),
                ]
            except DeclinedError as declined:
                return Done(write=self._writing_decline(context, number, declined.code))
        return self._done(context, charges)

    def _request(
        self, context: PaymentContext, number: int, amount: int, *, off_session: bool = False
    ) -> ChargeRequest:
        if context.method_encrypted is None or context.payer is None:
            raise ObsoleteError("no_method")
        try:
            method = self._secrets.decrypt(context.method_encrypted)
        except (SecretsKeyMissingError, SecretUnreadableError):
            raise VendorError("secrets_unreadable", permanent=True) from None
        return ChargeRequest(
            booking_id=context.booking_id,
            number=number,
            amount=amount,
            currency=context.currency,
            payer=context.payer,
            method=method,
            off_session=off_session,
        )

    async def _with_payer(self, context: PaymentContext) -> PaymentContext:
        """The context with a payer, whose id is committed before they are charged: all tries are found by it."""
        if context.payer is not None:
            return context
        created = await context.gateway.payer(context.call, context.booking_id)
        async with autocommit(self._engine) as conn:
            payer = await payments.record_payer(conn, context.business_id, context.booking_id, created)
        return replace(context, payer=payer)

    # --- capture -----------------------------------------------------------------------------------------

    async def _capture(self, claimed: Claimed, call: Call) -> Done:
        context = await self._context(claimed, call)
        if context.status is Status.CANCELLED:
            raise ObsoleteError("booking_ended")  # the settlement follows right after this
        if context.stored.state in SETTLED:
            raise ObsoleteError("settled")
        charges = await context.charges()
        by_hand = claimed.attempts > claimed.tries
        if may_reauthorize(context.stored, charges, is_served=context.status is Status.COMPLETED, by_hand=by_hand):
            charges = await self._reauthorize(context, charges, context.stored.amount)
        charge = current_charge(charges)
        if charge is None or charge.state not in (ChargeState.AUTHORIZED, ChargeState.CAPTURED):
            await self._write_now(context, charges)
            raise ObsoleteError("not_authorized")
        if charge.state is ChargeState.AUTHORIZED:
            charge = await context.capture(charge.ref, context.stored.amount)
        return self._done(context, [*(one for one in charges if one.ref != charge.ref), charge])

    async def _reauthorize(self, context: PaymentContext, charges: Sequence[Charge], amount: int) -> list[Charge]:
        """Authorisations expire after days: charge the saved method again, off-session, as the customer agreed.

        https://docs.stripe.com/payments/place-a-hold-on-a-payment-method
        """
        last = max(charges, key=lambda charge: charge.number)
        if last.number > context.stored.tries and last.state is not ChargeState.VOID:
            await self._fail_unpaid(context, last.number, last.failure or last.state)  # whose answer was lost
        number = max(context.stored.tries, last.number) + 1
        try:
            charge = await context.authorize(self._request(context, number, amount, off_session=True))
        except DeclinedError as declined:
            await self._fail_unpaid(context, number, declined.code)
        if charge.state is not ChargeState.AUTHORIZED:
            await self._fail_unpaid(context, number, charge.failure or charge.state)
        return [*charges, charge]

    async def _fail_unpaid(self, context: PaymentContext, number: int, code: str) -> NoReturn:
        """Fail the effect for good with the gateway's code: the amount is owed, and a person must decide."""
        async with self._engine.begin() as conn:
            await self._writing_decline(context, number, code)(conn)
        with suppress(VendorError):
            await context.void_open(await context.charges())  # so that nobody can still complete it
        raise VendorError(code[:100], permanent=True)

    # --- settlement --------------------------------------------------------------------------------------

    async def _settle(self, claimed: Claimed, call: Call) -> Done:
        context = await self._context(claimed, call)
        if context.status is not Status.CANCELLED:
            raise ObsoleteError("booking_goes_on")
        await self._require_newest(claimed, context)
        policy = Cancellation(fee_percent=int(claimed.subject.get("fee_percent", 0)))
        keep = min(policy.fee_minor(context.price), context.stored.amount)
        keep -= keep % smallest_step(claimed.vendor, context.currency)
        return await self._settle_to(claimed, context, keep)

    async def _settle_to(self, claimed: Claimed, context: PaymentContext, keep: int) -> Done:
        least = least_fee(claimed.vendor, context.currency)
        for _ in range(_SETTLEMENT_ROUNDS):
            charges = await context.charges()
            if context.method_encrypted is not None and needs_fee_authorization(charges, keep, least=least):
                charges = await self._reauthorize(context, charges, keep)
            todo = settlement(charges, keep, authorized=context.stored.amount, least=least)
            if not todo:
                return self._done(context, charges, keep=sum(charge.net for charge in charges))
            for step in todo:
                await _carry_out(context, step)
        raise VendorError("changed_meanwhile")

    async def _require_newest(self, claimed: Claimed, context: PaymentContext) -> None:
        """Refuse an earlier cancellation's settlement of a booking that was reopened and cancelled again."""
        version = claimed.subject.get("version")
        async with autocommit(self._engine) as conn:
            newest = await compared_payments.newest_settled_version(conn, context.business_id, context.booking_id)
        if version is not None and newest is not None and version < newest:
            raise ObsoleteError("superseded")

    # --- synchronisation ---------------------------------------------------------------------------------

    async def _sync(self, claimed: Claimed, call: Call) -> Done:
        context = await self._context(claimed, call)
        if context.payer is None:
            raise ObsoleteError("nothing_there")
        charges = await context.charges()
        late = any(charge.state is ChargeState.AUTHORIZED for charge in charges)
        if late and context.status is Status.CANCELLED and context.stored.keep is not None:
            return await self._settle_to(claimed, context, context.stored.keep)  # authorised after the settlement
        return self._done(context, charges)

    async def _context(self, claimed: Claimed, call: Call) -> PaymentContext:
        assert claimed.booking_id is not None
        async with autocommit(self._engine) as conn:
            found = await payments.find(conn, claimed.business_id, claimed.booking_id)
        if found is None:
            raise ObsoleteError("no_payment")
        return payment_context(found, self._gateways[claimed.vendor], call)

    def _done(self, context: PaymentContext, charges: Sequence[Charge], *, keep: int | None = None) -> Done:
        charge = current_charge(charges)
        return Done(vendor_ref=charge.ref if charge else None, write=self._writing(context, charges, keep))

    def _writing(
        self, context: PaymentContext, charges: Sequence[Charge], keep: int | None = None
    ) -> Callable[[AsyncConnection], Awaitable[None]]:
        """Returns what updates our row from the charges; `keep` is what a cancelled booking costs after all."""

        async def write(conn: AsyncConnection) -> None:
            before = payments.as_payment(await payments.lock(conn, context.business_id, context.booking_id))
            after = synced(before, charges)
            if keep is not None:
                settled = PaymentState.RELEASED if after.captured == 0 else after.state
                after = replace(after, keep=keep, state=settled, failure=None, action=None)
            await self._save(conn, context, before, after)

        return write

    def _writing_decline(
        self, context: PaymentContext, number: int, code: str
    ) -> Callable[[AsyncConnection], Awaitable[None]]:
        async def write(conn: AsyncConnection) -> None:
            before = payments.as_payment(await payments.lock(conn, context.business_id, context.booking_id))
            if before.tries <= number:
                after = replace(
                    before, state=PaymentState.DECLINED, tries=number, failure=code[:100], gateway_ref=None
                )
                await self._save(conn, context, before, after)

        return write

    async def _write_now(self, context: PaymentContext, charges: Sequence[Charge]) -> None:
        async with self._engine.begin() as conn:
            await self._writing(context, charges)(conn)

    async def _save(self, conn: AsyncConnection, context: PaymentContext, before: Payment, after: Payment) -> None:
        business_id, booking_id = context.business_id, context.booking_id
        action = self._secrets.encrypt(to_json_text(after.action)) if after.action is not None else None
        await payments.save(conn, business_id, booking_id, after, action)
        await payments.add_events(conn, business_id, booking_id, after, events_between(before, after))

    async def _notify_workflow(self, ref: EffectRef) -> None:
        """Tell the booking's workflow, if it waits. When that fails, recovery tells it later."""
        try:
            async with autocommit(self._engine) as conn:
                unnotified = await payments.find_unnotified(conn, ref.business_id, ref.effect_id)
            if unnotified is not None:
                await self._notify(activity.client(), unnotified)
        except Exception as error:
            _log.warning("payment_not_told", effect_id=str(ref.effect_id), error=type(error).__name__)


def _require_current_try(context: PaymentContext, number: int) -> None:
    """Raise `ObsoleteError` when this try of a method was superseded or is no longer needed."""
    if is_terminal(context.status) and context.status is not Status.COMPLETED:
        raise ObsoleteError("booking_ended")
    if context.stored.state not in UNPAID:
        raise ObsoleteError("paid_already" if context.stored.state not in SETTLED else "settled")
    if context.stored.tries != number:
        raise ObsoleteError("superseded")


async def _carry_out(context: PaymentContext, step: SettlementStep) -> None:
    match step.action:
        case SettlementAction.CAPTURE:
            await context.capture(step.ref, step.amount)
        case SettlementAction.VOID:
            await context.void(step.ref)
        case SettlementAction.REFUND:
            await context.refund(step.ref, step.amount)
