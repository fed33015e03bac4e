"""Holds as JSON, straight from rows."""

from typing import Any

from db.repositories import holds
from db.repositories.rows import Row
from runtime.json import to_json


def hold_as_json(hold: Row) -> bytes:
    """`HoldOut` of a hold's row."""
    ended = "booked" if hold["booking_id"] else "expired"
    names = ("id", "business_id", "service_id", "provider_id", "starts_at", "ends_at", "expires_at", "booking_id")
    status = {"status": "held" if hold["is_live"] else ended}
    return to_json({name: hold[name] for name in names} | status | {"price": _price(hold)})


def _price(hold: Row) -> dict[str, Any] | None:
    promise = holds.promise_of(hold)
    if promise is None:  # a hold of an earlier version
        return None
    return {"amount_minor": promise.price_minor, "currency": promise.currency}
