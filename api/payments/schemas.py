"""Shapes of payments on the wire."""

from datetime import datetime

from pydantic import BaseModel

from api.shapes import Money
from domain.effects import Vendor
from domain.payments import Collect, PaymentState


class PaymentActionOut(BaseModel):
    """What the customer's browser hands to the gateway's own script, to prove to the bank who they are."""

    client_secret: str | None
    redirect_url: str | None


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
