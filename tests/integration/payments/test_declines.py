"""Gateway refusals that concern no payment method: whether they are retried."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from activities.payment_context import PaymentContext
from activities.ports import DeclinedError
from activities.vendor_calls import Account, Call
from domain.effects import VendorError
from domain.lifecycle import Status
from domain.payments import Payment, PaymentState


class Declining:
    """A gateway that declines or refuses whatever it is asked."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    async def _decline(self, *_: Any) -> Any:
        raise self._error

    payer = charges = authorize = capture = void = refund = _decline


def case(error: Exception) -> PaymentContext:
    return PaymentContext(
        booking_id=UUID(int=1),
        business_id=UUID(int=2),
        stored=Payment(PaymentState.AUTHORIZED, tries=1, amount=100),
        status=Status.COMPLETED,
        price=100,
        currency="JPY",
        payer="cus_1",
        method_encrypted=None,
        gateway=Declining(error),
        call=Call(Account({}, {}), "key", 1, datetime.now(UTC)),
    )


@pytest.mark.parametrize("operation", ["capture", "void", "refund"])
async def test_a_decline_of_what_is_done_with_a_promise_is_a_refusal_for_good(operation: str) -> None:
    arguments = ("pi_1",) if operation == "void" else ("pi_1", 100)
    with pytest.raises(VendorError) as raised:
        await getattr(case(DeclinedError("card_velocity_exceeded")), operation)(*arguments)
    assert (raised.value.code, raised.value.permanent) == ("card_velocity_exceeded", True)


@pytest.mark.parametrize(
    "error", [DeclinedError("insufficient_funds"), VendorError("balance_insufficient", permanent=True)]
)
async def test_a_refund_that_the_business_has_too_little_for_is_tried_again(error: Exception) -> None:
    with pytest.raises(VendorError) as raised:
        await case(error).refund("pi_1", 100)
    assert not raised.value.permanent


async def test_a_capture_for_lack_of_money_is_not_tried_again() -> None:
    with pytest.raises(VendorError) as raised:
        await case(DeclinedError("insufficient_funds")).capture("pi_1", 100)
    assert raised.value.permanent
