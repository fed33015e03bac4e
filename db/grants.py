"""The application role's privileges on each table. It owns no tables, so it can change rows and nothing else.

Migrations run as the schema's owner; each one ends by granting the application role exactly these privileges.
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
        "stream_tickets": _EVERYTHING,
        "time_off": _EVERYTHING,
        "unconfirmed_commands": _ADD_AND_REMOVE,
        "users": _KEEP,
        "webhook_endpoints": _EVERYTHING,
        "weekly_hours": _ADD_AND_REMOVE,
    }
)
"""Every table, with the privileges on it. Locking a row requires UPDATE on one of its columns."""
ON_SEQUENCES: Final = MappingProxyType({"events_written": "USAGE"})
"""Every sequence that column defaults use."""

# Privileges do not restrict a superuser, the owner, and members of the owner's role.
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
    """Grant the role its privileges and revoke all others, in the open transaction.

    Returns False without changing anything if there is no such role, or if privileges do not restrict it: then
    only the application itself keeps the audit log append-only.
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
