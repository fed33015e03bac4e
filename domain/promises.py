"""What an appointment costs, as promised to somebody who holds its time."""

from pydantic import BaseModel, ConfigDict

from domain.payments import Collect, PaymentMode
from domain.policies import Cancellation


class Promise(BaseModel):
    """Price, payment and cancellation terms of the moment at which the time was held."""

    model_config = ConfigDict(frozen=True)

    price_minor: int
    """In the currency's minor unit, as all of these."""
    currency: str
    payment_mode: PaymentMode
    collect: Collect
    deposit_minor: int | None
    cancellation: Cancellation
