"""Counting attempts: to log in, and to have messages sent. Of subjects, which are hashes, and of no tenant."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.repositories.rows import execute, row_or_none

# One statement, so that of guesses which come at once no more get through than have a attempt.
# By the clock as it is when the row is ours: whoever had it before may have begun later.
_BEGIN_ATTEMPT = text("""
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
    """An attempt that counts as failed until it is taken back."""

    subject: str
    at: datetime


async def begin_attempt(conn: AsyncConnection, subject: str, *, free: int) -> CountedAttempt | None:
    """Count an attempt of the subject; none: it has to wait.

    From the attempt number `free` on the next has to wait for a second, then for two, four … 300. After an hour
    of quiet all is forgotten.
    """
    taken = await row_or_none(conn, _BEGIN_ATTEMPT, {"subject": subject, "free": free})
    return None if taken is None else CountedAttempt(subject, taken["last_at"])


# Whoever came in between has their own wait, which stays.
_UNDO_ATTEMPT = text("""
UPDATE login_attempts
SET failures = greatest(failures - 1, 0),
    free_at = CASE WHEN last_at = :at THEN statement_timestamp() ELSE free_at END
WHERE subject = :subject
""")


async def undo_attempt(conn: AsyncConnection, attempt: CountedAttempt) -> None:
    """Uncount an attempt that succeeded."""
    await execute(conn, _UNDO_ATTEMPT, {"subject": attempt.subject, "at": attempt.at})


_CLEAR = text("DELETE FROM login_attempts WHERE subject = :subject")


async def clear(conn: AsyncConnection, subject: str) -> None:
    """Forget every attempt of the subject."""
    await execute(conn, _CLEAR, {"subject": subject})


# Here `last_at` is when the hour began.
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
    """Count one more in the hour that began with the subject's first; false: it has had `limit` (2 or more)."""
    return await row_or_none(conn, _COUNT_IN_HOUR, {"subject": subject, "limit": limit}) is not None


_WAIT = text("""
SELECT greatest(1, CAST(ceil(extract(epoch FROM free_at - statement_timestamp())) AS integer)) AS seconds
FROM login_attempts WHERE subject = :subject
""")


async def seconds_to_wait(conn: AsyncConnection, subject: str) -> int:
    """How long the subject has to wait for its next attempt, in whole seconds."""
    found = await row_or_none(conn, _WAIT, {"subject": subject})
    return 1 if found is None else int(found["seconds"])
