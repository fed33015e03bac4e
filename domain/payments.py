"""The rules of payments through a gateway: amounts, limits, authorisation, capture, settlement and refunds.

The gateway's state of a booking comes in as `Charge`s; decisions come out.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

from domain.effects import Vendor
from domain.money import minor_digits


class PaymentGate(StrEnum):
    """Of a booking that is to be paid for: whether it waits for that."""

    AWAITING = "awaiting"
    AUTHORIZED = "authorized"


class PaymentMode(StrEnum):
    """What of a service's price is paid through Holdfast."""

    NONE = "none"
    DEPOSIT = "deposit"
    FULL = "full"


class Collect(StrEnum):
    """When an authorised payment is captured."""

    BOOKING = "booking"
    """Once the booking is accepted."""
    COMPLETION = "completion"


class PaymentState(StrEnum):
    AWAITING = "awaiting"
    """No method was given yet, or one is being tried."""
    ACTION_REQUIRED = "action_required"
    """The customer must authenticate with their bank."""
    DECLINED = "declined"
    AUTHORIZED = "authorized"
    CAPTURED = "captured"
    RELEASED = "released"
    """Released before anything was captured."""
    REFUNDED = "refunded"
    """Everything captured was refunded."""


UNPAID: Final = frozenset({PaymentState.AWAITING, PaymentState.ACTION_REQUIRED, PaymentState.DECLINED})
SETTLED: Final = frozenset({PaymentState.RELEASED, PaymentState.REFUNDED})


class ChargeState(StrEnum):
    """The gateway's state of one try at a payment."""

    PROCESSING = "processing"
    ACTION_REQUIRED = "action_required"
    DECLINED = "declined"
    AUTHORIZED = "authorized"
    CAPTURED = "captured"
    VOID = "void"


@dataclass(frozen=True, slots=True)
class Charge:
    """The gateway's current record of one try at a booking's payment. Amounts in the currency's minor unit."""

    ref: str
    """The gateway's id."""
    number: int
    """Number of the try, from 1."""
    state: ChargeState
    captured: int = 0
    refunded: int = 0
    has_lapsed: bool = False
    """It is void because its authorisation expired before a capture."""
    failure: str | None = None
    """The gateway's code for a decline."""
    action: dict[str, Any] | None = None
    """What the customer's browser needs to continue."""

    @property
    def net(self) -> int:
        """What was captured and not refunded."""
        return self.captured - self.refunded


@dataclass(frozen=True, slots=True)
class Payment:
    """Our record of a booking's payment."""

    state: PaymentState
    tries: int
    amount: int
    captured: int = 0
    refunded: int = 0
    keep: int | None = None
    gateway_ref: str | None = None
    failure: str | None = None
    action: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class PaymentEvent:
    """Something that happened to a payment; `amount` is the amount concerned."""

    type: str
    amount: int


PAYMENT_AUTHORIZED: Final = "payment.authorized"
PAYMENT_DECLINED: Final = "payment.declined"
PAYMENT_CAPTURED: Final = "payment.captured"
PAYMENT_REFUNDED: Final = "payment.refunded"
PAYMENT_SOURCE: Final = "/holdfast/payments"


def amount_due(mode: PaymentMode, price: int, deposit: int | None) -> int:
    """The amount to be paid through Holdfast; 0: nothing."""
    match mode:
        case PaymentMode.FULL:
            return price
        case PaymentMode.DEPOSIT:
            return min(deposit or 0, price)
    return 0


_PAYJP: Final = (50, 9_999_999)
"""https://docs.pay.jp/v2/api: minimum and maximum of a payment flow, in yen."""

_HALF: Final = "USD ARS AUD BRL CAD CHF COP EUR IDR ILS INR JPY KRW NZD PHP RUB SGD ZAR"
_STRIPE_LEAST: Final = MappingProxyType(
    dict.fromkeys(_HALF.split(), 50)
    | {"GBP": 30, "AED": 200, "MYR": 200, "PLN": 200, "RON": 200, "DKK": 250, "NOK": 300, "SEK": 300, "HKD": 400}
    | {"MXN": 1000, "THB": 1000, "CZK": 1500, "HUF": 17_500}
)
_STRIPE_MOST: Final = 99_999_999
_STRIPE_MOST_IDR: Final = 999_999_999_999
"""https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts: eight digits, for rupiah twelve.

An unlisted currency has no minimum of its own: Stripe applies that of the business's settlement currency.
"""


def limits(vendor: Vendor, currency: str) -> tuple[int, int]:
    """The gateway's documented minimum and maximum of one charge, in the currency's minor unit."""
    if vendor is Vendor.PAYJP:
        return _PAYJP
    most = _STRIPE_MOST_IDR if currency == "IDR" else _STRIPE_MOST
    return _STRIPE_LEAST.get(currency, 1), most


def can_take(vendor: Vendor, amount: int, currency: str) -> bool:
    """Whether the gateway accepts this amount, according to its documentation."""
    least, most = limits(vendor, currency)
    if not least <= amount <= most:
        return False
    if vendor is Vendor.PAYJP:
        return currency == "JPY"
    return currency not in _OTHER_UNITS and amount % smallest_step(vendor, currency) == 0


_OTHER_UNITS: Final = frozenset({"ISK", "MGA", "UGX"})
"""Stripe's minor units differ from ISO 4217 for these: https://docs.stripe.com/currencies#special-cases."""


def smallest_step(vendor: Vendor, currency: str) -> int:
    """Amounts must be multiples of this: https://docs.stripe.com/currencies#three-decimal."""
    return 10 if vendor is Vendor.STRIPE and minor_digits(currency) == 3 else 1  # noqa: PLR2004


def least_fee(vendor: Vendor, currency: str) -> int:
    """The minimum fee that is captured or charged; a smaller one is waived.

    It is the gateways' documented minimum of a charge. PAY.JP applies it to captures too; Stripe does not say, and
    a fee of a few cents is not worth a settlement that fails for ever.
    """
    return limits(vendor, currency)[0]


def holds_money(charge: Charge) -> bool:
    """Whether a charge is authorised, or captured and not fully refunded."""
    return charge.net > 0 or charge.state is ChargeState.AUTHORIZED


def current_charge(charges: Sequence[Charge]) -> Charge | None:
    """The charge that counts: the captured one, else the authorised one, else the last."""

    def weight(charge: Charge) -> tuple[bool, bool, int]:
        return (charge.net > 0, charge.state is ChargeState.AUTHORIZED, charge.number)

    return max(charges, key=weight, default=None)


_STATES: Final = {
    ChargeState.PROCESSING: PaymentState.AWAITING,
    ChargeState.ACTION_REQUIRED: PaymentState.ACTION_REQUIRED,
    ChargeState.DECLINED: PaymentState.DECLINED,
    ChargeState.AUTHORIZED: PaymentState.AUTHORIZED,
    ChargeState.CAPTURED: PaymentState.CAPTURED,
    ChargeState.VOID: PaymentState.RELEASED,
}


def synced(known: Payment, charges: Sequence[Charge]) -> Payment:
    """Our record, updated from the gateway's charges. The captured and refunded amounts only grow.

    Earlier tries do not change a payment whose next try has begun, unless one of them holds money. An expired
    authorisation stays `authorized`: it is repeated at the capture. A declined payment stays declined when its
    charge is voided: nothing was authorised that could be released.
    """
    charge = current_charge(charges)
    if charge is None or (charge.number < known.tries and not holds_money(charge)):
        return known
    captured, refunded = max(known.captured, charge.captured), max(known.refunded, charge.refunded)
    state = PaymentState.REFUNDED if 0 < captured == refunded else _STATES[charge.state]
    if known.state is PaymentState.AUTHORIZED and charge.has_lapsed:
        state = PaymentState.AUTHORIZED
    if known.state is PaymentState.DECLINED and charge.state is ChargeState.VOID and charge.number <= known.tries:
        return known
    if known.state in SETTLED and state in (*UNPAID, PaymentState.AUTHORIZED) and charge.number <= known.tries:
        state = known.state
    return replace(
        known,
        state=state,
        tries=max(known.tries, charge.number),
        captured=captured,
        refunded=refunded,
        gateway_ref=charge.ref,
        failure=charge.failure if state is PaymentState.DECLINED else None,
        action=charge.action if state is PaymentState.ACTION_REQUIRED else None,
    )


def may_reauthorize(known: Payment, charges: Sequence[Charge], *, is_served: bool, by_hand: bool) -> bool:
    """Whether the saved method may be charged again before a capture.

    It may when the authorisation has expired, also if charging again was declined before and the service was
    provided. A method that was never authorised is tried for a provided service only when a person asks for it
    (`by_hand`): staff who went ahead without the payment may have been paid in another way.
    """
    last, lapsed = current_charge(charges), any(charge.has_lapsed for charge in charges)
    if last is None or holds_money(last):
        return False
    if known.state is PaymentState.AUTHORIZED:
        return lapsed and (last.has_lapsed or last.state is not ChargeState.VOID)
    return known.state is PaymentState.DECLINED and is_served and (lapsed or by_hand)


def needs_fee_authorization(charges: Sequence[Charge], keep: int, *, least: int) -> bool:
    """Whether a fee is due whose authorisation has expired, so that the fee must be authorised again."""
    if keep < least or any(holds_money(charge) or charge.captured > 0 for charge in charges):
        return False
    return any(charge.has_lapsed for charge in charges)


def events_between(before: Payment, after: Payment) -> list[PaymentEvent]:
    """The events for a change of a payment."""
    events = []
    changed = before.state is not after.state or before.gateway_ref != after.gateway_ref
    if changed and after.state is PaymentState.AUTHORIZED:
        events.append(PaymentEvent(PAYMENT_AUTHORIZED, after.amount))
    if changed and after.state is PaymentState.DECLINED:
        events.append(PaymentEvent(PAYMENT_DECLINED, after.amount))
    if after.captured > before.captured:
        events.append(PaymentEvent(PAYMENT_CAPTURED, after.captured - before.captured))
    if after.refunded > before.refunded:
        events.append(PaymentEvent(PAYMENT_REFUNDED, after.refunded - before.refunded))
    return events


class SettlementAction(StrEnum):
    """What is done to one charge to settle a payment."""

    CAPTURE = "capture"
    VOID = "void"
    REFUND = "refund"


@dataclass(frozen=True, slots=True)
class SettlementStep:
    """One operation at the gateway. The amount is in the currency's minor unit."""

    action: SettlementAction
    ref: str
    amount: int = 0


def settlement(charges: Sequence[Charge], keep: int, *, authorized: int, least: int) -> list[SettlementStep]:
    """The operations after which exactly `keep` is kept, as far as the charges allow; empty: already settled.

    Money that was captured already is kept first. `authorized` is the most that an authorised charge can be
    captured for; captures below `least` are waived.
    """
    todo, left = [], keep
    for charge in sorted(charges, key=lambda one: one.net, reverse=True):
        kept = min(left, charge.net)
        left -= kept
        if charge.net > kept:
            todo.append(SettlementStep(SettlementAction.REFUND, charge.ref, charge.net - kept))
    for charge in charges:
        taken = min(left, authorized)
        if charge.state is ChargeState.AUTHORIZED and taken >= least:
            left -= taken
            todo.append(SettlementStep(SettlementAction.CAPTURE, charge.ref, taken))
        elif charge.state not in (ChargeState.CAPTURED, ChargeState.VOID):
            todo.append(SettlementStep(SettlementAction.VOID, charge.ref))
    return todo
