"""What the application's role may do with each table. It owns none, so that it can change rows and nothing else.

Migrations run as the owner of the schema; at the end of each, the application's role gets exactly this.
"""

from collections.abc import Iterable
from types import MappingProxyType
from typing import Final

from sqlalchemy import Connection, text

_ADD_ONLY: Final = "SELECT, INSERT"
_ADD_AND_REMOVE: Final = "SELECT, INSERT, DELETE"
_KEEP: Final = "SELECT, INSERT, UPDATE"
_EVERYTHING: Final = "SELECT, INSERT, UPDATE, DELETE"
_NOTHING: Final = ""

ON_DATABASE: Final = "CONNECT"
ON_SCHEMA: Final = "USAGE"
ON_TABLES: Final = MappingProxyType(
    {
        "account_requests": _EVERYTHING,
        "account_tokens": _ADD_AND_REMOVE,
        "alembic_version": _NOTHING,
        "api_keys": "SELECT, INSERT, UPDATE (last_used_at, revoked_at)",
        "attachments": "SELECT, INSERT, UPDATE (state), DELETE",
        "audit_log": _ADD_ONLY,
        "booking_history": _ADD_ONLY,
        "bookings": _KEEP,
        "business_origins": _ADD_AND_REMOVE,
        "businesses": _KEEP,
        "consents": _ADD_ONLY,
        "customers": _KEEP,
        "date_exceptions": _ADD_AND_REMOVE,
        "effects": _KEEP,
        "event_positions": _KEEP,
        "events": "SELECT, INSERT, UPDATE (position)",
        "external_sources": _EVERYTHING,
        "external_times": _ADD_AND_REMOVE,
        "findings": _KEEP,
        "holds": _EVERYTHING,
        "idempotency_keys": _EVERYTHING,
        "inbound_events": _EVERYTHING,
        "installation_mails": _KEEP,
        "integrations": _EVERYTHING,
        "leases": _KEEP,
        "login_attempts": _EVERYTHING,
        "memberships": _ADD_AND_REMOVE,
        "message_templates": _EVERYTHING,
        "messages": _KEEP,
        "payments": _KEEP,
        "providers": _KEEP,
        "rate_counters": _EVERYTHING,
        "refresh_tokens": _EVERYTHING,
        "remarks": _ADD_ONLY,
        "reservations": _EVERYTHING,
        "service_areas": _ADD_AND_REMOVE,
        "services": _KEEP,
        "sessions": _EVERYTHING,
        "time_off": _EVERYTHING,
        "unconfirmed_commands": _ADD_AND_REMOVE,
        "users": _KEEP,
        "webhook_endpoints": _EVERYTHING,
        "weekly_hours": _ADD_AND_REMOVE,
    }
)
"""The one table: every table, and the privileges on it. Locking a row takes UPDATE on a column of it."""
ON_SEQUENCES: Final = MappingProxyType({"events_written": "USAGE"})
"""Every sequence that a column's default counts with."""

# A superuser, the owner, and whoever may become the owner are held back by no privilege.
_IS_SEPARATE = text("""
SELECT EXISTS (
    SELECT 1 FROM pg_roles r
    WHERE r.rolname = :role AND NOT r.rolsuper AND NOT pg_has_role(r.rolname, current_user, 'MEMBER')
    AND NOT EXISTS (
        SELECT 1 FROM pg_tables t
        WHERE t.schemaname = current_schema() AND t.tablename = ANY(:tables)
        AND pg_has_role(r.rolname, t.tableowner, 'MEMBER')))
""")

_PRESENT = text("""
SELECT relname FROM pg_class
WHERE relnamespace = CAST(current_schema() AS regnamespace) AND relkind IN ('r', 'S') AND relname = ANY(:names)
""")
_PLACE = text("SELECT current_database(), current_schema()")


def apply(connection: Connection, role: str) -> bool:
    """Give the role what it needs and take everything else from it, in the transaction that is open.

    False, and nothing is done, when there is no such role, or when it is one that privileges do not bind: then
    only the application itself sees to it that the audit log is never changed.
    """
    tables = {"tables": list(ON_TABLES)}
    if not connection.execute(_IS_SEPARATE, {"role": role, **tables}).scalar_one():
        return False
    database, schema = connection.execute(_PLACE).one()
    present = set(connection.execute(_PRESENT, {"names": [*ON_TABLES, *ON_SEQUENCES]}).scalars())
    for statement in _statements(connection, role, database, schema, present):
        connection.exec_driver_sql(statement)
    return True


def _statements(connection: Connection, role: str, database: str, schema: str, present: set[str]) -> Iterable[str]:
    quote = connection.dialect.identifier_preparer.quote_identifier
    grantee = quote(role)
    yield f"GRANT {ON_DATABASE} ON DATABASE {quote(database)} TO {grantee}"
    yield f"REVOKE ALL ON SCHEMA {quote(schema)} FROM {grantee}"
    yield f"GRANT {ON_SCHEMA} ON SCHEMA {quote(schema)} TO {grantee}"
    for kind, granted in (("TABLE", ON_TABLES), ("SEQUENCE", ON_SEQUENCES)):
        for privileges in sorted(set(granted.values())):
            names = [name for name, given in granted.items() if given == privileges and name in present]
            if not names:
                continue
            listed = ", ".join(f"{quote(schema)}.{quote(name)}" for name in names)
            yield f"REVOKE ALL ON {kind} {listed} FROM {grantee}"
            if privileges:
                yield f"GRANT {privileges} ON {kind} {listed} TO {grantee}"
