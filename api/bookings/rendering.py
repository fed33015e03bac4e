"""Bookings as JSON, straight from rows: the hot paths build no model that they would only take apart again."""

from typing import Any, Final

from fastapi import Response

from db.repositories.rows import Row
from runtime.json import to_json

BookingRow = Row
"""A booking's columns, as `bookings.VIEW_COLUMNS` names them."""

_PLAIN: Final = (
    "id",
    "reference",
    "business_id",
    "service_id",
    "provider_id",
    "customer_id",
    "status",
    "starts_at",
    "ends_at",
    "timezone",
)
_TRAILING: Final = ("needs_attention", "version", "created_at", "updated_at")


def booking(row: BookingRow) -> dict[str, Any]:
    """The members of `BookingOut`, in its order."""
    body = {name: row[name] for name in _PLAIN}
    body["price"] = {"amount_minor": row["price_minor"], "currency": row["currency"]}
    body.update((name, row[name]) for name in _TRAILING)
    return body


def booking_response(row: BookingRow) -> Response:
    """200 with the booking and its version as the entity tag."""
    headers = {"ETag": f'"{row["version"]}"'}
    return Response(to_json(booking(row)), media_type="application/json", headers=headers)


def created_response(body: bytes | str, booking_id: object) -> Response:
    """201 with the booking as it was created, now or at the first time of asking."""
    headers = {"Location": f"/v1/bookings/{booking_id}", "ETag": '"1"'}
    return Response(body, 201, headers, "application/json")
