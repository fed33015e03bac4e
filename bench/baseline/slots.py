"""Baseline for free slots: PostgreSQL calculates them with multiranges and writes the JSON.

It subtracts reservations from open time and cuts the rest into starts with their providers, as Holdfast does in
Python. It supports only weekly hours (the business's or the provider's): no exceptions, time off, areas, limits,
group sessions or external calendars.
"""

from datetime import date
from typing import Final
from uuid import UUID

from fastapi import Request, Response

# The open ranges of each provider and day; the reserved ranges, widened by the buffers; the gaps between them; and
# in each gap the starts on the grid of its open range.
SLOTS: Final = """
WITH service AS (
    SELECT b.id AS business_id, b.timezone, s.required_skills,
           make_interval(mins => s.duration_minutes) AS duration,
           make_interval(mins => s.buffer_before_minutes) AS before,
           make_interval(mins => s.buffer_after_minutes) AS after,
           s.slot_step_minutes * 60 AS step
    FROM businesses b JOIN services s ON s.business_id = b.id
    WHERE b.id = $1 AND s.id = $2 AND s.active
), fitting AS (
    SELECT p.id, CASE WHEN h.provider_id IS NULL THEN NULL ELSE p.id END AS keeps
    FROM service JOIN providers p USING (business_id)
    LEFT JOIN (SELECT DISTINCT provider_id FROM weekly_hours WHERE business_id = $1) h ON h.provider_id = p.id
    WHERE p.available AND p.skills @> service.required_skills AND ($3::uuid IS NULL OR p.id = $3)
), stretch AS (
    SELECT h.provider_id AS keeps,
           tstzrange((day + make_interval(mins => h.opens_minute)) AT TIME ZONE timezone,
                     (day + make_interval(mins => h.closes_minute)) AT TIME ZONE timezone) AS open
    FROM service, generate_series($4::date - interval '1 day', $5::date::timestamp, interval '1 day') AS day
    JOIN weekly_hours h ON h.weekday = extract(isodow FROM day) AND h.business_id = $1
), bounds AS (
    SELECT $4::date::timestamp AT TIME ZONE timezone AS first, $5::date::timestamp AT TIME ZONE timezone AS last
    FROM service
), taken AS MATERIALIZED (
    SELECT r.provider_id, range_agg(tstzrange(lower(r.during) - after, upper(r.during) + before)) AS busy
    FROM service, bounds, fitting JOIN reservations r ON r.provider_id = fitting.id
    WHERE r.during && tstzrange(first - interval '1 day', last + interval '1 day')
      AND (r.expires_at IS NULL OR r.expires_at > statement_timestamp())
    GROUP BY r.provider_id
), gap AS (
    SELECT p.id, lower(s.open) AS opens, gap
    FROM fitting p
    JOIN stretch s ON s.keeps IS NOT DISTINCT FROM p.keeps
    LEFT JOIN taken t ON t.provider_id = p.id,
    unnest(s.open::tstzmultirange - coalesce(t.busy, '{}')) AS gap
), start AS (
    SELECT starts_at, json_agg(gap.id) AS provider_ids, count(*) AS seats
    FROM service, bounds, gap, generate_series(
        opens + make_interval(secs => ceil(extract(epoch FROM lower(gap) - opens) / step) * step),
        upper(gap) - duration, make_interval(secs => step)) AS starts_at
    WHERE starts_at >= first AND starts_at < last AND starts_at > statement_timestamp()
    GROUP BY starts_at
)
SELECT json_build_object('timezone', service.timezone, 'as_of', NULL, 'items', coalesce((
    SELECT json_agg(json_build_object(
        'starts_at', starts_at, 'ends_at', starts_at + duration, 'provider_ids', provider_ids,
        'seats_left', seats) ORDER BY starts_at)
    FROM start), '[]'))::text
FROM service
"""


async def list_slots(request: Request) -> Response:
    """Answer with the slots; the parameters are not validated."""
    query = request.query_params
    async with request.app.state.pool.acquire() as conn:
        body = await conn.fetchval(
            SLOTS,
            UUID(request.path_params["business"]),
            UUID(query["service_id"]),
            query.get("provider_id"),
            date.fromisoformat(query["from"]),
            date.fromisoformat(query["to"]),
        )
    return Response(body, media_type="application/json")
