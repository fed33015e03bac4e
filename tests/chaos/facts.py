"""The state after a cell: the business's rows in PostgreSQL, its workflows, and its vendors' ledgers."""

import asyncio
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import asyncpg
import httpx
from temporalio.client import (
    Client,
    WorkflowExecutionDescription,
    WorkflowExecutionStatus,
    WorkflowQueryFailedError,
)
from temporalio.service import RPCError, RPCStatusCode

from domain.booking import BookingState
from domain.names import BOOKING_WORKFLOW, booking_workflow_id
from tests.chaos.business import Business
from tests.chaos.deployment import Deployment
from tests.chaos.history import Json

_AT_ONCE: Final = 12
_STUCK_AFTER: Final = 4
"""Attempts at one workflow task. Kills and frozen processes cost one or two."""
_QUERY_TIMEOUT: Final = timedelta(seconds=10)

_TABLES: Final = {
    "bookings": "SELECT * FROM bookings WHERE business_id = $1 ORDER BY id",
    "steps": "SELECT * FROM booking_history WHERE business_id = $1 ORDER BY booking_id, sequence",
    "reservations": """SELECT id, provider_id, booking_id, session_id, seat, expires_at,
        lower(during) AS begins, upper(during) AS ends FROM reservations WHERE business_id = $1""",
    "holds": "SELECT * FROM holds WHERE business_id = $1",
    "messages": """SELECT id, booking_id, key, kind, audience, channel, state, booking_version, starts_at,
        minutes_before, created_at, error FROM messages WHERE business_id = $1""",
    "effects": "SELECT * FROM effects WHERE business_id = $1 ORDER BY id",
    "payments": "SELECT * FROM payments WHERE business_id = $1",
    "events": "SELECT id, type, subject, time, position, data FROM events WHERE business_id = $1",
}


@dataclass(frozen=True, slots=True)
class Workflow:
    """The state of a booking's workflow in Temporal."""

    is_running: bool
    status: str | None = None
    """The booking's status from the workflow's query; None: it does not run or did not answer."""
    version: int | None = None
    is_stuck: bool = False
    """Whether its workflow task keeps failing."""


@dataclass(slots=True)
class Facts:
    """Rows by table, as plain mappings; ids are text."""

    at: datetime
    bookings: list[Json] = field(default_factory=list)
    steps: list[Json] = field(default_factory=list)
    reservations: list[Json] = field(default_factory=list)
    holds: list[Json] = field(default_factory=list)
    messages: list[Json] = field(default_factory=list)
    effects: list[Json] = field(default_factory=list)
    payments: list[Json] = field(default_factory=list)
    events: list[Json] = field(default_factory=list)
    workflows: dict[str, Workflow] = field(default_factory=dict)
    ledger: list[Json] = field(default_factory=list)

    def booking(self, booking_id: str) -> Json | None:
        return next((row for row in self.bookings if row["id"] == booking_id), None)

    def workflow(self, booking_id: str) -> Workflow:
        """The workflow of a booking; one that was never started counts as not running."""
        return self.workflows.get(booking_id, Workflow(is_running=False))

    def steps_of(self, booking_id: str) -> list[Json]:
        return [row for row in self.steps if row["booking_id"] == booking_id]


async def gather(deployment: Deployment, business: Business) -> Facts:
    """Read the state of all systems."""
    facts = Facts(at=datetime.now(UTC))
    connection = await asyncpg.connect(deployment.stack.database_url, timeout=10, command_timeout=60)
    try:
        await connection.set_type_codec("jsonb", schema="pg_catalog", encoder=json.dumps, decoder=json.loads)
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            for table, query in _TABLES.items():
                rows = await connection.fetch(query, business.id)
                setattr(facts, table, [_plain(row) for row in rows])
    finally:
        await connection.close()
    facts.ledger = await _ledger(deployment, business)
    facts.workflows = await _workflows(deployment.temporal, facts)
    return facts


def _plain(row: asyncpg.Record) -> Json:
    return {name: str(value) if isinstance(value, UUID) else value for name, value in row.items()}


async def _ledger(deployment: Deployment, business: Business) -> list[Json]:
    accounts = {
        "sendgrid": business.sendgrid,
        "stripe": business.stripe,
        "servicetitan": business.servicetitan,
        "webhook_receiver": business.receiver,
    }
    entries: list[Json] = []
    async with httpx.AsyncClient(base_url=deployment.vendors_url, timeout=30, trust_env=False) as http:
        for vendor, account in accounts.items():
            answer = await http.get("/control/ledger", params={"vendor": vendor, "account": account})
            entries += answer.raise_for_status().json()["entries"]
    return entries


async def _workflows(client: Client, facts: Facts) -> dict[str, Workflow]:
    slots = asyncio.Semaphore(_AT_ONCE)

    async def look(booking_id: str) -> tuple[str, Workflow]:
        async with slots:
            return booking_id, await _workflow(client, booking_id)

    return dict(await asyncio.gather(*(look(row["id"]) for row in facts.bookings)))


async def _workflow(client: Client, booking_id: str) -> Workflow:
    handle = client.get_workflow_handle(booking_workflow_id(UUID(booking_id)))
    try:
        description = await handle.describe(rpc_timeout=_QUERY_TIMEOUT)
        if description.status is not WorkflowExecutionStatus.RUNNING:
            return Workflow(is_running=False)
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return Workflow(is_running=False)
        raise
    is_stuck = _is_stuck(description)
    try:
        state = await handle.query("state", result_type=BookingState, rpc_timeout=_QUERY_TIMEOUT)
    except (RPCError, WorkflowQueryFailedError):
        return Workflow(is_running=True, is_stuck=is_stuck)
    return Workflow(is_running=True, status=str(state.status), version=state.version, is_stuck=is_stuck)


def _is_stuck(description: WorkflowExecutionDescription) -> bool:
    return description.raw_description.pending_workflow_task.attempt > _STUCK_AFTER


async def stuck_workflows(client: Client) -> list[str]:
    """The ids of all bookings' workflows, of every cell so far, whose workflow task keeps failing."""
    slots = asyncio.Semaphore(_AT_ONCE)

    async def look(workflow_id: str) -> str | None:
        async with slots:
            description = await client.get_workflow_handle(workflow_id).describe(rpc_timeout=_QUERY_TIMEOUT)
            return workflow_id if _is_stuck(description) else None

    running = f"WorkflowType = '{BOOKING_WORKFLOW}' AND ExecutionStatus = 'Running'"
    ids = [run.id async for run in client.list_workflows(running)]
    return [one for one in await asyncio.gather(*map(look, ids)) if one]


_PROGRESS: Final = """
SELECT (SELECT count(*) FROM bookings WHERE business_id = $1 AND version = 1
            AND created_at < now() - interval '1 second')
     + (SELECT count(*) FROM bookings WHERE business_id = $1 AND status IN ('pending', 'rejected', 'no_show')
            AND NOT needs_attention AND next_attempt_at < now() + interval '1 second')
     + (SELECT count(*) FROM effects WHERE business_id = $1 AND state IN ('pending', 'running', 'retrying')
            AND coalesce(next_attempt_at, due_at) < now() + interval '1 second')
     + (SELECT count(*) FROM events WHERE business_id = $1 AND position IS NULL) AS due,
       (SELECT coalesce(sum(version), 0) FROM bookings WHERE business_id = $1) AS steps,
       (SELECT coalesce(sum(attempts), 0) FROM effects WHERE business_id = $1) AS attempts
"""


async def until_quiet(deployment: Deployment, business: Business, *, patience: float, steady: float = 2.0) -> bool:
    """Wait until nothing is due and nothing has changed for `steady` seconds; False after `patience` seconds."""
    loop = asyncio.get_running_loop()
    end, since, before = loop.time() + patience, loop.time(), None
    while loop.time() < end:
        now = await _read_progress(deployment, business.id)
        if now is None or now != before or now[0] > 0:
            before, since = now, loop.time()
        elif loop.time() - since >= steady:
            return True
        await asyncio.sleep(0.4)
    return False


async def _read_progress(deployment: Deployment, business_id: UUID) -> tuple[Any, ...] | None:
    try:
        connection = await asyncpg.connect(deployment.stack.database_url, timeout=5, command_timeout=10)
    except (OSError, asyncpg.PostgresError, TimeoutError):
        return None
    try:
        row = await connection.fetchrow(_PROGRESS, business_id)
        return tuple(row.values())
    finally:
        await connection.close()
