"""Every access to tenant-owned data names the tenant. The exceptions are listed here, with reasons."""

import importlib
import inspect
import pkgutil
from collections.abc import Callable
from typing import Any, get_type_hints

import pytest
from sqlalchemy import Table

from db import repositories
from db.models import Base
from db.repositories.bookings import Reach

WITHOUT_TENANT = {
    "event_tail.count_written": "a number over all tenants",
    "event_tail.last_positions": "names the tenants, many at once",
    "event_tail.list_new": "names the tenants, many at once",
    "live_rights.find_all": "the callers of many streams, whatever their businesses",
    "stream_tickets.add": "a ticket is its caller's, who may be of several businesses",
    "stream_tickets.use": "only who has the ticket can name it",
    "events.number_new": "the event log serves all tenants and gets a number only",
    "unconfirmed.list_unconfirmed": "recovery serves all tenants and gets ids only",
    "maintenance.list_comparable": "the consistency check serves all tenants and asks by id",
    "leases.acquire": "work for all tenants is shared out, and who asks gets a yes or no",
    "businesses.list_for_operators": "operators, who run the installation, get slugs and ids only",
    "effect_handover.list_to_hand_over": "the relay serves all tenants and gets ids only",
    "effect_handover.mark_handed": "the relay serves all tenants and gets nothing back",
    "attachments.list_left_over": "the worker tidies up for all tenants and gets ids and keys only",
    "effect_handover.requeue_expired": "the relay serves all tenants and gets a number only",
    "findings.list_to_reconcile": "the rounds serve all tenants and get ids only",
    "findings.any_to_reconcile": "whether the schedule is needed at all; says yes or no",
    "integrations.find_by_id": "it is the tenant of the integration that a vendor calls for that is looked for",
    "payments.list_unnotified": "recovery serves all tenants and gets ids only",
    "maintenance.list_unstarted": "recovery serves all tenants and gets ids only",
    "maintenance.count_unstarted": "the API's limit on waiting starts is for all tenants and gets a number only",
    "maintenance.list_open_after": "the consistency check serves all tenants and gets ids only",
    "maintenance.list_still_open": "recovery serves all tenants and gets ids only",
    "maintenance.purge_holds": "the purges serve all tenants and get nothing back",
    "holds.find_owner": "it is the tenant of the hold that is looked for, to tell that tenant of a denial",
    "holds.find_own": "only who holds can name their hold",
    "holds.release_own": "only who holds can name their hold",
    "external_sources.list_due": "the rounds serve all tenants and get ids only",
    "external_sources.any_exist": "whether the schedule is needed at all; says yes or no",
    "rate_limits.count": "who makes requests need not belong to a tenant",
    "origins.list_businesses_by_origin": "whose pages may ask is asked before it is known about whom",
    "users.find_credentials": "users belong to no tenant",
    "idempotency.find": "the scope names the caller",
    "idempotency.claim": "the scope names the caller",
    "idempotency.look_up": "the scope names the caller",
    "users.find_profile": "users belong to no tenant",
    "users.create": "users belong to no tenant",
    "users.replace_password": "users belong to no tenant",
    "users.reset_password": "users belong to no tenant",
    "accounts.add_request": "accounts belong to no tenant",
    "accounts.find_unsent": "accounts belong to no tenant",
    "accounts.add_token": "accounts belong to no tenant",
    "accounts.mark_sent": "accounts belong to no tenant",
    "accounts.find_open": "only who has the token can name the request",
    "accounts.finish": "accounts belong to no tenant",
    "accounts.withdraw_resets": "accounts belong to no tenant",
    "login_attempts.count_attempt": "an account or an address is counted, whosever customer it is",
    "login_attempts.uncount_attempt": "an account or an address is counted, whosever customer it is",
    "login_attempts.clear": "an account or an address is counted, whosever customer it is",
    "login_attempts.count_in_hour": "an account or an address is counted, whosever customer it is",
    "login_attempts.seconds_to_wait": "an account or an address is counted, whosever customer it is",
    "sessions.present": "only who has the token can name the session",
    "sessions.rotate": "users belong to no tenant",
    "sessions.end": "users belong to no tenant",
    "sessions.end_all": "users belong to no tenant",
    "maintenance.list_unsent_messages": "accounts belong to no tenant, and recovery gets ids only",
    "maintenance.purge_identity": "the purges serve all tenants and get nothing back",
    "sessions.begin": "users belong to no tenant",
    "sessions.find_principal": "users belong to no tenant",
    "api_keys.find_by_prefix": "it is the tenant of the key that is looked for",
    "bookings.find_applied": "only who gave a command to the booking can name its key",
    "bookings.find_owner": "it is the tenant of the booking that is looked for, to tell that tenant of a denial",
    "businesses.find": "it is the tenant that is looked for",
    "businesses.list_of_user": "it is the tenants of one user that are looked for",
    "services.find_offering": "it names the tenant by id or slug",
}
TENANTLESS_TABLES = {
    "account_requests",
    "account_tokens",
    "businesses",
    "leases",
    "login_attempts",
    "rate_counters",
    "stream_tickets",
    "refresh_tokens",
    "sessions",
    "users",
}
SOMETIMES_TENANTLESS = {"audit_log": "what concerns no business, as logging in"}


def repository_functions() -> dict[str, Callable[..., Any]]:
    """Every public function of `db.repositories` that asks the database something."""
    found = {}
    for module_info in pkgutil.iter_modules(repositories.__path__):
        module = importlib.import_module(f"db.repositories.{module_info.name}")
        for name, function in inspect.getmembers(module, inspect.iscoroutinefunction):
            generic = module_info.name == "rows"
            if function.__module__ == module.__name__ and not name.startswith("_") and not generic:
                found[f"{module_info.name}.{name}"] = function
    return found


@pytest.mark.parametrize("name", repository_functions())
def test_a_repository_function_names_the_tenant_or_is_a_known_exception(name: str) -> None:
    hints = get_type_hints(repository_functions()[name])
    names_tenant = "business_id" in hints or Reach in hints.values()
    assert names_tenant is (name not in WITHOUT_TENANT)


def test_the_exceptions_are_functions_that_exist() -> None:
    assert set(repository_functions()) >= set(WITHOUT_TENANT)


@pytest.mark.parametrize("table", Base.metadata.sorted_tables, ids=lambda table: table.name)
def test_every_tenant_owned_table_carries_the_tenant(table: Table) -> None:
    column = table.columns.get("business_id")
    if table.name in TENANTLESS_TABLES:
        assert column is None
    else:
        assert column is not None
        assert column.nullable is (table.name in SOMETIMES_TENANTLESS)
