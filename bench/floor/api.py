"""Floor one: creating a booking as one handler with the same SQL. Nothing is checked, nobody is asked."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import orjson
from fastapi import FastAPI, Request, Response

from bench.floor.statements import FREE, INSERT, OFFERING, Statement
from runtime.ids import new_id

CUSTOMER_HEADER = "x-customer"
"""Who books, in place of an access token."""

Values = dict[str, Any]


def create_app(database_url: str, *, pool_min: int, pool_max: int) -> FastAPI:
    """The handler with a pool of the same size as Holdfast's."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with asyncpg.create_pool(
            database_url, min_size=pool_min, max_size=pool_max, reset=_no_reset, server_settings={"jit": "off"}
        ) as pool:
            app.state.pool = pool
            yield

    app = FastAPI(lifespan=lifespan)
    app.add_api_route("/bookings", _create, methods=["POST"])
    return app


async def _no_reset(_connection: asyncpg.Connection) -> None:
    """Nothing here changes a session: the round trip that resets it would only slow the floor down."""


async def _create(request: Request) -> Response:
    asked = orjson.loads(await request.body())
    user_id = UUID(request.headers[CUSTOMER_HEADER])
    async with request.app.state.pool.acquire() as conn, conn.transaction():
        wanted = {"business": asked["business_id"], "service": asked["service_id"], "user_id": user_id}
        offering = await _row(conn, OFFERING, wanted)
        values = _values(request, asked, offering)
        if await _row(conn, FREE, values) is None:
            return Response(status_code=409)
        body = orjson.dumps(_rendered(values), default=str)
        inserted = await _row(conn, INSERT, values | {"response": body.decode()})
        return Response(body, 201 if inserted["booked"] else 409, media_type="application/json")


async def _row(conn: asyncpg.Connection, statement: Statement, values: Values) -> Any:
    return await conn.fetchrow(statement.sql, *statement.arguments(values))


def _values(request: Request, asked: Values, offering: Any) -> Values:
    """Every parameter of the statements, from the request and the service that it names."""
    now, booking_id = datetime.now(UTC), new_id()
    starts_at = datetime.fromisoformat(asked["starts_at"])
    ends_at = starts_at + timedelta(minutes=offering["duration_minutes"])
    opens = starts_at.hour * 60 + starts_at.minute
    user_id = UUID(request.headers[CUSTOMER_HEADER])
    return {
        "business_id": offering["business_id"],
        "service_id": offering["service_id"],
        "required_skills": offering["required_skills"],
        "timezone": offering["timezone"],
        "price_minor": offering["price_minor"],
        "currency": offering["currency"],
        "policy": offering["policy"],
        "provider_id": asked["provider_id"],
        "customer_id": offering["customer_id"],
        "refused": [],
        "weekday": starts_at.isoweekday(),
        "opens": opens,
        "closes": opens + offering["duration_minutes"],
        "booking_id": booking_id,
        "reservation_id": new_id(),
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
        "address": orjson.dumps(asked["address"]).decode(),
        "notes": asked["notes"],
        "attribution": None,
        "scope": f"{user_id}/createBooking",
        "key": request.headers["idempotency-key"],
        "request_hash": "",
        "actor_role": "customer",
        "actor_id": user_id,
        "event_type": "scheduling.booking.created",
        "source": "/bench",
        "subject": str(booking_id),
        "correlation_id": None,
        "actor": "{}",
        "event_data": "{}",
        "schema_version": "1.0",
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
    """An answer of the size and shape of Holdfast's."""
    body = {"id": values["booking_id"], "status": "pending", "needs_attention": False, "version": 1}
    body |= {name: values[name] for name in _SHOWN}
    body["price"] = {"amount_minor": values["price_minor"], "currency": values["currency"]}
    return body | {"created_at": values["now"], "updated_at": values["now"]}
