"""Rate limits: one count of each caller's requests for all processes, in PostgreSQL.

A sliding window of two numbers: requests admitted in this minute, and in the one before, of which the share counts
that lies within the last sixty seconds.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.repositories.rows import rows


@dataclass(frozen=True, slots=True)
class QuotaRequest:
    """Requests of one caller to be counted."""

    subject: str
    """At most 80 characters."""
    requests: int
    quota: int
    """Requests per minute that the caller may make."""


@dataclass(frozen=True, slots=True)
class QuotaUsage:
    """The result of a count."""

    subject: str
    granted: int
    """The requests within the quota."""
    requests: int
    """Admitted in this minute, including these."""
    before: int
    """Admitted in the minute before."""
    elapsed: float
    """Seconds since this minute began, by the database's clock."""


# The database's clock is the only one that all processes share. Refused requests are not counted, so that they do
# not lengthen the wait. A row of a later minute means that a later caller was served first.
_COUNT = text("""
INSERT INTO rate_counters AS c (subject, minute, requests, before)
SELECT a.subject, CAST(floor(extract(epoch FROM statement_timestamp()) / 60) AS bigint), least(a.asked, a.quota), 0
FROM unnest(CAST(:subjects AS text[]), CAST(:asked AS int[]), CAST(:quotas AS int[])) AS a(subject, asked, quota)
ORDER BY a.subject
ON CONFLICT (subject) DO UPDATE SET (minute, before, requests) = (
    SELECT n.minute, n.before, n.counted + greatest(0, least(EXCLUDED.requests, CAST(floor(
        (CAST(:quotas AS int[]))[array_position(CAST(:subjects AS text[]), CAST(c.subject AS text))]
        - n.before * (1 - n.elapsed / 60)
    ) AS int) - n.counted))
    FROM (
        SELECT
            greatest(c.minute, EXCLUDED.minute) AS minute,
            CASE EXCLUDED.minute - c.minute WHEN 1 THEN c.requests
                ELSE CASE WHEN c.minute >= EXCLUDED.minute THEN c.before ELSE 0 END END AS before,
            CASE WHEN c.minute >= EXCLUDED.minute THEN c.requests ELSE 0 END AS counted,
            extract(epoch FROM statement_timestamp()) % 60 AS elapsed
    ) AS n
)
RETURNING
    new.subject, new.requests, new.before,
    new.requests - CASE WHEN old.minute = new.minute THEN old.requests ELSE 0 END AS granted,
    CAST(extract(epoch FROM statement_timestamp()) % 60 AS float8) AS elapsed
""")


async def count(conn: AsyncConnection, asked: Sequence[QuotaRequest]) -> list[QuotaUsage]:
    """Count the requests of several subjects, each named once, in one statement.

    Subjects are locked in one order, so that processes do not deadlock.
    """
    parameters = {
        "subjects": [a.subject for a in asked],
        "asked": [a.requests for a in asked],
        "quotas": [a.quota for a in asked],
    }
    found = await rows(conn, _COUNT, parameters)
    return [
        QuotaUsage(row["subject"], row["granted"], row["requests"], row["before"], row["elapsed"]) for row in found
    ]
