"""The effect of commands on a booking and on the calendar."""

from datetime import datetime, timedelta

import pytest

from db.models import Business
from runtime.ids import new_id
from tests.support.factories import add_provider, future, make_booking, make_tenant
from tests.support.stage import Json, Stage, ok, problem


async def give(stage: Stage, booking: Json, command: str, by: str, **body: object) -> Json:
    """The booking after a command that must work; what a later look shows is the same."""
    answer = await stage.as_(by).command(booking["id"], command, **body)
    after = ok(answer)
    assert answer.headers["ETag"] == f'"{after["version"]}"'
    return after


async def assigned(stage: Stage, **body: object) -> Json:
    """A booking that Ana has been offered."""
    return await stage.settled(await stage.book(**body), "assigned")


async def test_a_booking_goes_from_offer_to_completion(stage: Stage) -> None:
    booking = await assigned(stage)
    for command, status in (("accept", "accepted"), ("start", "in_progress"), ("complete", "completed")):
        after = await give(stage, booking, command, "ana")
        assert after["status"] == status
        assert ok(await stage.as_("customer").get(f"/v1/bookings/{booking['id']}")) == after
    assert [step["new_status"] for step in await stage.history(booking)] == [
        "pending",
        "assigned",
        "accepted",
        "in_progress",
        "completed",
    ]


async def test_a_rejection_goes_to_the_next_best_after_its_wait(stage: Stage) -> None:
    booking = await assigned(stage)
    after = await give(stage, booking, "reject", "ana", reason="on holiday")
    assert after["status"] == "rejected"
    assert (await stage.next(booking))["refused_provider_ids"] == [str(stage.tenant.providers["ana"])]
    again = await stage.settled(booking, "assigned")
    assert stage.tenant.name_of(again["provider_id"]) == "ben"
    assert (await stage.as_("ana").get(f"/v1/bookings/{booking['id']}")).status_code == 404


async def test_a_cancellation_frees_the_time_at_once(stage: Stage) -> None:
    booking = await assigned(stage)
    await give(stage, booking, "cancel", "customer")
    again = await stage.book(starts_at=booking["starts_at"])
    assert again["provider_id"] == booking["provider_id"]


async def test_a_cancellation_keeps_what_it_says_in_the_history_only(stage: Stage) -> None:
    booking = await assigned(stage)
    after = await give(stage, booking, "cancel", "customer", reason="the car runs again")
    assert "reason" not in after
    assert (await stage.history(booking))[-1]["reason"] == "the car runs again"


async def test_a_move_frees_the_old_time_and_takes_the_new_one(stage: Stage) -> None:
    booking, target = await assigned(stage), stage.next_start()
    moved = await give(stage, booking, "reschedule", "customer", starts_at=target)
    assert (moved["id"], moved["status"]) == (booking["id"], "assigned")
    assert datetime.fromisoformat(moved["starts_at"]) == target
    assert datetime.fromisoformat(moved["ends_at"]) == target + timedelta(hours=1)
    taken = await stage.as_("customer").book(
        stage.tenant, starts_at=target, provider_id=stage.tenant.providers["ana"]
    )
    problem(taken, 409, "slot_unavailable")
    await stage.book(starts_at=booking["starts_at"])


async def test_a_move_may_overlap_the_booking_s_own_time(stage: Stage) -> None:
    booking = await assigned(stage)
    target = datetime.fromisoformat(booking["starts_at"]) + timedelta(minutes=30)
    moved = await give(stage, booking, "reschedule", "customer", starts_at=target)
    assert datetime.fromisoformat(moved["starts_at"]) == target


async def test_a_move_to_a_time_that_is_taken_changes_nothing(stage: Stage) -> None:
    blocker, booking = await assigned(stage), await assigned(stage)
    answer = await stage.as_("customer").command(booking["id"], "reschedule", starts_at=blocker["starts_at"])
    problem(answer, 409, "slot_unavailable")
    assert ok(await stage.as_("customer").get(f"/v1/bookings/{booking['id']}")) == booking


async def test_a_move_to_another_provider_takes_their_time(stage: Stage) -> None:
    booking, ben = await assigned(stage), stage.tenant.providers["ben"]
    moved = await give(stage, booking, "reschedule", "customer", starts_at=booking["starts_at"], provider_id=ben)
    assert stage.tenant.name_of(moved["provider_id"]) == "ben"
    await stage.book(starts_at=booking["starts_at"], provider_id=stage.tenant.providers["ana"])


@pytest.mark.parametrize(
    "starts_at",
    [
        "2020-01-01T10:00:00Z",
        "2099-01-01T10:00:00",
        "9999-12-31T23:30:00Z",
        "9999-12-31T10:00:00Z",
        "9999-12-31T23:59:59-12:00",
    ],
)
async def test_a_move_to_a_time_that_is_past_unclear_or_absurd_is_422_and_the_booking_goes_on(
    stage: Stage, starts_at: str
) -> None:
    booking = await assigned(stage)
    answer = await stage.as_("admin").command(booking["id"], "reschedule", starts_at=starts_at)
    problem(answer, 422, "invalid_request")
    assert (await give(stage, booking, "accept", "ana"))["status"] == "accepted"


@pytest.mark.parametrize("by", ["owner", "admin"])
async def test_the_desk_assigns_whom_it_wants(patient_stage: Stage, by: str) -> None:
    stage = patient_stage
    [booking] = await stage.bookings_in("pending")
    after = await give(stage, booking, "assign", by, provider_id=stage.tenant.providers["ben"])
    assert (after["status"], stage.tenant.name_of(after["provider_id"])) == ("assigned", "ben")


@pytest.mark.parametrize("who", ["nobody", "unskilled", "another tenant's", "busy"])
async def test_the_desk_cannot_assign_somebody_who_cannot(patient_stage: Stage, who: str) -> None:
    stage = patient_stage
    [booking] = await stage.bookings_in("pending")
    await stage.book(starts_at=booking["starts_at"], provider_id=stage.tenant.providers["ben"])
    async with stage.engine.begin() as conn:
        unskilled = await add_provider(conn, stage.tenant, "una", skills=["gardening"])
    foreign = (await make_tenant(stage.engine)).providers["ana"]
    named = {
        "nobody": new_id(),
        "unskilled": unskilled,
        "another tenant's": foreign,
        "busy": stage.tenant.providers["ben"],
    }[who]
    answer = await stage.as_("owner").command(booking["id"], "assign", provider_id=named)
    expected = (409, "slot_unavailable") if who == "busy" else (422, "provider_unfit")
    problem(answer, *expected)
    assert ok(await stage.as_("owner").get(f"/v1/bookings/{booking['id']}")) == booking


async def test_a_provider_s_no_show_looks_for_another(patient_stage: Stage) -> None:
    booking = await assigned(patient_stage)
    for command in ("accept", "start"):
        await give(patient_stage, booking, command, "ana")
    after = await give(patient_stage, booking, "no-show", "owner", party="provider")
    assert after["status"] == "no_show"
    ahead = await patient_stage.next(booking)
    assert ahead["phase"] == "assigning"
    assert ahead["refused_provider_ids"] == [booking["provider_id"]]
    await patient_stage.book(starts_at=booking["starts_at"], provider_id=booking["provider_id"])


async def test_a_customer_s_no_show_ends_the_booking(stage: Stage) -> None:
    booking = await stage.override(await stage.book(), "in_progress")
    ok(await stage.as_("ana").command(booking["id"], "no-show", party="customer"))
    await stage.settled(booking, "cancelled")
    steps = [(step["new_status"], step["reason"]) for step in await stage.history(booking)]
    assert steps[-2:] == [("no_show", None), ("cancelled", "customer_no_show")]


@pytest.mark.parametrize("body", [{}, {"party": "nobody"}, {"party": "customer", "extra": 1}])
async def test_a_no_show_names_who_was_absent(stage: Stage, body: Json) -> None:
    booking = await stage.book()
    problem(await stage.as_("ana").command(booking["id"], "no-show", **body), 422, "invalid_request")


@pytest.mark.parametrize("ended", ["completed", "cancelled"])
async def test_an_override_reopens_what_has_ended(stage: Stage, ended: str) -> None:
    booking = await stage.override(await stage.book(), ended)
    reopened = await stage.override(booking, "accepted")
    assert (reopened["status"], reopened["version"]) == ("accepted", booking["version"] + 1)
    assert (await give(stage, booking, "start", "ana"))["status"] == "in_progress"


async def test_an_override_of_a_cancelled_booking_takes_its_time_back_or_says_that_it_is_gone(
    stage: Stage,
) -> None:
    booking = await stage.override(await stage.book(), "cancelled")
    blocker = await stage.book(starts_at=booking["starts_at"])
    answer = await stage.as_("admin").command(booking["id"], "override", status="accepted", reason="test")
    problem(answer, 409, "slot_unavailable")
    ok(await stage.as_("customer").command(blocker["id"], "cancel"))
    assert (await stage.override(booking, "accepted"))["status"] == "accepted"


async def test_an_override_keeps_its_reason(stage: Stage) -> None:
    booking = await stage.book()
    ok(await stage.as_("admin").command(booking["id"], "override", status="completed", reason="told by phone"))
    last = (await stage.history(booking))[-1]
    assert (last["kind"], last["reason"], last["actor"]["role"]) == ("override", "told by phone", "admin")


@pytest.mark.parametrize(
    "body", [{"status": "completed"}, {"status": "lost", "reason": "x"}, {"status": "completed", "reason": ""}]
)
async def test_an_override_names_a_status_and_a_reason(stage: Stage, body: Json) -> None:
    booking = await stage.book()
    problem(await stage.as_("admin").command(booking["id"], "override", **body), 422, "invalid_request")


@pytest.mark.parametrize("command", ["accept", "start", "complete", "cancel", "reject"])
async def test_particulars_that_nobody_knows_are_422(stage: Stage, command: str) -> None:
    booking = await stage.book()
    answer = await stage.as_("admin").command(booking["id"], command, unheard_of=1)
    problem(answer, 422, "invalid_request")


@pytest.mark.parametrize("reason", ["", "r" * 1001, "nul\x00"])
@pytest.mark.parametrize("command", ["reject", "cancel"])
async def test_a_reason_is_short_and_text(stage: Stage, command: str, reason: str) -> None:
    booking = await stage.book()
    problem(await stage.as_("admin").command(booking["id"], command, reason=reason), 422, "invalid_request")


async def test_a_command_to_a_booking_that_does_not_exist_is_404(stage: Stage) -> None:
    problem(await stage.as_("admin").command(new_id(), "cancel"), 404, "not_found")


async def test_from_its_start_on_a_customer_moves_an_appointment_no_more(stage: Stage) -> None:
    state = await make_booking(stage.engine, stage.tenant, starts_at=future(-1))
    booking = {"id": str(state.booking_id)}
    await stage.settled(booking, "assigned")
    customer = stage.as_("customer")
    problem(await customer.command(state.booking_id, "reschedule", starts_at=future(96)), 409, "appointment_begun")
    moved = ok(await stage.as_("owner").command(state.booking_id, "reschedule", starts_at=future(97)))
    assert datetime.fromisoformat((await stage.next(booking))["movable_until"]) == future(97)
    assert moved["status"] == "assigned"
    ok(await customer.command(state.booking_id, "cancel"))
    assert (await stage.next(booking))["movable_until"] is None


@pytest.mark.parametrize("status", ["suspended", "setup"])
async def test_with_a_business_that_takes_no_bookings_none_is_moved_and_those_there_are_go_on(
    stage: Stage, status: str
) -> None:
    booking, other = await assigned(stage), await assigned(stage)
    await stage.change(Business, status=status)
    for name in ("customer", "owner", "admin"):
        move = await stage.as_(name).command(booking["id"], "reschedule", starts_at=stage.next_start())
        assert problem(move, 422, "invalid_request")["detail"].startswith("This business does not take bookings")
    for command in ("accept", "start", "complete"):
        await give(stage, booking, command, "ana")
    await give(stage, other, "cancel", "customer")
