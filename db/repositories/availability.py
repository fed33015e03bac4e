"""A business's calendar for one query, read in one statement for any number of providers."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime
from typing import Any, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.repositories.rows import Row, rows
from domain.areas import Area, AreaKind
from domain.availability import Interval, ProviderSchedule, Session
from domain.external import is_closed, state_of
from domain.hours import DateException, ExceptionKind, Opening, Weekly
from domain.slots import BusinessCalendar, ProviderCalendar, SlotQuery
from domain.zones import local_date, moment

T = TypeVar("T")

# One row for each fitting provider, with their reserved time. The first row also carries, as JSON, what belongs to
# the business; a business without fitting providers gives that row alone. An expired hold reserves nothing.
CALENDAR = text("""
WITH fitting AS (
    SELECT p.id, p.rating::float8 AS rating, p.auto_accept, p.last_assigned_at, p.timezone,
           row_number() OVER (ORDER BY p.rating DESC, p.id) AS position
    FROM providers p
    WHERE p.business_id = :business_id AND (p.available OR CAST(:redeemed_hold_id AS uuid) IS NOT NULL)
      AND p.skills @> CAST(:required_skills AS varchar[])
      AND (CAST(:provider_id AS uuid) IS NULL OR p.id = :provider_id)
      AND p.id <> ALL (CAST(:refused AS uuid[]))
), live AS MATERIALIZED (  -- read once, not once a day
    SELECT starts_at FROM holds
    WHERE business_id = :business_id AND service_id = :service_id AND booking_id IS NULL
      AND expires_at > statement_timestamp()
)
SELECT p.id AS provider_id, p.rating, p.auto_accept, p.last_assigned_at, p.timezone,
       taken.from_, taken.until, taken.session_from, taken.session_until,
       CASE WHEN coalesce(p.position, 1) = 1 THEN json_build_object(
           'weekly', (
               SELECT json_agg(json_build_array(h.provider_id, h.weekday, h.opens_minute, h.closes_minute))
               FROM weekly_hours h
               WHERE h.business_id = :business_id
                 AND (h.provider_id IS NULL OR CAST(:provider_id AS uuid) IS NULL
                      OR h.provider_id = :provider_id)),
           'exceptions', (
               SELECT json_agg(json_build_array(e.provider_id, e.date, e.kind, e.yearly, e.opens_minute,
                                                e.closes_minute))
               FROM date_exceptions e
               WHERE e.business_id = :business_id
                 AND (e.yearly OR e.date BETWEEN :first_day AND :last_day)),
           'away', (
               SELECT json_agg(json_build_array(o.provider_id, extract(epoch FROM o.starts_at)::float8,
                                                extract(epoch FROM o.ends_at)::float8))
               FROM time_off o
               WHERE o.business_id = :business_id AND o.ends_at > :reads_from AND o.starts_at < :reads_until),
           'areas', (
               SELECT json_agg(json_build_array(a.provider_id, a.kind, a.first, a.last))
               FROM service_areas a WHERE a.business_id = :business_id),
           'days', (
               SELECT json_agg(
                   (SELECT count(*) FROM bookings b
                    WHERE b.business_id = :business_id AND b.service_id = :service_id AND b.status <> 'cancelled'
                      AND b.id IS DISTINCT FROM CAST(:moving_booking_id AS uuid)
                      AND b.starts_at >= day.first AND b.starts_at < day.last)
                   + (SELECT count(*) FROM live h
                      WHERE h.starts_at >= day.first AND h.starts_at < day.last) ORDER BY day.first)
               FROM unnest(CAST(:day_starts AS timestamptz[]), CAST(:day_ends AS timestamptz[]))
                   AS day(first, last)),
           'served_last', (
               SELECT b.provider_id FROM bookings b
               WHERE b.business_id = :business_id AND b.customer_id = CAST(:customer_id AS uuid)
                 AND b.status = 'completed'
               ORDER BY b.starts_at DESC LIMIT 1),
           'source', (
               SELECT json_build_array(s.on_stale, s.max_age_seconds, s.as_of)
               FROM external_sources s WHERE s.business_id = :business_id),
           'external', (
               SELECT json_agg(json_build_array(x.provider_id, x.kind, extract(epoch FROM x.starts_at)::float8,
                                                extract(epoch FROM x.ends_at)::float8))
               FROM external_times x
               WHERE x.business_id = :business_id AND x.ends_at > :reads_from AND x.starts_at < :reads_until),
           'open_elsewhere', (
               SELECT json_agg(DISTINCT x.provider_id) FROM external_times x
               WHERE x.business_id = :business_id AND x.kind = 'open')
       )::text END AS business
FROM (SELECT 1) AS one
LEFT JOIN fitting p ON true
LEFT JOIN LATERAL (
    SELECT array_agg(floor(date_part('epoch', lower(r.during)))::bigint) AS from_,
           array_agg(ceil(date_part('epoch', upper(r.during)))::bigint) AS until,
           array_agg(floor(date_part('epoch', lower(r.during)))::bigint)
               FILTER (WHERE r.service_id = :service_id) AS session_from,
           array_agg(ceil(date_part('epoch', upper(r.during)))::bigint)
               FILTER (WHERE r.service_id = :service_id) AS session_until
    FROM reservations r
    WHERE r.provider_id = p.id AND r.during && tstzrange(:reads_from, :reads_until)
      AND r.id IS DISTINCT FROM CAST(:redeemed_hold_id AS uuid)
      AND (r.expires_at IS NULL OR r.expires_at > statement_timestamp())
) taken ON true
ORDER BY p.position
""")


async def load(conn: AsyncConnection, business_id: UUID, query: SlotQuery) -> BusinessCalendar:
    """The calendar as committed at this moment, with every provider who can do the service."""
    found = await rows(conn, CALENDAR, _parameters(business_id, query))
    business = _BusinessRows(orjson.loads(found[0]["business"]), query)
    return BusinessCalendar(
        query=query,
        providers=tuple(business.provider(row) for row in found if row["provider_id"] is not None),
        areas=business.areas[None],
        full_days=business.full_days(),
        served_last=business.served_last,
        is_closed=business.is_closed(),
        as_of=business.as_of,
    )


def _parameters(business_id: UUID, query: SlotQuery) -> dict[str, Any]:
    rules, (reads_from, reads_until) = query.rules, query.reads
    days = query.days() if rules.daily_limit is not None else []
    return {
        "business_id": business_id,
        "service_id": rules.service_id,
        "required_skills": list(rules.required_skills),
        "provider_id": query.provider_id,
        "refused": list(query.refused),
        "customer_id": query.customer_id,
        "moving_booking_id": query.moving_booking_id,
        "redeemed_hold_id": query.redeemed_hold_id,
        "reads_from": moment(reads_from),
        "reads_until": moment(reads_until),
        # Two more days: hours may pass midnight, and a provider's zone may differ from the business's.
        "first_day": local_date(reads_from - _TWO_DAYS, query.zone),
        "last_day": local_date(reads_until + _TWO_DAYS, query.zone),
        "day_starts": [moment(first) for _, (first, _) in days],
        "day_ends": [moment(end) for _, (_, end) in days],
    }


_TWO_DAYS = 2 * 86_400


class _BusinessRows:
    """What a business keeps beside its providers, by the provider it applies to; None is everybody."""

    def __init__(self, found: Mapping[str, Any], query: SlotQuery) -> None:
        self._query = query
        self._weekly = _by_owner(found["weekly"], _weekly)
        self._exceptions = _by_owner(found["exceptions"], _exception)
        self._away = _by_owner(found["away"], _interval)
        self.areas = _by_owner(found["areas"], _area)
        self._booked = found["days"] or []
        self._source = found["source"]
        self._external = _outside(found["external"] or ())
        self._open_elsewhere = {UUID(owner) for owner in found["open_elsewhere"] or ()}
        self.served_last = UUID(found["served_last"]) if found["served_last"] else None
        self.as_of = datetime.fromisoformat(self._source[2]) if self._source and self._source[2] else None
        self._shared = Opening(query.zone, self._weekly[None], self._exceptions[None])
        self._openings: dict[tuple[object, ...], Opening] = {}

    def provider(self, row: Row) -> ProviderCalendar:
        """One provider's calendar, from their row and the business's rows about them."""
        provider_id = UUID(str(row["provider_id"]))
        taken = list(zip(row["from_"] or (), row["until"] or (), strict=True))
        schedule = ProviderSchedule(
            provider_id=provider_id,
            opening=self._opening(provider_id, row["timezone"]),
            away=self._away[None] + self._away[provider_id],
            busy=tuple(taken) + self._elsewhere(provider_id, "busy"),
            sessions=self._sessions(row) if self._query.rules.capacity > 1 else (),
            open_elsewhere=(self._elsewhere(provider_id, "open") if provider_id in self._open_elsewhere else None),
        )
        return ProviderCalendar(
            schedule, row["rating"], row["auto_accept"], row["last_assigned_at"], self.areas[provider_id]
        )

    def full_days(self) -> tuple[Interval, ...]:
        """The days on which the service has reached its limit."""
        limit = self._query.rules.daily_limit
        if limit is None:
            return ()
        days = (bounds for _, bounds in self._query.days())
        return tuple(day for day, booked in zip(days, self._booked, strict=True) if booked >= limit)

    def is_closed(self) -> bool:
        """Whether the outside calendar is stale and the business then offers nothing."""
        if self._source is None:
            return False
        on_stale, max_age_seconds, _ = self._source
        return is_closed(on_stale, state_of(self.as_of, max_age_seconds, self._query.now))

    def _opening(self, provider_id: UUID, timezone: str | None) -> Opening:
        weekly, exceptions = self._weekly[provider_id], self._exceptions[provider_id]
        if not weekly and not exceptions:
            return self._shared
        zone = ZoneInfo(timezone) if timezone and weekly else self._query.zone
        weekly = weekly or self._weekly[None]
        # One object for everybody with the same rules, so that these are evaluated once.
        own = Opening(zone, weekly, self._exceptions[None], exceptions)
        return self._openings.setdefault((zone, weekly, exceptions), own)

    def _elsewhere(self, provider_id: UUID, kind: str) -> tuple[Interval, ...]:
        return tuple(self._external[provider_id, kind])

    def _sessions(self, row: Row) -> tuple[Session, ...]:
        """The sessions of the requested service, each with the seats that its reservations leave."""
        taken: dict[Interval, int] = defaultdict(int)
        for interval in zip(row["session_from"] or (), row["session_until"] or (), strict=True):
            taken[interval] += 1
        capacity = self._query.rules.capacity
        return tuple(Session(*interval, seats_left=capacity - seats) for interval, seats in taken.items())


def _by_owner(
    items: Iterable[list[Any]] | None, make: Callable[[list[Any]], T]
) -> defaultdict[UUID | None, tuple[T, ...]]:
    """The items by the provider they apply to."""
    found: defaultdict[UUID | None, list[T]] = defaultdict(list)
    for owner, *rest in items or ():
        found[UUID(owner) if owner else None].append(make(rest))
    return defaultdict(tuple, {owner: tuple(made) for owner, made in found.items()})


def _outside(items: Iterable[list[Any]]) -> defaultdict[tuple[UUID, str], list[Interval]]:
    """The intervals of outside calendars, by provider and kind."""
    found: defaultdict[tuple[UUID, str], list[Interval]] = defaultdict(list)
    for owner, kind, *times in items:
        found[UUID(owner), kind].append(_interval(times))
    return found


def _weekly(item: list[Any]) -> Weekly:
    return Weekly(*item)


def _exception(item: list[Any]) -> DateException:
    day, kind, yearly, opens, closes = item
    return DateException(date.fromisoformat(day), ExceptionKind(kind), yearly, opens, closes)


def _interval(item: list[Any]) -> Interval:
    return int(item[0]), -int(-item[1] // 1)


def _area(item: list[Any]) -> Area:
    kind, first, last = item
    return Area(AreaKind(kind), first, last)
