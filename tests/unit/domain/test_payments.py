"""Payments: amounts due, the effect of gateway results, and refunds for ended bookings."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.booking import SYSTEM, Actor, BookingState
from domain.effect_rules import effects_of_step
from domain.effects import EffectKind, Vendor
from domain.lifecycle import Command, Role, Status
from domain.payments import (
    Charge,
    ChargeState,
    Payment,
    PaymentGate,
    PaymentMode,
    PaymentState,
    SettlementAction,
    SettlementStep,
    amount_due,
    can_take,
    events_between,
    least_fee,
    may_reauthorize,
    needs_fee_authorization,
    settlement,
    synced,
)
from domain.policies import Cancellation, Policy
from domain.steps import Hold, Reason, Step, StepKind
from domain.transitions import decide, owes_fee
from tests.support.domain.builders import ADMIN, CUSTOMER, OWNER, booking, command

AMOUNT = 1000
_TOOK = (ChargeState.CAPTURED,)


def payment(state: PaymentState = PaymentState.AWAITING, **known: Any) -> Payment:
    return replace(Payment(state=state, tries=1, amount=AMOUNT), **known)


@pytest.mark.parametrize(
    ("mode", "deposit", "due"),
    [("none", None, 0), ("full", None, AMOUNT), ("deposit", 300, 300), ("deposit", 2000, AMOUNT)],
)
def test_a_deposit_is_never_more_than_the_price(mode: str, deposit: int | None, due: int) -> None:
    assert amount_due(PaymentMode(mode), AMOUNT, deposit) == due


def test_payjp_takes_yen_only_and_fifty_at_least() -> None:
    assert [can_take(Vendor.PAYJP, *amount) for amount in ((50, "JPY"), (49, "JPY"), (5000, "USD"))] == [
        True,
        False,
        False,
    ]
    assert can_take(Vendor.STRIPE, 5000, "USD")


@pytest.mark.parametrize(
    ("amount", "currency", "taken"),
    [(501, "JPY", True), (5120, "KWD", True), (5124, "KWD", False), (500, "ISK", False), (500, "UGX", False)],
)
def test_stripe_takes_no_amount_that_it_counts_in_other_units(amount: int, currency: str, taken: bool) -> None:
    assert can_take(Vendor.STRIPE, amount, currency) is taken


@pytest.mark.parametrize(
    ("vendor", "currency", "least", "most"),
    [
        (Vendor.STRIPE, "USD", 50, 99_999_999),
        (Vendor.STRIPE, "JPY", 50, 99_999_999),
        (Vendor.STRIPE, "GBP", 30, 99_999_999),
        (Vendor.STRIPE, "HUF", 17_500, 99_999_999),
        (Vendor.STRIPE, "IDR", 50, 999_999_999_999),
        (Vendor.STRIPE, "KWD", 10, 99_999_990),
        (Vendor.PAYJP, "JPY", 50, 9_999_999),
    ],
)
def test_a_gateway_is_asked_for_what_it_documents_to_take(
    vendor: Vendor, currency: str, least: int, most: int
) -> None:
    step = 10 if currency == "KWD" else 1
    amounts = (least - step, least, most, most + step)
    assert [can_take(vendor, amount, currency) for amount in amounts] == [False, True, True, False]


@pytest.mark.parametrize(
    ("vendor", "currency", "least"),
    [(Vendor.STRIPE, "USD", 50), (Vendor.STRIPE, "DKK", 250), (Vendor.PAYJP, "JPY", 50)],
)
def test_a_fee_below_what_a_gateway_charges_is_let_go(vendor: Vendor, currency: str, least: int) -> None:
    assert least_fee(vendor, currency) == least
    held, lapsed = Charge("pi", 1, ChargeState.AUTHORIZED), Charge("pi", 1, ChargeState.VOID, has_lapsed=True)
    for keep, move in ((least, SettlementAction.CAPTURE), (least - 1, SettlementAction.VOID)):
        [todo] = settlement([held], keep, authorized=AMOUNT, least=least)
        assert todo.action is move
        assert needs_fee_authorization([lapsed], keep, least=least) is (move is SettlementAction.CAPTURE)


def test_what_was_taken_and_given_back_only_grows() -> None:
    known = payment(PaymentState.CAPTURED, captured=AMOUNT, refunded=400)
    late = Charge("pi", 1, ChargeState.CAPTURED, captured=AMOUNT, refunded=0)
    assert (synced(known, [late]).captured, synced(known, [late]).refunded) == (AMOUNT, 400)


def test_a_try_that_was_given_up_says_nothing_of_the_next() -> None:
    known = payment(tries=2)
    assert synced(known, [Charge("old", 1, ChargeState.DECLINED, failure="expired_card")]) == known
    promised = synced(known, [Charge("old", 1, ChargeState.AUTHORIZED)])
    assert (promised.state, promised.gateway_ref) == (PaymentState.AUTHORIZED, "old")


def test_a_promise_that_lapsed_is_to_be_made_again_and_one_that_was_let_go_is_not() -> None:
    known = payment(PaymentState.AUTHORIZED)
    assert synced(known, [Charge("pi", 1, ChargeState.VOID, has_lapsed=True)]).state is PaymentState.AUTHORIZED
    assert synced(known, [Charge("pi", 1, ChargeState.VOID)]).state is PaymentState.RELEASED


def test_a_decline_stays_one_when_what_is_left_of_it_is_voided() -> None:
    known = payment(PaymentState.DECLINED, tries=2, failure="expired_card")
    lapsed = Charge("pi_1", 1, ChargeState.VOID, has_lapsed=True)
    assert synced(known, [lapsed, Charge("pi_2", 2, ChargeState.VOID)]) == known


def test_a_try_behind_one_that_was_given_back_is_the_one_that_counts() -> None:
    back = Charge("pi_1", 1, ChargeState.CAPTURED, captured=AMOUNT, refunded=AMOUNT)
    known = payment(tries=2)
    assert synced(known, [back]) == known
    promised = synced(known, [back, Charge("pi_2", 2, ChargeState.AUTHORIZED)])
    assert (promised.state, promised.captured) == (PaymentState.AUTHORIZED, 0)
    taken = synced(promised, [back, Charge("pi_2", 2, ChargeState.CAPTURED, captured=AMOUNT)])
    assert (taken.state, taken.captured, taken.refunded) == (PaymentState.CAPTURED, AMOUNT, 0)


_LAPSED = Charge("pi_1", 1, ChargeState.VOID, has_lapsed=True)
_DECLINED = Charge("pi_2", 2, ChargeState.DECLINED)


@pytest.mark.parametrize(
    ("state", "charges", "is_served", "by_hand", "again"),
    [
        (PaymentState.AUTHORIZED, [_LAPSED], False, False, True),
        (PaymentState.AUTHORIZED, [_LAPSED, _DECLINED], False, False, True),
        (PaymentState.AUTHORIZED, [_LAPSED, Charge("pi_2", 2, ChargeState.VOID)], True, True, False),
        (PaymentState.AUTHORIZED, [_LAPSED, Charge("pi_2", 2, ChargeState.AUTHORIZED)], True, True, False),
        (PaymentState.DECLINED, [_LAPSED, _DECLINED], True, False, True),
        (PaymentState.DECLINED, [_LAPSED, _DECLINED], False, True, False),
        (PaymentState.DECLINED, [_DECLINED], True, False, False),
        (PaymentState.DECLINED, [_DECLINED], True, True, True),
        (PaymentState.RELEASED, [_LAPSED], True, True, False),
        (PaymentState.DECLINED, [], True, True, False),
    ],
)
def test_a_saved_method_is_charged_again_for_what_was_promised_or_when_a_person_asks(
    state: PaymentState, charges: list[Charge], is_served: bool, by_hand: bool, again: bool
) -> None:
    known = payment(state, tries=2)
    assert may_reauthorize(known, charges, is_served=is_served, by_hand=by_hand) is again


@pytest.mark.parametrize(
    ("charges", "keep", "has_lapsed"),
    [
        ([_LAPSED], 50, True),
        ([_LAPSED], 49, False),
        ([_LAPSED, Charge("pi_2", 2, ChargeState.AUTHORIZED)], 50, False),
        ([_LAPSED, Charge("pi_2", 2, ChargeState.CAPTURED, captured=50, refunded=50)], 50, False),
        ([Charge("pi_1", 1, ChargeState.VOID)], 50, False),
    ],
)
def test_a_fee_is_promised_again_only_when_its_promise_lapsed(
    charges: list[Charge], keep: int, has_lapsed: bool
) -> None:
    assert needs_fee_authorization(charges, keep, least=50) is has_lapsed


def test_each_change_is_told_once() -> None:
    promised = synced(payment(), [Charge("pi", 1, ChargeState.AUTHORIZED)])
    taken = synced(promised, [Charge("pi", 1, ChargeState.CAPTURED, captured=AMOUNT)])
    events = [
        *events_between(payment(), promised),
        *events_between(promised, promised),
        *events_between(promised, taken),
    ]
    assert [(event.type, event.amount) for event in events] == [
        ("payment.authorized", AMOUNT),
        ("payment.captured", AMOUNT),
    ]


_CHARGES = st.lists(
    st.builds(
        lambda state, captured, share: Charge(
            ref="",
            number=1,
            state=state,
            captured=captured if state in _TOOK else 0,
            refunded=captured * share // 4 if state in _TOOK else 0,
        ),
        st.sampled_from([state for state in ChargeState if state is not ChargeState.PROCESSING]),
        st.integers(1, AMOUNT),
        st.integers(0, 4),
    ),
    max_size=4,
)


@given(_CHARGES, st.integers(0, AMOUNT))
def test_settling_keeps_what_is_due_and_no_more_and_then_has_nothing_left_to_do(
    drawn: list[Charge], keep: int
) -> None:
    charges = {f"pi_{n}": Charge(f"pi_{n}", n + 1, c.state, c.captured, c.refunded) for n, c in enumerate(drawn)}
    could = sum(charge.net for charge in charges.values())
    promised = sum(AMOUNT for charge in charges.values() if charge.state is ChargeState.AUTHORIZED)
    for one in settlement(list(charges.values()), keep, authorized=AMOUNT, least=1):
        charges[one.ref] = _after(charges[one.ref], one)
    kept = sum(charge.net for charge in charges.values())
    assert kept == min(keep, could + promised)
    assert all(charge.state in (ChargeState.CAPTURED, ChargeState.VOID) for charge in charges.values())
    assert settlement(list(charges.values()), keep, authorized=AMOUNT, least=1) == []


def _after(charge: Charge, one: SettlementStep) -> Charge:
    match one.action:
        case SettlementAction.CAPTURE:
            assert charge.state is ChargeState.AUTHORIZED
            return Charge(charge.ref, charge.number, ChargeState.CAPTURED, captured=one.amount)
        case SettlementAction.VOID:
            return Charge(charge.ref, charge.number, ChargeState.VOID)
        case SettlementAction.REFUND:
            return Charge(charge.ref, charge.number, charge.state, charge.captured, charge.refunded + one.amount)


def test_a_fee_that_the_gateway_does_not_capture_is_waived() -> None:
    charge = Charge("pf", 1, ChargeState.AUTHORIZED)
    assert settlement([charge], 30, authorized=AMOUNT, least=50) == [SettlementStep(SettlementAction.VOID, "pf")]


# --- what steps plan ------------------------------------------------------------------------------------------

_CHARGING = Policy(cancellation=Cancellation(window_minutes=60, fee_percent=40))


def planned(
    after: BookingState, actor: Actor = SYSTEM, **step: object
) -> list[tuple[EffectKind, dict[str, object]]]:
    values: dict[str, object] = {"kind": StepKind.TRANSITION, "reason": None, "at": after.phase_since} | step
    taken = Step.model_validate(
        {
            "key": "k",
            "old_status": Status.PENDING,
            "was_flagged": False,
            "after": after,
            "hold": Hold.KEEP,
            "actor": actor,
        }
        | values
    )
    return [(one.kind, one.subject) for one in effects_of_step(taken, after) if one.sequence_key == "payment"]


@pytest.mark.parametrize(
    ("role", "minutes_before", "reason", "percent"),
    [
        (Role.CUSTOMER, 61, None, 0),
        (Role.CUSTOMER, 60, None, 40),
        (Role.OWNER, 5, None, 0),
        (Role.ADMIN, 5, None, 0),
        (Role.SYSTEM, 5, Reason.EXPIRED, 0),
        (Role.SYSTEM, -5, Reason.CUSTOMER_NO_SHOW, 40),
    ],
)
def test_only_customers_are_charged_for_what_they_call_off(
    role: Role, minutes_before: int, reason: str | None, percent: int
) -> None:
    after = booking(Status.CANCELLED, payment=PaymentGate.AUTHORIZED, policy=_CHARGING)
    at = after.starts_at - timedelta(minutes=minutes_before)
    expected = [(EffectKind.SETTLE_PAYMENT, {"fee_percent": percent, "version": after.version})]
    assert planned(after, Actor(role=role), at=at, reason=reason) == expected


def _moved(state: BookingState, by: Actor, minutes_before: int) -> BookingState:
    """The booking after a move by four weeks, so long before its start."""
    at = state.starts_at - timedelta(minutes=minutes_before)
    to = command(Command.RESCHEDULE, by, starts_at=state.starts_at + timedelta(days=28))
    return decide(state, to, at).after


@pytest.mark.parametrize(
    ("by", "minutes_before", "percent"), [(CUSTOMER, 60, 40), (CUSTOMER, 61, 0), (OWNER, 5, 0), (ADMIN, 5, 0)]
)
def test_a_move_within_the_window_leaves_the_fee_owed(by: Actor, minutes_before: int, percent: int) -> None:
    state = booking(Status.ACCEPTED, payment=PaymentGate.AUTHORIZED, policy=_CHARGING)
    moved = _moved(state, by, minutes_before)
    ended = decide(moved, command(Command.CANCEL, CUSTOMER), moved.phase_since).after
    expected = [(EffectKind.SETTLE_PAYMENT, {"fee_percent": percent, "version": ended.version})]
    assert planned(ended, CUSTOMER) == expected
    assert owes_fee(moved, moved.phase_since) == (percent > 0)
    waived = [(EffectKind.SETTLE_PAYMENT, {"fee_percent": 0, "version": ended.version})]
    assert planned(ended, OWNER) == planned(ended, SYSTEM, reason=Reason.EXPIRED) == waived


def test_no_later_move_takes_a_fee_back_that_is_owed() -> None:
    once = _moved(booking(Status.ACCEPTED, policy=_CHARGING), CUSTOMER, 5)
    for by in (CUSTOMER, OWNER):
        again = _moved(once, by, 10_000)
        assert again.fee_owed_since == once.fee_owed_since == again.free_until


def test_a_move_owes_nothing_where_cancelling_is_free() -> None:
    assert _moved(booking(Status.ACCEPTED), CUSTOMER, 5).fee_owed_since is None


def test_it_is_captured_with_the_acceptance_or_at_the_end() -> None:
    accepted = booking(Status.ACCEPTED, payment=PaymentGate.AUTHORIZED)
    assert planned(accepted) == [(EffectKind.CAPTURE_PAYMENT, {"collect": "booking"})]
    assert planned(accepted, kind=StepKind.RESCHEDULED) == []
    assert planned(accepted, kind=StepKind.PAID) == [(EffectKind.CAPTURE_PAYMENT, {"collect": "booking"})]
    completed = booking(Status.COMPLETED, payment=PaymentGate.AUTHORIZED)
    assert planned(completed) == [(EffectKind.CAPTURE_PAYMENT, {})]


def test_of_a_booking_that_is_brought_back_the_gateway_is_asked_what_is_left() -> None:
    ended = booking(Status.CANCELLED, payment=PaymentGate.AUTHORIZED)
    back = decide(ended, command(Command.OVERRIDE, ADMIN, status=Status.PENDING), ended.phase_since).after
    assert (back.payment, back.next_attempt_at) == (PaymentGate.AWAITING, None)
    taken: dict[str, Any] = {"kind": StepKind.OVERRIDE, "old_status": Status.CANCELLED}
    assert planned(back, **taken) == [(EffectKind.SYNC_PAYMENT, {})]
    assert (
        decide(
            booking(Status.CANCELLED), command(Command.OVERRIDE, ADMIN, status=Status.PENDING), ended.phase_since
        ).after.payment
        is None
    )


@pytest.mark.parametrize("status", [one for one in Status if one is not Status.PENDING])
def test_whoever_overrides_to_a_later_status_goes_ahead_without_asking_for_the_payment(status: Status) -> None:
    ended = booking(Status.CANCELLED, payment=PaymentGate.AUTHORIZED)
    back = decide(ended, command(Command.OVERRIDE, ADMIN, status=status), ended.phase_since).after
    assert back.payment is PaymentGate.AUTHORIZED


@pytest.mark.parametrize("status", Status)
def test_what_costs_nothing_here_plans_nothing(status: Status) -> None:
    assert planned(booking(status)) == []
