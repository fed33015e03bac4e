"""Many concurrent clients: one winner, clean refusals, and commands right after the answer."""

import asyncio

from domain.policies import Policy
from tests.support.stage import Stage, make_stage, ok, problem


async def test_32_clients_on_one_slot_have_one_winner_and_31_clean_refusals(stage: Stage) -> None:
    starts_at, ana = stage.next_start(), stage.tenant.providers["ana"]
    answers = await asyncio.gather(
        *(stage.as_("customer").book(stage.tenant, starts_at=starts_at, provider_id=ana) for _ in range(32))
    )
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 31
    for answer in answers:
        if answer.status_code == 409:
            problem(answer, 409, "slot_unavailable")
    for table in ("bookings", "reservations", "idempotency_keys"):
        assert await stage.count(table) == 1


async def test_32_clients_with_overlapping_wishes_never_share_a_provider_s_minute(stage: Stage) -> None:
    first = stage.next_start()
    wishes = [first.replace(minute=minute) for minute in (0, 15, 30, 45)] * 8
    answers = await asyncio.gather(
        *(stage.as_("customer").book(stage.tenant, starts_at=starts_at) for starts_at in wishes)
    )
    assert {answer.status_code for answer in answers} == {201, 409}
    booked = [answer.json() for answer in answers if answer.status_code == 201]
    assert len(booked) == len({booking["provider_id"] for booking in booked}) == 2


async def test_bookings_of_one_burst_all_find_their_provider(stage: Stage) -> None:
    made = await asyncio.gather(*(stage.book(provider_id=None) for _ in range(30)))
    settled = await asyncio.gather(*(stage.settled(booking, "assigned") for booking in made))
    assert {booking["version"] for booking in settled} == {2}


async def test_an_acceptance_sent_right_behind_the_201_finds_the_offer(stage: Stage) -> None:
    async def book_and_accept() -> str:
        booking = await stage.book()
        accepted = ok(await stage.as_("ana").command(booking["id"], "accept"))
        return f"{accepted['status']} at step {accepted['version']}"

    assert set(await asyncio.gather(*(book_and_accept() for _ in range(25)))) == {"accepted at step 3"}


async def test_a_cancellation_sent_right_behind_the_201_ends_the_booking(stage: Stage) -> None:
    async def book_and_cancel() -> str:
        booking = await stage.book()
        cancelled = ok(await stage.as_("customer").command(booking["id"], "cancel"))
        return str(cancelled["status"])

    assert set(await asyncio.gather(*(book_and_cancel() for _ in range(15)))) == {"cancelled"}


async def test_of_rival_answers_one_wins_and_hears_so_and_the_history_stays_gapless(stage: Stage) -> None:
    async def rivals_for_one_offer() -> tuple[list[int], list[int]]:
        booking = await stage.settled(await stage.book(), "assigned")
        answers = await asyncio.gather(
            *(stage.as_("ana").command(booking["id"], "accept") for _ in range(6)),
            *(stage.as_("owner").command(booking["id"], "accept") for _ in range(6)),
        )
        sequences = [item["sequence"] for item in await stage.history(booking)]
        return sorted(answer.status_code for answer in answers), sequences

    for _ in range(3):
        assert await rivals_for_one_offer() == ([200] + [409] * 11, [1, 2, 3])


async def test_one_time_that_is_freed_is_taken_once(stage: Stage) -> None:
    starts_at, ana = stage.next_start(), stage.tenant.providers["ana"]
    booking = await stage.book(starts_at=starts_at)
    ok(await stage.as_("customer").command(booking["id"], "cancel"))
    answers = await asyncio.gather(
        *(stage.as_("customer").book(stage.tenant, starts_at=starts_at, provider_id=ana) for _ in range(8))
    )
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 7


async def test_moves_to_one_time_have_one_winner(stage: Stage) -> None:
    target = stage.next_start()
    bookings = await asyncio.gather(*(stage.book() for _ in range(6)))
    await asyncio.gather(*(stage.settled(booking, "assigned") for booking in bookings))
    answers = await asyncio.gather(
        *(stage.as_("customer").command(b["id"], "reschedule", starts_at=target) for b in bookings)
    )
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 5
    assert await stage.count("reservations") == 6


async def test_a_provider_who_accepts_automatically_is_never_asked(stage: Stage) -> None:
    quick = await make_stage(stage.api, stage.engine, Policy(auto_accept=True))
    booking = await quick.settled(await quick.book(), "accepted")
    steps = await quick.history(booking)
    assert [(step["new_status"], step["reason"]) for step in steps[1:]] == [
        ("assigned", None),
        ("accepted", "auto_accepted"),
    ]
