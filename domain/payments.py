"""What a booking costs through a payment gateway, and the rules by which money is taken, kept and given back.

Pure: the gateway's view of a booking comes in as `Charge`s, and what follows from it goes out.
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
    """Once somebody has accepted."""
    COMPLETION = "completion"


class PaymentState(StrEnum):
    AWAITING = "awaiting"
    """No method was given yet, or the one that was is being tried."""
    ACTION_REQUIRED = "action_required"
    """The customer must prove to their bank who they are."""
    DECLINED = "declined"
    AUTHORIZED = "authorized"
    CAPTURED = "captured"
    RELEASED = "released"
    """Given up before anything was taken."""
    REFUNDED = "refunded"
    """All that was taken is given back."""


UNPAID: Final = frozenset({PaymentState.AWAITING, PaymentState.ACTION_REQUIRED, PaymentState.DECLINED})
SETTLED: Final = frozenset({PaymentState.RELEASED, PaymentState.REFUNDED})


class ChargeState(StrEnum):
    """How far one try at a payment has come at the gateway."""

    PROCESSING = "processing"
    ACTION_REQUIRED = "action_required"
    DECLINED = "declined"
    AUTHORIZED = "authorized"
    CAPTURED = "captured"
    VOID = "void"


@dataclass(frozen=True, slots=True)
class Charge:
    """One try at a booking's payment, as the gateway has it now. Amounts in the currency's minor unit."""

    ref: str
    """The gateway's id."""
    number: int
    """Which try it is, from 1."""
    state: ChargeState
    captured: int = 0
    refunded: int = 0
    has_lapsed: bool = False
    """It is void because nobody captured it in time."""
    failure: str | None = None
    """Of one that was declined: the gateway's code."""
    action: dict[str, Any] | None = None
    """What the customer's browser needs to go on."""

    @property
    def net(self) -> int:
        """What was taken and not given back."""
        return self.captured - self.refunded


@dataclass(frozen=True, slots=True)
class Payment:
    """A booking's payment as we have it."""

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
    """Something that happened to a payment; `amount` is how much it is about."""

    type: str
    amount: int


PAYMENT_AUTHORIZED: Final = "payment.authorized"
PAYMENT_DECLINED: Final = "payment.declined"
PAYMENT_CAPTURED: Final = "payment.captured"
PAYMENT_REFUNDED: Final = "payment.refunded"
PAYMENT_SOURCE: Final = "/holdfast/payments"


def amount_due(mode: PaymentMode, price: int, deposit: int | None) -> int:
    """What is to be paid through Holdfast; 0: nothing."""
    match mode:
        case PaymentMode.FULL:
            return price
        case PaymentMode.DEPOSIT:
            return min(deposit or 0, price)
    return 0


_PAYJP: Final = (50, 9_999_999)
"""https://docs.pay.jp/v2/api: the least and the most yen that a payment flow takes."""

_HALF: Final = "USD ARS AUD BRL CAD CHF COP EUR IDR ILS INR JPY KRW NZD PHP RUB SGD ZAR"
_STRIPE_LEAST: Final = MappingProxyType(
    dict.fromkeys(_HALF.split(), 50)
    | {"GBP": 30, "AED": 200, "MYR": 200, "PLN": 200, "RON": 200, "DKK": 250, "NOK": 300, "SEK": 300, "HKD": 400}
    | {"MXN": 1000, "THB": 1000, "CZK": 1500, "HUF": 17_500}
)
_STRIPE_MOST: Final = 99_999_999
_STRIPE_MOST_IDR: Final = 999_999_999_999
"""https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts: eight digits, of rupiah twelve.

A currency that is not listed has no least amount of its own: Stripe goes by what it is worth in the business's.
"""


def limits(vendor: Vendor, currency: str) -> tuple[int, int]:
    """The least and the most that the gateway documents for one charge, in the currency's minor unit."""
    if vendor is Vendor.PAYJP:
        return _PAYJP
    most = _STRIPE_MOST_IDR if currency == "IDR" else _STRIPE_MOST
    return _STRIPE_LEAST.get(currency, 1), most


def can_take(vendor: Vendor, amount: int, currency: str) -> bool:
    """Whether the gateway takes such an amount at all, as far as it documents that."""
    least, most = limits(vendor, currency)
    if not least <= amount <= most:
        return False
    if vendor is Vendor.PAYJP:
        return currency == "JPY"
    return currency not in _OTHER_UNITS and amount % smallest_step(vendor, currency) == 0


_OTHER_UNITS: Final = frozenset({"ISK", "MGA", "UGX"})
"""Stripe counts them in other units than ISO 4217: https://docs.stripe.com/currencies#special-cases."""


def smallest_step(vendor: Vendor, currency: str) -> int:
    """What amounts at the gateway are multiples of: https://docs.stripe.com/currencies#three-decimal."""
    return 10 if vendor is Vendor.STRIPE and minor_digits(currency) == 3 else 1  # noqa: PLR2004


def least_fee(vendor: Vendor, currency: str) -> int:
    """The least that is kept of what was authorised, or charged anew for a fee; less than this is let go.

    Gateways document it for charges. For captures PAY.JP does too; Stripe does not say, and a fee of a few cents
    is not worth a settlement that fails for ever.
    """
    return limits(vendor, currency)[0]


def holds_money(charge: Charge) -> bool:
    """Whether a try has taken money that was not given back, or may take it."""
    return charge.net > 0 or charge.state is ChargeState.AUTHORIZED


def present(charges: Sequence[Charge]) -> Charge | None:
    """The try that counts: the one that took money and keeps it, else the one that may, else the last."""

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
    """What we have, brought up to what the gateway says. What was taken and given back only ever grows.

    Of a payment whose next try was just given, the tries before it say nothing, unless one of them holds money. An
    authorisation that lapsed stays one: it is made anew when it is captured. One that was declined stays declined
    when what is left of it is voided: nothing was promised that could have been let go.
    """
    charge = present(charges)
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


def may_promise_again(known: Payment, charges: Sequence[Charge], *, is_served: bool, by_hand: bool) -> bool:
    """Whether the saved method is to be charged again before a capture.

    When the promise has lapsed; and when that was declined before and the service was given. A method that never
    promised anything is tried for a service that was given only when a person asks for it (`by_hand`): the desk,
    which went ahead without the payment, may have been paid otherwise.
    """
    last, lapsed = present(charges), any(charge.has_lapsed for charge in charges)
    if last is None or holds_money(last):
        return False
    if known.state is PaymentState.AUTHORIZED:
        return lapsed and (last.has_lapsed or last.state is not ChargeState.VOID)
    return known.state is PaymentState.DECLINED and is_served and (lapsed or by_hand)


def has_lapsed_fee(charges: Sequence[Charge], keep: int, *, least: int) -> bool:
    """Whether a fee is due that was promised, and the promise has lapsed: it is to be made again, for the fee."""
    if keep < least or any(holds_money(charge) or charge.captured > 0 for charge in charges):
        return False
    return any(charge.has_lapsed for charge in charges)


def events_between(before: Payment, after: Payment) -> list[PaymentEvent]:
    """What to tell of a change."""
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


class Move(StrEnum):
    """What is done to one try to settle a payment."""

    CAPTURE = "capture"
    VOID = "void"
    REFUND = "refund"


@dataclass(frozen=True, slots=True)
class Settlement:
    """One thing to do at the gateway."""

    move: Move
    ref: str
    amount: int = 0


def settlement(charges: Sequence[Charge], keep: int, *, authorized: int, least: int) -> list[Settlement]:
    """What brings the gateway to where exactly `keep` is kept, as far as there is so much; nothing: it is there.

    What was taken already is kept before anything else is taken. `authorized` is what a try can be captured for.
    """
    todo, left = [], keep
    for charge in sorted(charges, key=lambda one: one.net, reverse=True):
        kept = min(left, charge.net)
        left -= kept
        if charge.net > kept:
            todo.append(Settlement(Move.REFUND, charge.ref, charge.net - kept))
    for charge in charges:
        taken = min(left, authorized)
        if charge.state is ChargeState.AUTHORIZED and taken >= least:
            left -= taken
            todo.append(Settlement(Move.CAPTURE, charge.ref, taken))
        elif charge.state not in (ChargeState.CAPTURED, ChargeState.VOID):
            todo.append(Settlement(Move.VOID, charge.ref))
    return todo
