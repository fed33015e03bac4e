"""What open streams depend on, of many callers at once: their logins, roles, keys and customer records."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.repositories.rows import rows
from domain.callers import KeyHolder, Membership, Principal, Scope

_SESSIONS: Final = text("""
SELECT s.id AS session_id, s.user_id, m.business_id, m.role, m.provider_id
FROM sessions s
JOIN users u ON u.id = s.user_id AND u.active
LEFT JOIN memberships m ON m.user_id = u.id
WHERE s.id = ANY(:ids) AND s.ended_at IS NULL AND s.expires_at > statement_timestamp()
""")
_KEYS: Final = text("""
SELECT id, business_id, scopes FROM api_keys
WHERE id = ANY(:ids) AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > statement_timestamp())
""")
_CUSTOMERS: Final = text("SELECT user_id, business_id, id FROM customers WHERE user_id = ANY(:ids)")


@dataclass(frozen=True, slots=True)
class LiveRights:
    """Callers as the database knows them now; who is missing has no rights any more."""

    users: dict[UUID, Principal]
    """By session."""
    keys: dict[UUID, KeyHolder]
    customers: dict[UUID, frozenset[tuple[UUID, UUID]]]
    """By user: their customer records, as business and customer."""


async def find_all(
    conn: AsyncConnection, *, sessions: Collection[UUID], keys: Collection[UUID], users: Collection[UUID]
) -> LiveRights:
    """Look up these sessions, API keys, and users' customer records."""
    return LiveRights(
        users=await _principals(conn, sessions) if sessions else {},
        keys=await _key_holders(conn, keys) if keys else {},
        customers=await _customers(conn, users) if users else {},
    )


async def _principals(conn: AsyncConnection, ids: Collection[UUID]) -> dict[UUID, Principal]:
    owners: dict[UUID, UUID] = {}
    memberships: dict[UUID, list[Membership]] = {}
    for found in await rows(conn, _SESSIONS, {"ids": list(ids)}):
        owners[found["session_id"]] = found["user_id"]
        if found["business_id"] is not None:
            held = Membership(
                business_id=found["business_id"], role=found["role"], provider_id=found["provider_id"]
            )
            memberships.setdefault(found["session_id"], []).append(held)
    return {
        session_id: Principal(
            user_id=user_id, memberships=tuple(memberships.get(session_id, ())), session_id=session_id
        )
        for session_id, user_id in owners.items()
    }


async def _key_holders(conn: AsyncConnection, ids: Collection[UUID]) -> dict[UUID, KeyHolder]:
    found = await rows(conn, _KEYS, {"ids": list(ids)})
    return {
        row["id"]: KeyHolder(
            key_id=row["id"], business_id=row["business_id"], scopes=frozenset(map(Scope, row["scopes"]))
        )
        for row in found
    }


async def _customers(conn: AsyncConnection, ids: Collection[UUID]) -> dict[UUID, frozenset[tuple[UUID, UUID]]]:
    records: dict[UUID, set[tuple[UUID, UUID]]] = {}
    for found in await rows(conn, _CUSTOMERS, {"ids": list(ids)}):
        records.setdefault(found["user_id"], set()).add((found["business_id"], found["id"]))
    return {user_id: frozenset(pairs) for user_id, pairs in records.items()}
