"""Counted attempts to log in, and to have messages sent. Subjects are hashes, and belong to no tenant."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.repositories.rows import execute, row_or_none

# One statement, so that of guesses that come at once no more get through than are free. It reads the clock again
# when the row is locked: whoever had locked it before may have begun later.
_COUNT_ATTEMPT = text("""
INSERT INTO login_attempts AS a (subject, failures, last_at, free_at)
VALUES (:subject, 1, statement_timestamp(), statement_timestamp())
ON CONFLICT (subject) DO UPDATE SET (failures, last_at, free_at) = (
    SELECT n, statement_timestamp(),
           statement_timestamp() + interval '1 second' * CASE
               WHEN n < CAST(:free AS integer) THEN 0
               ELSE least(power(2, least(n - CAST(:free AS integer), 10)), 300)
           END
    FROM (
        SELECT CASE WHEN a.last_at < statement_timestamp() - interval '1 hour' THEN 1 ELSE a.failures + 1 END
    ) AS counted (n)
)
WHERE a.free_at <= clock_timestamp()
RETURNING last_at
""")


@dataclass(frozen=True, slots=True)
class CountedAttempt:
    """An attempt that counts as failed until it is uncounted."""

    subject: str
    at: datetime


async def count_attempt(conn: AsyncConnection, subject: str, *, free: int) -> CountedAttempt | None:
    """Count an attempt of the subject; none: it has to wait.

    After attempt number `free` the next one has to wait for 1 second, then for 2, 4 … 300. After an hour without
    attempts the count starts anew.
    """
    counted = await row_or_none(conn, _COUNT_ATTEMPT, {"subject": subject, "free": free})
    return None if counted is None else CountedAttempt(subject, counted["last_at"])


# An attempt that came in between has set a wait of its own, which stays.
_UNCOUNT = text("""
UPDATE login_attempts
SET failures = greatest(failures - 1, 0),
    free_at = CASE WHEN last_at = :at THEN statement_timestamp() ELSE free_at END
WHERE subject = :subject
""")


async def uncount_attempt(conn: AsyncConnection, attempt: CountedAttempt) -> None:
    """Uncount an attempt that succeeded."""
    await execute(conn, _UNCOUNT, {"subject": attempt.subject, "at": attempt.at})


_CLEAR = text("DELETE FROM login_attempts WHERE subject = :subject")


async def clear(conn: AsyncConnection, subject: str) -> None:
    """Delete all attempts of the subject."""
    await execute(conn, _CLEAR, {"subject": subject})


# Here `last_at` is the start of the hour.
_COUNT_IN_HOUR = text("""
INSERT INTO login_attempts AS a (subject, failures, last_at, free_at)
VALUES (:subject, 1, statement_timestamp(), statement_timestamp())
ON CONFLICT (subject) DO UPDATE SET (failures, last_at, free_at) = (
    SELECT n, began,
           CASE WHEN n < CAST(:limit AS integer) THEN statement_timestamp() ELSE began + interval '1 hour' END
    FROM (SELECT a.last_at <= statement_timestamp() - interval '1 hour') AS hour (is_over)
    CROSS JOIN LATERAL (
        SELECT CASE WHEN is_over THEN 1 ELSE a.failures + 1 END,
               CASE WHEN is_over THEN statement_timestamp() ELSE a.last_at END
    ) AS counted (n, began)
)
WHERE a.free_at <= clock_timestamp()
RETURNING failures
""")


async def count_in_hour(conn: AsyncConnection, subject: str, *, limit: int) -> bool:
    """Count one in the hour that began with the subject's first; False if it has had `limit` (2 or more)."""
    return await row_or_none(conn, _COUNT_IN_HOUR, {"subject": subject, "limit": limit}) is not None


_WAIT = text("""
SELECT greatest(1, CAST(ceil(extract(epoch FROM free_at - statement_timestamp())) AS integer)) AS seconds
FROM login_attempts WHERE subject = :subject
""")


async def seconds_to_wait(conn: AsyncConnection, subject: str) -> int:
    """How long the subject has to wait for its next attempt, in whole seconds."""
    found = await row_or_none(conn, _WAIT, {"subject": subject})
    return 1 if found is None else int(found["seconds"])
