"""The price and terms that a hold guarantees."""

from pydantic import BaseModel, ConfigDict

from domain.payments import Collect, PaymentMode
from domain.policies import Cancellation


class Promise(BaseModel):
    """Price, payment and cancellation terms at the moment of the hold."""

    model_config = ConfigDict(frozen=True)

    price_minor: int
    """In the currency's minor unit, like all amounts here."""
    currency: str
    payment_mode: PaymentMode
    collect: Collect
    deposit_minor: int | None
    cancellation: Cancellation
