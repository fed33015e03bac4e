"""External calendars: their sources, last answers and the results of checks.

A change locks the source's row first, so that an answer is never stored for a source that was replaced or removed
meanwhile.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.repositories.rows import Row, execute, row, row_or_none, rows
from domain.external import CheckOutcome, ExternalInterval, adopted_as_of

_ROWS_A_STATEMENT = 10_000
"""Keeps each statement far below the database's command timeout."""

_COLUMNS = """url, token_encrypted IS NOT NULL AS has_token, md5(token_encrypted) AS token_tag, on_stale,
       interval_seconds, max_age_seconds, horizon_days, as_of, checked_at, error"""

_FIND = text(f"SELECT {_COLUMNS} FROM external_sources WHERE business_id = :business_id")  # noqa: S608

_LIST_DUE = text("""
SELECT business_id FROM external_sources WHERE next_check_at <= now() ORDER BY next_check_at LIMIT :limit
""")

_ANY = text("SELECT EXISTS (SELECT FROM external_sources) AS found")

_LOCK = text("SELECT url, as_of FROM external_sources WHERE business_id = :business_id FOR UPDATE")

# Data and token belong to the URL that they came from or were given for.
_SAVE = text(f"""
INSERT INTO external_sources AS known (business_id, url, token_encrypted, on_stale, interval_seconds,
                                       max_age_seconds, horizon_days, next_check_at)
VALUES (:business_id, :url, :token_encrypted, :on_stale, :interval_seconds, :max_age_seconds, :horizon_days, now())
ON CONFLICT (business_id) DO UPDATE SET
    url = excluded.url,
    token_encrypted = CASE WHEN :keep_token AND known.url = excluded.url THEN known.token_encrypted
                           ELSE excluded.token_encrypted END,
    on_stale = excluded.on_stale,
    interval_seconds = excluded.interval_seconds,
    max_age_seconds = excluded.max_age_seconds,
    horizon_days = excluded.horizon_days,
    next_check_at = excluded.next_check_at,
    as_of = CASE WHEN known.url = excluded.url THEN known.as_of END,
    checked_at = CASE WHEN known.url = excluded.url THEN known.checked_at END,
    error = CASE WHEN known.url = excluded.url THEN known.error END
RETURNING {_COLUMNS}
""")  # noqa: S608

_DELETE = text("DELETE FROM external_sources WHERE business_id = :business_id")

_CHECK_NOW = text(f"""
UPDATE external_sources SET next_check_at = now() WHERE business_id = :business_id RETURNING {_COLUMNS}
""")  # noqa: S608

# Stays on its interval's schedule, so that a late round lengthens no pause, but never checks twice in a hurry.
_CLAIM = text("""
UPDATE external_sources
SET next_check_at = greatest(
    next_check_at + make_interval(secs => CAST(
        interval_seconds * (1 + floor(extract(epoch FROM now() - next_check_at) / interval_seconds)) AS float8)),
    now() + make_interval(secs => interval_seconds / 2.0))
WHERE business_id = :business_id AND next_check_at <= now()
RETURNING url, token_encrypted, horizon_days
""")

_FAILED = text("""
UPDATE external_sources SET checked_at = now(), error = :error WHERE business_id = :business_id AND url = :url
""")

_ANSWERED = text("""
UPDATE external_sources SET checked_at = now(), error = CAST(:error AS text), as_of = :as_of
WHERE business_id = :business_id
""")

UNKNOWN_PROVIDERS = "unknown_providers"
"""The error of an answer that is only partly usable."""

_PROVIDERS = text("SELECT code, id FROM providers WHERE business_id = :business_id")

_DELETE_TIMES = text("DELETE FROM external_times WHERE business_id = :business_id")

_NEW_TIMES = """unnest(CAST(:provider_ids AS uuid[]), CAST(:kinds AS varchar[]), CAST(:starts AS timestamptz[]),
            CAST(:ends AS timestamptz[])) AS new(provider_id, kind, starts_at, ends_at)"""

# Most of an answer repeats the one before: only differences are written.
_DELETE_OTHER_TIMES = text(f"""
DELETE FROM external_times t
WHERE t.business_id = :business_id AND NOT EXISTS (
    SELECT 1 FROM {_NEW_TIMES}
    WHERE new.provider_id = t.provider_id AND new.kind = t.kind
      AND new.starts_at = t.starts_at AND new.ends_at = t.ends_at)
""")  # noqa: S608

_INSERT_TIMES = text(f"""
INSERT INTO external_times (business_id, provider_id, kind, starts_at, ends_at)
SELECT :business_id, new.provider_id, new.kind, new.starts_at, new.ends_at FROM {_NEW_TIMES}
ON CONFLICT DO NOTHING
""")  # noqa: S608


@dataclass(frozen=True, slots=True)
class NewSource:
    """A source's new settings."""

    url: str
    token_encrypted: str | None = field(repr=False)
    keep_token: bool
    """Keep the stored token, if the URL stays the same."""
    on_stale: str
    interval_seconds: int
    max_age_seconds: int
    horizon_days: int


@dataclass(frozen=True, slots=True)
class ClaimedSource:
    """A source to check now."""

    url: str
    token_encrypted: str | None = field(repr=False)
    horizon_days: int


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    outcome: CheckOutcome
    times: int = 0
    unknown_refs: int = 0
    """Number of the answer's providers that the business does not have."""


async def find(conn: AsyncConnection, business_id: UUID) -> Row | None:
    """The business's source without its token; `token_tag` changes with the token."""
    return await row_or_none(conn, _FIND, {"business_id": business_id})


async def save(conn: AsyncConnection, business_id: UUID, source: NewSource) -> Row:
    """Set or replace the source, due at once; a new URL starts without data. Within a transaction."""
    known = await row_or_none(conn, _LOCK, {"business_id": business_id})
    if known is not None and known["url"] != source.url:
        await execute(conn, _DELETE_TIMES, {"business_id": business_id})
    parameters = {name: getattr(source, name) for name in NewSource.__dataclass_fields__}
    return await row(conn, _SAVE, {"business_id": business_id} | parameters)


async def delete(conn: AsyncConnection, business_id: UUID) -> None:
    """Remove the source and its data, if there is one. Within a transaction."""
    for statement in (_LOCK, _DELETE_TIMES, _DELETE):
        await execute(conn, statement, {"business_id": business_id})


async def check_now(conn: AsyncConnection, business_id: UUID) -> Row | None:
    """Make the source due now; None if there is none."""
    return await row_or_none(conn, _CHECK_NOW, {"business_id": business_id})


async def list_due(conn: AsyncConnection, *, limit: int) -> list[UUID]:
    """Businesses whose source is due, the most overdue first."""
    return [UUID(str(found["business_id"])) for found in await rows(conn, _LIST_DUE, {"limit": limit})]


async def any_exist(conn: AsyncConnection) -> bool:
    """Whether any business of any tenant has a source."""
    return bool((await row(conn, _ANY, {}))["found"])


async def claim(conn: AsyncConnection, business_id: UUID) -> ClaimedSource | None:
    """Claim the check of a source and schedule its next one; None if it is not due (any more)."""
    found = await row_or_none(conn, _CLAIM, {"business_id": business_id})
    return ClaimedSource(**found) if found else None


async def record_failure(conn: AsyncConnection, business_id: UUID, *, url: str, error: str) -> None:
    """Record a failed check; stored data stays."""
    await execute(conn, _FAILED, {"business_id": business_id, "url": url, "error": error})


async def store_answer(
    conn: AsyncConnection,
    business_id: UUID,
    *,
    url: str,
    said_as_of: datetime,
    times: Sequence[ExternalInterval],
    now: datetime,
) -> StoredAnswer:
    """Replace the stored times with a new answer. Within a transaction.

    Nothing is replaced if the answer's `said_as_of` is not newer than the stored data, or if the source's URL is
    no longer `url`. The `times` of one provider and kind must not touch.
    """
    source = await row_or_none(conn, _LOCK, {"business_id": business_id})
    if source is None or source["url"] != url:
        return StoredAnswer(CheckOutcome.SUPERSEDED)
    known = {found["code"]: found["id"] for found in await rows(conn, _PROVIDERS, {"business_id": business_id})}
    unknown = {time.provider_ref for time in times} - known.keys()
    as_of = adopted_as_of(said_as_of, source["as_of"], now)
    answered = {"as_of": as_of or source["as_of"], "error": UNKNOWN_PROVIDERS if unknown else None}
    await execute(conn, _ANSWERED, {"business_id": business_id} | answered)
    if as_of is None:
        return StoredAnswer(CheckOutcome.UNCHANGED)
    ours = [time for time in times if time.provider_ref in known]
    await _replace_times(conn, business_id, ours, known)
    return StoredAnswer(CheckOutcome.REFRESHED, len(ours), len(unknown))


async def _replace_times(
    conn: AsyncConnection, business_id: UUID, times: Sequence[ExternalInterval], ids: dict[str, UUID]
) -> None:
    await execute(conn, _DELETE_OTHER_TIMES, {"business_id": business_id} | _arrays(times, ids))
    for start in range(0, len(times), _ROWS_A_STATEMENT):
        some = _arrays(times[start : start + _ROWS_A_STATEMENT], ids)
        await execute(conn, _INSERT_TIMES, {"business_id": business_id} | some)


def _arrays(times: Sequence[ExternalInterval], ids: dict[str, UUID]) -> dict[str, Any]:
    return {
        "provider_ids": [ids[time.provider_ref] for time in times],
        "kinds": [time.kind.value for time in times],
        "starts": [time.starts_at for time in times],
        "ends": [time.ends_at for time in times],
    }
