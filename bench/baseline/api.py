"""Baseline for creating a booking: one handler with the same SQL, without validation or access control."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import orjson
from fastapi import FastAPI, Request, Response
from sqlalchemy import TextClause

from bench.baseline.slots import list_slots
from db.repositories import availability, booking_writes, services
from db.repositories.rows import numbered
from runtime.ids import new_id

CUSTOMER_HEADER = "x-customer"
"""The customer's user id, instead of an access token."""

Values = dict[str, Any]

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL for asyncpg, with the names of its numbered parameters.

    The SQL comes from Holdfast's repositories, so that the two cannot differ.
    """

    sql: str
    names: tuple[str, ...]

    def arguments(self, values: Mapping[str, Any]) -> list[Any]:
        """The values in the order of the parameters' numbers.

        Raises:
            KeyError: a parameter has no value.
        """
        return [values[name] for name in self.names]


def bare(statement: TextClause) -> Statement:
    """The statement as Holdfast passes it to asyncpg."""
    return Statement(*numbered(statement))


OFFERING = bare(services.OFFERINGS[True, True])
CALENDAR = bare(availability.CALENDAR)
INSERT = bare(booking_writes.INSERT)


def create_app(database_url: str, *, pool_min: int, pool_max: int) -> FastAPI:
    """The application, with a connection pool as large as Holdfast's."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with asyncpg.create_pool(
            database_url, min_size=pool_min, max_size=pool_max, reset=_no_reset, server_settings={"jit": "off"}
        ) as pool:
            app.state.pool = pool
            yield

    app = FastAPI(lifespan=lifespan)
    app.add_api_route("/bookings", _create, methods=["POST"])
    app.add_api_route("/businesses/{business}/slots", list_slots, methods=["GET"])
    return app


async def _no_reset(_connection: asyncpg.Connection) -> None:
    """Skip the reset: no handler changes the session, and the round trip would only slow the baseline down."""


async def _create(request: Request) -> Response:
    request_body = orjson.loads(await request.body())
    user_id = UUID(request.headers[CUSTOMER_HEADER])
    async with request.app.state.pool.acquire() as conn, conn.transaction():
        names = {
            "business": request_body["business_id"],
            "service": request_body["service_id"],
            "user_id": user_id,
        }
        offering = await _row(conn, OFFERING, names)
        values = _values(request, request_body, offering)
        if not _is_free(await _row(conn, CALENDAR, values), values):
            return Response(status_code=409)
        body = orjson.dumps(_rendered(values), default=str)
        inserted = await _row(conn, INSERT, values | {"response": body.decode()})
        return Response(body, 201 if inserted["booked"] else 409, media_type="application/json")


async def _row(conn: asyncpg.Connection, statement: Statement, values: Values) -> Any:
    return await conn.fetchrow(statement.sql, *statement.arguments(values))


def _is_free(row: Any, values: Values) -> bool:
    """Whether no reservation of the provider overlaps; the other rules in the row are ignored."""
    from_, until = values["taken_from"].timestamp(), values["taken_until"].timestamp()
    taken = zip(row["from_"] or (), row["until"] or (), strict=True)
    return row["provider_id"] is not None and all(end <= from_ or first >= until for first, end in taken)


def _values(request: Request, request_body: Values, offering: Any) -> Values:
    """All parameters of the statements, from the request and its service."""
    now, booking_id, reservation_id = datetime.now(UTC), new_id(), new_id()
    starts_at = datetime.fromisoformat(request_body["starts_at"])
    ends_at = starts_at + timedelta(minutes=offering["duration_minutes"])
    midnight = starts_at.replace(hour=0, minute=0)
    user_id = UUID(request.headers[CUSTOMER_HEADER])
    return {
        "business_id": offering["business_id"],
        "service_id": offering["service_id"],
        "required_skills": offering["required_skills"],
        "timezone": offering["timezone"],
        "price_minor": offering["price_minor"],
        "currency": offering["currency"],
        "policy": offering["policy"],
        "provider_id": request_body["provider_id"],
        "customer_id": offering["customer_id"],
        "preferred_provider_id": None,
        "refused": [],
        "moving_booking_id": None,
        "redeemed_hold_id": None,
        "reads_from": midnight,
        "reads_until": midnight + _DAY,
        "first_day": midnight.date() - 2 * _DAY,
        "last_day": midnight.date() + 2 * _DAY,
        "day_starts": [],
        "day_ends": [],
        "booking_id": booking_id,
        "reservation_id": reservation_id,
        "session_id": reservation_id,
        "session_service_id": None,
        "capacity": 1,
        "reserved_for": booking_id,
        "reserved_until": None,
        "choice": None,
        "event_id": new_id(),
        "reference": uuid4().hex[:12],
        "starts_at": starts_at,
        "ends_at": ends_at,
        "taken_from": starts_at - timedelta(minutes=offering["buffer_before_minutes"]),
        "taken_until": ends_at + timedelta(minutes=offering["buffer_after_minutes"]),
        "buffer_before": offering["buffer_before_minutes"],
        "buffer_after": offering["buffer_after_minutes"],
        "auto_accept": False,
        "now": now,
        "address": orjson.dumps(request_body["address"]).decode(),
        "notes": request_body["notes"],
        "contact": None,
        "attribution": None,
        "payment": None,
        "scope": f"{user_id}/createBooking",
        "key": request.headers["idempotency-key"],
        "request_hash": "",
        "status": 201,
        "headers": "{}",
        "actor_role": "customer",
        "actor_id": user_id,
        "event_type": "scheduling.booking.created",
        "source": "/bench",
        "subject": str(booking_id),
        "correlation_id": None,
        "actor": "{}",
        "event_data": "{}",
        "audit_id": new_id(),
        "audit_actor_kind": "user",
        "audit_actor_id": user_id,
        "audit_action": "createBooking",
        "audit_object_id": str(booking_id),
        "audit_outcome": "done",
        "audit_code": None,
        "audit_address": "127.0.0.1",
        "audit_request_id": str(booking_id),
    }


_SHOWN = (
    "reference",
    "business_id",
    "service_id",
    "provider_id",
    "customer_id",
    "starts_at",
    "ends_at",
    "timezone",
)


def _rendered(values: Values) -> Values:
    """A response body of the same size and shape as Holdfast's."""
    body = {"id": values["booking_id"], "status": "pending", "needs_attention": False, "version": 1}
    body |= {name: values[name] for name in _SHOWN}
    body["price"] = {"amount_minor": values["price_minor"], "currency": values["currency"]}
    return body | {"created_at": values["now"], "updated_at": values["now"]}
