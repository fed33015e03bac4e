"""How many requests each caller has made lately: one count for all processes, kept in PostgreSQL.

A sliding window out of two numbers: what was let through in this minute, and in the one before, of which counts
the part that the last sixty seconds still reach into.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.repositories.rows import rows


@dataclass(frozen=True, slots=True)
class QuotaRequest:
    """Somebody who wants to make requests."""

    subject: str
    """At most 80 characters."""
    requests: int
    quota: int
    """How many requests they have in a minute."""


@dataclass(frozen=True, slots=True)
class QuotaUsage:
    """What came of it."""

    subject: str
    granted: int
    """How many of the requests are within the quota."""
    requests: int
    """Granted in this minute, these included."""
    before: int
    """Granted in the minute before."""
    elapsed: float
    """Seconds since this minute began, by the database's clock."""


# The clock is the database's, the only one that all processes share. What is refused is not counted, so that who
# asks too often waits no longer for it. A row of a later minute is somebody's who came later and was served first.
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

    Subjects are taken in one order, so that no two processes wait for each other.
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
