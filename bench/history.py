"""Bookings by the million, of one business and of others beside it: written by the database, a lot a statement.

Everybody's are evenly spread: three a day and provider, from one or two years back up to now, and with the
other businesses a month into the future too. A tenth belongs to the business that is looked at.
"""

from datetime import date, datetime, timedelta

import asyncpg

from bench.tenant import SLOT_MINUTES, Tenant

BUSY_A_DAY = 10
"""Of the sixteen half hours from nine to five."""

_OTHERS = 60
_PROVIDERS_EACH = 15
_OTHERS_AHEAD = timedelta(days=30)
_A_DAY = 3
_SHARE = 10
"""One booking in so many belongs to the business that is looked at."""

_MAKE_OTHERS = (
    f"""
INSERT INTO businesses (id, slug, name, timezone, currency)
SELECT gen_random_uuid(), 'other-' || n, 'Other', 'America/New_York', 'USD' FROM generate_series(1, {_OTHERS}) AS n
""",
    """
INSERT INTO services (id, business_id, code, name, duration_minutes, price_minor, currency)
SELECT gen_random_uuid(), id, 'visit', 'Visit', 30, 12900, 'USD' FROM businesses WHERE slug LIKE 'other-%'
""",
    f"""
INSERT INTO providers (id, business_id, code, name)
SELECT gen_random_uuid(), id, n, 'P' FROM businesses, generate_series(1, {_PROVIDERS_EACH}) AS n
WHERE slug LIKE 'other-%'
""",
    """
INSERT INTO customers (id, business_id, name)
SELECT gen_random_uuid(), id, 'C' FROM businesses, generate_series(1, 50) WHERE slug LIKE 'other-%'
""",
)

# By number and then by provider, as time goes: the bookings of one provider lie scattered over the table. The
# keys begin with the moment that the booking is for, much as the application's begin with that of their making.
_BOOK = """
WITH people AS (
    SELECT p.business_id, p.id AS provider_id, row_number() OVER (PARTITION BY p.business_id ORDER BY p.id) AS nth,
           b.timezone, b.policy, b.currency, s.id AS service_id, c.ids AS customers
    FROM providers p
    JOIN businesses b ON b.id = p.business_id
    JOIN services s ON s.business_id = b.id
    JOIN (SELECT business_id, array_agg(id) AS ids FROM customers GROUP BY business_id) c ON c.business_id = b.id
    WHERE CASE WHEN $2::boolean THEN b.id = $1 ELSE b.slug LIKE 'other-%' END
), booked AS (
    SELECT people.*, n,
           ($5::date - day + make_interval(mins => $7::int + $8 * ((nth_of_day * $9 / $6 + day + nth) % $9)::int))
               AT TIME ZONE timezone AS starts_at
    FROM generate_series($3::bigint, $4::bigint - 1) AS n
    CROSS JOIN LATERAL (SELECT (n / $6)::int AS day, n % $6 AS nth_of_day) AS at
    CROSS JOIN people
), booking AS (
    INSERT INTO bookings (
        id, business_id, reference, service_id, provider_id, customer_id, status, version, starts_at, ends_at,
        buffer_before_minutes, buffer_after_minutes, timezone, price_minor, currency, policy, auto_accept,
        phase_since, attempt, accepted_once, needs_attention, planned_from, created_at, updated_at)
    SELECT (lpad(to_hex((extract(epoch FROM starts_at) * 1000)::bigint), 12, '0')
               || right(gen_random_uuid()::text, 22))::uuid,
           business_id, upper(left(md5(provider_id::text || starts_at), 12)), service_id, provider_id,
           customers[1 + (n + nth) % array_length(customers, 1)],
           CASE WHEN starts_at > now() THEN 'accepted' ELSE 'completed' END, 4, starts_at,
           starts_at + make_interval(mins => $8), 0, 0, timezone, 12900, currency, policy, false,
           starts_at, 1, true, false, starts_at, starts_at, starts_at
    FROM booked
    RETURNING id, business_id, provider_id, starts_at, ends_at
), reservation AS (
    INSERT INTO reservations (id, business_id, provider_id, booking_id, during, session_id)
    SELECT id, business_id, provider_id, id, tstzrange(starts_at, ends_at), id FROM booking
)
INSERT INTO booking_history (
    booking_id, sequence, business_id, kind, step_key, new_status, actor_role, provider_id, occurred_at)
SELECT id, 1, business_id, 'created', 'created', 'pending', 'customer', provider_id, starts_at FROM booking
"""


class History:
    """What has been written into one database, on behalf of a business that is there already."""

    def __init__(self, connection: asyncpg.Connection, tenant: Tenant) -> None:
        self._connection, self._tenant = connection, tenant
        self._own = self._others = 0  # bookings of each provider
        self._has_company = False

    async def grow_to(self, bookings: int) -> None:
        """Add past bookings until there are so many in all; the month to come of the business stays free."""
        if not self._has_company:
            for statement in _MAKE_OTHERS:
                await self._connection.execute(statement)
            self._has_company = True
        today = datetime.now(self._tenant.hours.zone).date()
        own = bookings // _SHARE // len(self._tenant.providers)
        others = (bookings - bookings // _SHARE) // (_OTHERS * _PROVIDERS_EACH)
        await self._book(True, self._own, own, today - timedelta(days=1), _A_DAY)
        await self._book(False, self._others, others, today + _OTHERS_AHEAD, _A_DAY)
        self._own, self._others = own, others
        await self._analyze()

    async def fill(self, first: date, days: int) -> None:
        """Book out ten of the sixteen half hours of every provider of the business on these days."""
        await self._book(True, 0, days * BUSY_A_DAY, first + timedelta(days=days - 1), BUSY_A_DAY)
        await self._analyze()

    async def count(self) -> int:
        return int(await self._connection.fetchval("SELECT count(*) FROM bookings"))

    async def _book(self, own: bool, first: int, end: int, last_day: date, a_day: int) -> None:
        """Bookings number `first` to `end` of each provider, counted backwards from the last day."""
        hours = self._tenant.hours
        day = (last_day, a_day, hours.opens, SLOT_MINUTES, hours.slots)
        await self._connection.execute(_BOOK, self._tenant.business_id, own, first, end, *day)

    async def _analyze(self) -> None:
        await self._connection.execute("VACUUM (ANALYZE)")
