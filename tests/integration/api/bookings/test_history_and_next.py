"""A booking's history, and what happens next."""

from datetime import datetime, timedelta

import pytest

from domain.policies import Backoff, Intake, Policy
from tests.support.factories import make_tenant
from tests.support.stage import Stage, make_stage, ok, problem, until

STEP_MEMBERS = {
    "sequence",
    "kind",
    "old_status",
    "new_status",
    "actor",
    "reason",
    "provider_id",
    "occurred_at",
}
NEXT_MEMBERS = {
    "status",
    "phase",
    "deadline",
    "attempt",
    "max_attempts",
    "next_attempt_at",
    "refused_provider_ids",
    "choice",
    "cancellation",
    "movable_until",
    "reminders",
    "needs_attention",
}


async def test_the_history_tells_every_step_without_a_gap(stage: Stage) -> None:
    booking = await stage.settled(await stage.book(), "assigned")
    ok(await stage.as_("ana").command(booking["id"], "accept"))
    ok(await stage.as_("customer").command(booking["id"], "cancel", reason="changed my mind"))
    steps = await stage.history(booking)
    assert all(set(step) == STEP_MEMBERS for step in steps)
    assert [step["sequence"] for step in steps] == [1, 2, 3, 4]
    assert [step["old_status"] for step in steps] == [None, "pending", "assigned", "accepted"]
    assert [step["new_status"] for step in steps] == ["pending", "assigned", "accepted", "cancelled"]
    moments = [datetime.fromisoformat(step["occurred_at"]) for step in steps]
    assert moments == sorted(moments)


async def test_the_history_says_who_it_was_by_role_and_id(stage: Stage) -> None:
    booking = await stage.settled(await stage.book(), "assigned")
    ok(await stage.as_("ana").command(booking["id"], "accept"))
    people = stage.tenant.principals
    assert [step["actor"] for step in await stage.history(booking)] == [
        {"role": "customer", "id": str(people["customer"].user_id)},
        {"role": "system", "id": None},
        {"role": "provider", "id": str(people["ana"].user_id)},
    ]


async def test_an_offer_waits_for_its_answer_and_says_until_when(stage: Stage) -> None:
    booking = await stage.settled(await stage.book(), "assigned")
    ahead = await stage.next(booking)
    assert set(ahead) == NEXT_MEMBERS
    assert (ahead["status"], ahead["phase"]) == ("assigned", "awaiting_answer")
    assert (ahead["attempt"], ahead["max_attempts"]) == (1, 4)
    assert ahead["deadline"]["kind"] == "offer_expires"
    offered_at = datetime.fromisoformat((await stage.history(booking))[-1]["occurred_at"])
    assert datetime.fromisoformat(ahead["deadline"]["at"]) == offered_at + timedelta(minutes=30)
    assert ahead["needs_attention"] is False
    assert ahead["choice"]["because"] == "asked for by name"
    assert ahead["cancellation"] == {
        "free_until": None,
        "fee": {"amount_minor": 0, "currency": "USD"},
        "is_due": False,
    }


async def test_the_reminders_still_to_come_are_listed(stage: Stage) -> None:
    booking = await stage.book()
    starts_at = datetime.fromisoformat(booking["starts_at"])
    reminders = (await stage.next(booking))["reminders"]
    assert [(r["minutes_before"], datetime.fromisoformat(r["at"])) for r in reminders] == [
        (1440, starts_at - timedelta(days=1)),
        (10, starts_at - timedelta(minutes=10)),
    ]


async def test_a_search_says_when_the_next_attempt_is(patient_stage: Stage) -> None:
    [booking] = await patient_stage.bookings_in("pending")
    ahead = await patient_stage.next(booking)
    assert (ahead["phase"], ahead["attempt"]) == ("assigning", 1)
    failed_at = datetime.fromisoformat((await patient_stage.history(booking))[-1]["occurred_at"])
    assert datetime.fromisoformat(ahead["next_attempt_at"]) == failed_at + timedelta(days=1)
    [step] = [step for step in await patient_stage.history(booking) if step["kind"] == "attempt_failed"]
    assert (step["reason"], step["new_status"]) == ("no_provider_free", "pending")


async def test_when_attempts_run_out_a_person_is_awaited(stage: Stage) -> None:
    policy = Policy(intake=Intake.DISPATCH, backoff=Backoff(attempts=1))
    lonely = await make_stage(stage.api, stage.engine, policy, providers={})
    booking = await lonely.book(provider_id=None)
    ahead = await until(
        lambda: lonely.as_("admin").get(f"/v1/bookings/{booking['id']}/next"), lambda seen: seen["needs_attention"]
    )
    assert (ahead["phase"], ahead["next_attempt_at"]) == ("awaiting_decision", None)
    assert ahead["deadline"]["kind"] == "booking_expires"


@pytest.mark.parametrize("status", ["completed", "cancelled"])
async def test_what_has_ended_awaits_nothing(patient_stage: Stage, status: str) -> None:
    [booking] = await patient_stage.bookings_in(status)
    ahead = await patient_stage.next(booking)
    assert (ahead["phase"], ahead["deadline"], ahead["reminders"]) == ("ended", None, [])


@pytest.mark.parametrize("part", ["", "/history", "/next"])
async def test_whose_booking_it_is_decides_who_reads(stage: Stage, part: str) -> None:
    booking = await stage.book()
    path = f"/v1/bookings/{booking['id']}{part}"
    for reader in ("customer", "ana", "owner", "admin"):
        ok(await stage.as_(reader).get(path))
    other = await make_tenant(stage.engine)
    strangers = [stage.as_("ben"), *(stage.api.as_(principal) for principal in other.principals.values())]
    for stranger in strangers:
        found = problem(await stranger.get(path), 404, "not_found")
        assert set(found) == {"type", "title", "status", "detail", "code", "request_id"}
    problem(await stage.api.get(path), 401, "unauthenticated")
