"""Every status, command and caller over HTTP, against the literal lifecycle table.

Commands that must be refused are all sent to one booking, which must be untouched afterwards; each that must
succeed gets a booking of its own.
"""

import asyncio
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.support.api_client import ApiClient
from tests.support.domain import contract
from tests.support.factories import Tenant, make_tenant
from tests.support.stage import Json, Stage, make_stage, ok, problem

CALLERS = (
    "anonymous",
    "customer",
    "other customer",
    "provider",
    "other provider",
    "owner",
    "admin",
    "foreign provider",
    "foreign admin",
)
INSIDERS = {"customer": "customer", "provider": "provider", "owner": "owner", "admin": "admin"}
PLAIN = ("accept", "reject", "start", "complete", "no-show", "cancel", "reschedule", "assign")


@dataclass(frozen=True)
class Attempt:
    """A command with its particulars."""

    command: str
    target: str | None
    """The status it leads to; none for a move."""

    def body(self, stage: Stage) -> dict[str, Any]:
        bodies: dict[str, dict[str, Any]] = {
            "no-show": {"party": "provider"},
            "reschedule": {"starts_at": stage.next_start()},
            "assign": {"provider_id": stage.tenant.providers["ben"]},
            "override": {"status": self.target, "reason": "test"},
        }
        return bodies.get(self.command, {})


ATTEMPTS = [Attempt(command, contract.LEADS_TO.get(command)) for command in PLAIN]
ATTEMPTS += [Attempt("override", status) for status in contract.STATUSES]


def expected(caller: str, status: str, attempt: Attempt) -> int:
    """The answer's status code by the contract."""
    if caller == "anonymous":
        return 401
    role = INSIDERS.get(caller)
    if role is None or (role == "provider" and status == "pending"):
        return 404  # not theirs: a booking that is pending here has no provider
    if role not in contract.GIVEN_BY[attempt.command]:
        return 403
    if attempt.command != "override" and attempt.command not in contract.COMMANDS[status]:
        return 409
    return 200


class Cast:
    """One patient business and everybody who might call; for each status a booking that must stay untouched."""

    def __init__(self, stage: Stage, stranger: Tenant) -> None:
        self.stage = stage
        self._untouched: dict[str, Json] = {}
        self.callers = {
            "anonymous": stage.api,
            "customer": stage.as_("customer"),
            "other customer": stage.api.as_(stranger.principals["customer"]),
            "provider": stage.as_("ana"),
            "other provider": stage.as_("ben"),
            "owner": stage.as_("owner"),
            "admin": stage.as_("admin"),
            "foreign provider": stage.api.as_(stranger.principals["ana"]),
            "foreign admin": stage.api.as_(stranger.principals["admin"]),
        }

    async def untouched(self, status: str) -> Json:
        if status not in self._untouched:
            [self._untouched[status]] = await self.stage.bookings_in(status)
        return self._untouched[status]


@pytest.fixture(scope="module")
async def cast(api: ApiClient, engine: AsyncEngine) -> Cast:
    return Cast(await make_stage(api, engine), await make_tenant(engine))


@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("status", contract.STATUSES)
async def test_each_command_of_each_caller_to_each_status(cast: Cast, status: str, caller: str) -> None:
    stage, client = cast.stage, cast.callers[caller]
    allowed = [attempt for attempt in ATTEMPTS if expected(caller, status, attempt) == 200]
    refused = [attempt for attempt in ATTEMPTS if attempt not in allowed]
    untouched = await cast.untouched(status)
    fresh = await stage.bookings_in(status, len(allowed)) if allowed else []
    await asyncio.gather(
        *(_send_refused(stage, client, untouched, caller, attempt) for attempt in refused),
        *(
            _send_allowed(stage, client, booking, attempt, INSIDERS.get(caller, ""))
            for booking, attempt in zip(fresh, allowed, strict=True)
        ),
    )
    assert ok(await stage.as_("admin").get(f"/v1/bookings/{untouched['id']}")) == untouched


async def _send(stage: Stage, client: ApiClient, booking: Json, attempt: Attempt) -> httpx.Response:
    return await client.command(booking["id"], attempt.command, **attempt.body(stage))


async def _send_refused(stage: Stage, client: ApiClient, booking: Json, caller: str, attempt: Attempt) -> None:
    answer = await _send(stage, client, booking, attempt)
    status = booking["status"]
    match expected(caller, status, attempt):
        case 401:
            problem(answer, 401, "unauthenticated")
            assert answer.headers["WWW-Authenticate"] == "Bearer"
        case 403:
            problem(answer, 403, "forbidden")
        case 404:
            refusal = problem(answer, 404, "not_found")
            _check_nothing_leaks(refusal, booking)
        case 409:
            body = problem(answer, 409, "invalid_transition")
            assert body["current_status"] == status
            assert body["allowed"] == contract.FOLLOWING[status]


def _check_nothing_leaks(refusal: Json, booking: Json) -> None:
    """The answer is the one for a booking that does not exist: nothing but the id that was asked for."""
    assert set(refusal) == {"type", "title", "status", "detail", "code", "request_id"}
    assert refusal["detail"] == f"There is no booking {booking['id']}."


async def _send_allowed(stage: Stage, client: ApiClient, booking: Json, attempt: Attempt, role: str) -> None:
    """The history proves it: the answer may show what the booking has done of itself since."""
    answer = ok(await _send(stage, client, booking, attempt))
    assert answer["id"] == booking["id"]
    assert answer["version"] > booking["version"]
    step = next(item for item in await stage.history(booking) if item["sequence"] == booking["version"] + 1)
    kind = {"override": "override", "reschedule": "rescheduled"}.get(attempt.command, "transition")
    assert (step["kind"], step["old_status"]) == (kind, booking["status"])
    assert step["new_status"] == (attempt.target or booking["status"])
    assert step["actor"]["role"] == role
