"""Some years of bookings, for one transaction."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import NullPool

from db.engine import async_url
from dev.postgres import EmbeddedPostgres

# 100 businesses with 5 providers each; 20,000 bookings, from 100 days ago to 100 days ahead.
_ROWS = """
CREATE TEMPORARY TABLE b ON COMMIT DROP AS
    SELECT n, gen_random_uuid() AS id, gen_random_uuid() AS service, gen_random_uuid() AS customer
    FROM generate_series(1, 100) n;
CREATE TEMPORARY TABLE p ON COMMIT DROP AS
    SELECT b.id AS business, b.service, b.customer, gen_random_uuid() AS id, k FROM b, generate_series(1, 5) k;
CREATE TEMPORARY TABLE t ON COMMIT DROP AS
    SELECT p.*, gen_random_uuid() AS booking,
           date_trunc('day', now()) + make_interval(days => d * 5, hours => 9 + k) AS starts_at
    FROM p, generate_series(-20, 19) d;

INSERT INTO businesses (id, slug, name, timezone, currency, created_at, updated_at)
    SELECT id, 'volume-' || n, 'Volume', 'America/New_York', 'USD', now(), now() FROM b;
INSERT INTO services (id, business_id, code, name, duration_minutes, price_minor, currency)
    SELECT service, id, 'repair', 'Repair', 60, 100, 'USD' FROM b;
INSERT INTO customers (id, business_id, name) SELECT customer, id, 'Casey' FROM b;
INSERT INTO customers (id, business_id, name)
    SELECT gen_random_uuid(), id, 'Somebody' FROM b, generate_series(1, 20);
INSERT INTO providers (id, business_id, code, name, rating) SELECT id, business, 'p' || k, 'P', 4 FROM p;
INSERT INTO bookings (
    id, business_id, reference, service_id, provider_id, customer_id, status, version, starts_at, ends_at,
    buffer_before_minutes, buffer_after_minutes, timezone, price_minor, currency, policy, auto_accept, phase_since,
    attempt, accepted_once, needs_attention, planned_from, created_at, updated_at)
    SELECT booking, business, left(booking::text, 8), service, id,
           CASE WHEN k = 1 THEN customer ELSE gen_random_uuid() END,
           CASE WHEN starts_at < now() THEN 'completed' ELSE 'accepted' END, 2, starts_at,
           starts_at + interval '1 hour', 0, 0, 'America/New_York', 100, 'USD', '{}', false, now(), 0, true, false,
           now(), now(), least(starts_at, now()) FROM t;
INSERT INTO effects (id, business_id, booking_id, kind, vendor, lane, key, subject, target_id, state, due_at)
    SELECT gen_random_uuid(), business, booking, 'create_job', 'servicetitan', 'job', booking, '{}', service,
           'done', now() FROM t;
INSERT INTO payments (booking_id, business_id, vendor, collect, amount_minor, currency, state, payer_ref,
                      updated_at)
    SELECT booking, business, 'stripe', 'completion', 100, 'USD',
           CASE WHEN starts_at < now() THEN 'captured' ELSE 'authorized' END, 'payer', least(starts_at, now())
    FROM t;
INSERT INTO reservations (id, business_id, provider_id, booking_id, during, session_id)
    SELECT booking, business, id, booking, tstzrange(starts_at, starts_at + interval '1 hour'), booking FROM t;
INSERT INTO holds (id, business_id, service_id, provider_id, starts_at, ends_at, held_by, expires_at)
    SELECT gen_random_uuid(), business, service, id, starts_at, starts_at + interval '1 hour', gen_random_uuid(),
           now() - make_interval(mins => 1000 * k) FROM t;
INSERT INTO weekly_hours (id, business_id, provider_id, weekday, opens_minute, closes_minute)
    SELECT gen_random_uuid(), business, id, day, 480, 1080 FROM p, generate_series(1, 7) day;
INSERT INTO date_exceptions (id, business_id, date, kind)
    SELECT gen_random_uuid(), id, current_date + day, 'closed' FROM b, generate_series(-180, 180, 5) day;
INSERT INTO time_off (id, business_id, provider_id, kind, starts_at, ends_at)
    SELECT gen_random_uuid(), business, id, 'time_off', starts_at, starts_at + interval '2 hours' FROM t
    WHERE starts_at < now();
INSERT INTO service_areas (id, business_id, kind, first)
    SELECT gen_random_uuid(), id, 'exact', code::text FROM b, generate_series(10001, 10050) code;
INSERT INTO external_sources (business_id, url, on_stale, interval_seconds, max_age_seconds, horizon_days,
                              next_check_at)
    SELECT id, 'https://calendar.example', 'open', 60, 60, 30, now() FROM b;
INSERT INTO external_times (business_id, provider_id, kind, starts_at, ends_at)
    SELECT business, id, 'busy', starts_at, starts_at + interval '2 hours' FROM t WHERE k < 3;
INSERT INTO integrations (id, business_id, port, vendor, settings)
    SELECT gen_random_uuid(), id, port, vendor, jsonb_build_object('account', repeat('x', 200))
    FROM b, (VALUES ('payments', 'stripe'), ('email', 'smtp'), ('sms', 'twilio'), ('jobs', 'servicetitan'),
                    ('storage', 's3'), ('analytics', 'ga4'), ('analytics', 'meta')) AS vendors(port, vendor);
"""
_TABLES = (
    "businesses, services, customers, providers, bookings, reservations, holds, weekly_hours, date_exceptions, "
    "time_off, service_areas, external_sources, external_times, integrations, effects, payments"
)


@asynccontextmanager
async def volume(postgres: EmbeddedPostgres) -> AsyncIterator[tuple[AsyncConnection, UUID]]:
    """A connection that sees the data, and one of the businesses; rolled back at the end."""
    # The superuser may leave foreign keys unchecked: what is made here refers to what is made here.
    engine = create_async_engine(async_url(postgres.url_for("holdfast", role="postgres")), poolclass=NullPool)
    async with engine.connect() as conn, conn.begin() as transaction:
        driver = (await conn.get_raw_connection()).driver_connection
        assert driver is not None
        await conn.execute(text("SET LOCAL session_replication_role = replica"))
        await driver.execute(_ROWS)
        await driver.execute(f"ANALYZE {_TABLES}")
        business = (await conn.execute(text("SELECT id FROM b WHERE n = 50"))).scalar_one()
        yield conn, business
        await transaction.rollback()
    await engine.dispose()
