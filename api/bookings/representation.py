"""Bookings as JSON, straight from rows: a model would cost the hot paths time and add nothing."""

from typing import Any, Final

from fastapi import Response

from api.bookings import guests
from api.identity.tokens import Tokens
from api.preconditions import etag_of
from db.repositories.idempotency import Answer
from db.repositories.rows import Row
from domain.callers import Caller, Guest, Principal
from domain.guests import knows_customers
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
_TRAILING: Final = ("needs_attention", "payment", "version", "created_at", "updated_at")


def booking(row: BookingRow, caller: Caller) -> dict[str, Any]:
    """The members of `BookingOut`, in its order, as this caller may see them; without the link."""
    body = {name: row[name] for name in _PLAIN}
    if not knows_customers(caller):
        body["customer_id"] = None
    body["price"] = {"amount_minor": row["price_minor"], "currency": row["currency"]}
    body.update((name, row[name]) for name in _TRAILING)
    body["manage"] = None
    return body


def row_as_json(row: BookingRow, caller: Caller) -> bytes:
    """The booking's JSON."""
    return to_json(booking(row, caller))


def booking_response(row: BookingRow, caller: Caller, tokens: Tokens) -> Response:
    """200 with the booking, and its version as the entity tag."""
    body, headers = linked(row_as_json(row, caller), caller, tokens), {"ETag": etag_of(row["version"])}
    return Response(body, 200, headers, "application/json")


def command_response(answer: Answer, caller: Caller, tokens: Tokens) -> Response:
    """The booking after the command, also when the request is repeated."""
    body = linked(answer.response, caller, tokens)
    return Response(body, answer.status, answer.headers, "application/json")


def linked(body: bytes | str, caller: Caller, tokens: Tokens) -> bytes | str:
    """Guests get their link with every booking they see; it expires some days after the booking ends."""
    return guests.with_link(tokens, body) if isinstance(caller, Guest) else body


def created_response(body: bytes | str, booking_id: object, caller: Caller, tokens: Tokens) -> Response:
    """201 with the booking as it was created, also when the request is repeated."""
    headers = {"Location": f"/v1/bookings/{booking_id}", "ETag": etag_of(1)}
    return Response(created_body(body, caller, tokens), 201, headers, "application/json")


def created_body(body: bytes | str, caller: Caller, tokens: Tokens) -> bytes | str:
    """The created booking; everybody without an account gets the link to it."""
    return body if isinstance(caller, Principal) else guests.with_link(tokens, body)
