"""A business's webhook endpoints, and the deliveries to them. Secrets stay encrypted here."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.repositories.effects import NEW_ROUND
from db.repositories.rows import Row, execute, row, row_or_none, rows
from domain.effects import EffectState

REPLAYED_AT_ONCE: Final = 1000

_SHOWN = (
    """id, url, description, event_types, state, disabled_reason, former_secret_until, created_at, updated_at"""
)
_KEPT = "id, url, state, secret_encrypted, former_secret_encrypted, former_secret_until"

# New bookings, which refer to the row, do not wait for this lock.
_LOCK_BUSINESS = text("SELECT id FROM businesses WHERE id = :business_id FOR NO KEY UPDATE")
_LIST = text(f"SELECT {_SHOWN} FROM webhook_endpoints WHERE business_id = :business_id ORDER BY id")  # noqa: S608
_FIND = text(f"SELECT {_SHOWN} FROM webhook_endpoints WHERE business_id = :business_id AND id = :id")  # noqa: S608
_OPEN = text(f"SELECT {_KEPT} FROM webhook_endpoints WHERE business_id = :business_id AND id = :id")  # noqa: S608
_ADD = text(f"""
INSERT INTO webhook_endpoints (id, business_id, url, description, event_types, secret_encrypted)
VALUES (:id, :business_id, :url, :description, CAST(:event_types AS varchar[]), :secret)
RETURNING {_SHOWN}
""")  # noqa: S608
_UPDATE = text(f"""
UPDATE webhook_endpoints
SET url = :url, description = :description, event_types = CAST(:event_types AS varchar[]), state = :state,
    disabled_reason = CAST(:disabled_reason AS varchar), updated_at = clock_timestamp()
WHERE business_id = :business_id AND id = :id
RETURNING {_SHOWN}
""")  # noqa: S608
_ROTATE = text(f"""
UPDATE webhook_endpoints
SET secret_encrypted = :secret, former_secret_encrypted = CAST(:former AS text),
    former_secret_until = CAST(:until AS timestamptz), updated_at = clock_timestamp()
WHERE business_id = :business_id AND id = :id
RETURNING {_SHOWN}
""")  # noqa: S608
_DELETE = text("DELETE FROM webhook_endpoints WHERE business_id = :business_id AND id = :id RETURNING id")
_DISABLE = text("""
UPDATE webhook_endpoints SET state = 'disabled', disabled_reason = :reason, updated_at = clock_timestamp()
WHERE business_id = :business_id AND id = :id AND state = 'enabled'
RETURNING id
""")


async def lock_business(conn: AsyncConnection, business_id: UUID) -> None:
    """Keep everybody else from adding endpoints to this business until the transaction ends."""
    await row(conn, _LOCK_BUSINESS, {"business_id": business_id})


async def list_all(conn: AsyncConnection, business_id: UUID) -> Sequence[Row]:
    """All endpoints of a business, oldest first."""
    return await rows(conn, _LIST, {"business_id": business_id})


async def find(conn: AsyncConnection, business_id: UUID, endpoint_id: UUID) -> Row | None:
    """An endpoint without its secrets."""
    return await row_or_none(conn, _FIND, {"business_id": business_id, "id": endpoint_id})


async def open_one(conn: AsyncConnection, business_id: UUID, endpoint_id: UUID) -> Row | None:
    """What a delivery needs: the endpoint's URL, state and encrypted secrets."""
    return await row_or_none(conn, _OPEN, {"business_id": business_id, "id": endpoint_id})


async def add(conn: AsyncConnection, business_id: UUID, values: Mapping[str, Any]) -> Row:
    """Add an endpoint with `id`, `url`, `description`, `event_types` and the encrypted `secret`."""
    return await row(conn, _ADD, {"business_id": business_id, **values})


async def update(conn: AsyncConnection, business_id: UUID, values: Mapping[str, Any]) -> Row:
    """Change an endpoint to these values. If that disables it, its open deliveries fail."""
    if values["state"] == "disabled":
        await _end_open(conn, business_id, values["id"], EffectState.FAILED, "endpoint_disabled")
    return await row(conn, _UPDATE, {"business_id": business_id, **values})


async def rotate(
    conn: AsyncConnection, business_id: UUID, endpoint_id: UUID, secret: str, former: str | None, until: datetime
) -> Row:
    """Sign with `secret` from now on, and with `former` as well until `until`; both are encrypted."""
    parameters = {
        "business_id": business_id,
        "id": endpoint_id,
        "secret": secret,
        "former": former,
        "until": until if former else None,
    }
    return await row(conn, _ROTATE, parameters)


async def delete(conn: AsyncConnection, business_id: UUID, endpoint_id: UUID) -> bool:
    """Delete an endpoint and end its open deliveries; whether there was one."""
    await _end_open(conn, business_id, endpoint_id, EffectState.OBSOLETE, "endpoint_deleted")
    return await row_or_none(conn, _DELETE, {"business_id": business_id, "id": endpoint_id}) is not None


async def disable(conn: AsyncConnection, business_id: UUID, endpoint_id: UUID, reason: str) -> bool:
    """Disable an endpoint; its open deliveries fail. Whether it was enabled."""
    parameters = {"business_id": business_id, "id": endpoint_id, "reason": reason}
    if await row_or_none(conn, _DISABLE, parameters) is None:
        return False
    await _end_open(conn, business_id, endpoint_id, EffectState.FAILED, "endpoint_disabled")
    return True


# No more than 1000 at once, and none that is locked: the others end when they are attempted.
_END_OPEN = text("""
UPDATE effects
SET state = :state, last_error = :error, next_attempt_at = NULL, done_at = statement_timestamp()
WHERE id IN (
    SELECT id FROM effects
    WHERE business_id = :business_id AND target_id = :target_id AND state IN ('pending', 'retrying')
    ORDER BY id LIMIT 1000 FOR UPDATE SKIP LOCKED)
""")


async def _end_open(
    conn: AsyncConnection, business_id: UUID, endpoint_id: UUID, state: EffectState, error: str
) -> None:
    parameters = {"business_id": business_id, "target_id": endpoint_id, "state": state, "error": error}
    await execute(conn, _END_OPEN, parameters)


# --- deliveries -----------------------------------------------------------------------------------------------

_DELIVERY = """
SELECT e.id, CAST(e.subject ->> 'event_id' AS uuid) AS event_id, coalesce(v.type, 'webhook.test') AS event_type,
       e.state, e.attempts, e.last_error, e.created_at, e.first_attempt_at, e.last_attempt_at, e.next_attempt_at,
       e.done_at
FROM effects e LEFT JOIN events v
    ON v.business_id = e.business_id AND v.id = CAST(e.subject ->> 'event_id' AS uuid)
WHERE e.business_id = :business_id AND e.target_id = :target_id
"""
_DELIVERIES = text(f"""
{_DELIVERY} AND (CAST(:state AS text) IS NULL OR e.state = :state)
  AND (CAST(:before AS uuid) IS NULL OR e.id < CAST(:before AS uuid))
ORDER BY e.id DESC LIMIT :limit
""")
_ONE_DELIVERY = text(f"{_DELIVERY} AND e.id = :id")
_REPLAY = text(f"""
WITH dead AS (
    SELECT id FROM effects
    WHERE business_id = :business_id AND target_id = :target_id AND state = 'failed'
      AND (CAST(:since AS timestamptz) IS NULL OR created_at >= CAST(:since AS timestamptz))
    ORDER BY id LIMIT {REPLAYED_AT_ONCE} FOR UPDATE
)
UPDATE effects e SET {NEW_ROUND}
FROM dead WHERE e.id = dead.id
RETURNING e.id
""")  # noqa: S608
_ACCEPTED = text("""
SELECT EXISTS (
    SELECT 1 FROM effects
    WHERE business_id = :business_id AND target_id = :target_id AND state = 'done' AND done_at >= :since
) AS accepted
""")


async def list_deliveries(
    conn: AsyncConnection,
    business_id: UUID,
    endpoint_id: UUID,
    *,
    limit: int,
    state: EffectState | None = None,
    before: UUID | None = None,
) -> Sequence[Row]:
    """Deliveries to an endpoint, newest first, after the one with the id `before`."""
    parameters = {
        "business_id": business_id,
        "target_id": endpoint_id,
        "state": state,
        "before": before,
        "limit": limit,
    }
    return await rows(conn, _DELIVERIES, parameters)


async def find_delivery(
    conn: AsyncConnection, business_id: UUID, endpoint_id: UUID, delivery_id: UUID
) -> Row | None:
    """A delivery to an endpoint."""
    parameters = {"business_id": business_id, "target_id": endpoint_id, "id": delivery_id}
    return await row_or_none(conn, _ONE_DELIVERY, parameters)


async def replay(conn: AsyncConnection, business_id: UUID, endpoint_id: UUID, since: datetime | None) -> int:
    """Retry deliveries that have failed, the oldest first; how many, `REPLAYED_AT_ONCE` at most."""
    parameters = {"business_id": business_id, "target_id": endpoint_id, "since": since}
    return len(await rows(conn, _REPLAY, parameters))


async def has_accepted_since(conn: AsyncConnection, business_id: UUID, endpoint_id: UUID, since: datetime) -> bool:
    """Whether it has accepted a delivery since then."""
    parameters = {"business_id": business_id, "target_id": endpoint_id, "since": since}
    return bool((await row(conn, _ACCEPTED, parameters))["accepted"])
