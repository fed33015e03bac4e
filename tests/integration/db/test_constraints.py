"""Constraints of the schema, the last line of defence below the code."""

from typing import Any

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.booking import BookingState
from tests.support.factories import Tenant, make_booking, make_tenant


async def execute(engine: AsyncEngine, statement: str, **parameters: Any) -> None:
    """Run one statement in a transaction of its own."""
    async with engine.begin() as conn:
        await conn.execute(text(statement), parameters)


@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ("ends_at = starts_at", "ck_bookings_ends_after_start"),
        ("ends_at = starts_at - interval '1 minute'", "ck_bookings_ends_after_start"),
        ("status = 'lost'", "ck_bookings_status_is_known"),
        ("version = 0", "ck_bookings_version_counts_from_1"),
        ("status = 'accepted', provider_id = NULL", "ck_bookings_assigned_means_somebody"),
    ],
)
async def test_a_booking_without_sense_is_refused(
    engine: AsyncEngine, tenant: Tenant, change: str, constraint: str
) -> None:
    state = await make_booking(engine, tenant)
    with pytest.raises(IntegrityError, match=constraint):
        await execute(engine, f"UPDATE bookings SET {change} WHERE id = :id", id=state.booking_id)


@pytest.mark.parametrize("status", ["pending", "cancelled", "completed", "rejected", "no_show"])
async def test_a_booking_without_a_provider_may_have_any_status_that_needs_none(
    engine: AsyncEngine, tenant: Tenant, status: str
) -> None:
    state = await make_booking(engine, tenant, provider=None)
    await execute(
        engine, "UPDATE bookings SET status = :s, version = 2 WHERE id = :id", id=state.booking_id, s=status
    )


_HISTORY = """
INSERT INTO booking_history
    (booking_id, sequence, business_id, kind, step_key, new_status, actor_role, occurred_at)
VALUES (:booking_id, :sequence, :business_id, 'transition', 'k', :status, 'system', now())
"""


@pytest.mark.parametrize(
    ("sequence", "status", "constraint"),
    [
        (1, "assigned", "pk_booking_history"),
        (0, "assigned", "ck_booking_history_sequence_counts_from_1"),
        (2, "lost", "ck_booking_history_new_status_is_known"),
    ],
)
async def test_a_history_row_without_sense_is_refused(
    engine: AsyncEngine, tenant: Tenant, sequence: int, status: str, constraint: str
) -> None:
    state = await make_booking(engine, tenant)
    with pytest.raises(IntegrityError, match=constraint):
        await execute(engine, _HISTORY, sequence=sequence, status=status, **_place(state))


def _place(state: BookingState) -> dict[str, Any]:
    return {"booking_id": state.booking_id, "business_id": state.business_id}


@pytest.mark.parametrize(
    ("column", "whose"),
    [("provider_id", "ana"), ("service_id", "service"), ("customer_id", "customer"), ("business_id", "business")],
)
async def test_a_booking_cannot_point_into_another_tenant(
    engine: AsyncEngine, tenant: Tenant, column: str, whose: str
) -> None:
    other = await make_tenant(engine)
    foreign = {
        "ana": other.providers["ana"],
        "service": other.service_id,
        "customer": other.customer_id,
        "business": other.business_id,
    }[whose]
    state = await make_booking(engine, tenant, provider=None)
    with pytest.raises(IntegrityError, match="violates foreign key"):
        await execute(
            engine, f"UPDATE bookings SET {column} = :foreign WHERE id = :id", foreign=foreign, id=state.booking_id
        )


_RESERVATION = """
INSERT INTO reservations (id, session_id, business_id, provider_id, booking_id, during)
VALUES (gen_random_uuid(), gen_random_uuid(), :business_id, :provider_id, :booking_id, 'empty'::tstzrange)
"""


async def test_a_reservation_takes_time(engine: AsyncEngine, tenant: Tenant) -> None:
    state = await make_booking(engine, tenant, provider=None)
    with pytest.raises(IntegrityError, match="ck_reservations_takes_time"):
        await execute(engine, _RESERVATION, provider_id=tenant.providers["ana"], **_place(state))


async def test_a_reservation_keeps_provider_and_booking_in_one_tenant(engine: AsyncEngine, tenant: Tenant) -> None:
    other = await make_tenant(engine)
    state = await make_booking(engine, tenant, provider=None)
    statement = _RESERVATION.replace("'empty'", "'[2030-01-01,2030-01-02)'")
    with pytest.raises(IntegrityError, match="fk_reservations_business_id_provider_id"):
        await execute(engine, statement, provider_id=other.providers["ana"], **_place(state))
    foreign = _place(state) | {"business_id": other.business_id}
    with pytest.raises(asyncpg.ForeignKeyViolationError, match="fk_reservations_business_id_booking_id"):
        await execute(engine, statement, provider_id=other.providers["ana"], **foreign)


@pytest.mark.parametrize(
    ("table", "change", "constraint"),
    [
        ("services", "duration_minutes = 0", "takes_time"),
        ("services", "buffer_after_minutes = -1", "buffers_are_positive"),
        ("services", "price_minor = -1", "price_is_positive"),
        ("providers", "rating = 5.1", "rating_is_0_to_5"),
        ("weekly_hours", "weekday = 0", "weekday_is_iso"),
        ("weekly_hours", "closes_minute = opens_minute", "closes_within_a_day"),
        ("memberships", "provider_id = NULL, role = 'provider'", "providers_name_their_provider"),
        ("memberships", "role = 'king', provider_id = NULL", "role_is_known"),
    ],
)
async def test_a_catalogue_without_sense_is_refused(
    engine: AsyncEngine, tenant: Tenant, table: str, change: str, constraint: str
) -> None:
    with pytest.raises(IntegrityError, match=constraint):
        await execute(engine, f"UPDATE {table} SET {change} WHERE business_id = :id", id=tenant.business_id)


@pytest.mark.parametrize("slug", ["Upper", "-front", "back-", "with space", "", "dot.ted", "ünicode"])
async def test_a_slug_is_a_dns_label(engine: AsyncEngine, tenant: Tenant, slug: str) -> None:
    with pytest.raises(IntegrityError, match="slug_is_a_dns_label"):
        await execute(engine, "UPDATE businesses SET slug = :s WHERE id = :id", s=slug, id=tenant.business_id)


async def test_one_address_is_one_user_however_it_is_spelt(engine: AsyncEngine) -> None:
    add = "INSERT INTO users (id, email, name, password_hash) VALUES (gen_random_uuid(), :email, 'x', 'x')"
    await execute(engine, add, email="Twice@Users.example")
    with pytest.raises(IntegrityError, match="uq_users_email"):
        await execute(engine, add, email="twice@users.EXAMPLE")
