"""Which free provider is chosen: each strategy through the API, under concurrency, with its reason."""

import asyncio
import random
from collections import Counter
from datetime import timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from domain.assignment import AssignmentStrategy
from domain.policies import Backoff, Intake, Policy
from tests.support.api_client import ApiClient
from tests.support.schedules import a_day, add_service, at, hold, newcomer, newcomers
from tests.support.stage import Json, Stage, make_stage, ok

MORNING = at(a_day(), 1)
HOUR = timedelta(hours=1)
THREE = {"ana": 4.9, "ben": 4.7, "cid": 4.5}


async def staged(api: ApiClient, engine: AsyncEngine, strategy: AssignmentStrategy, **policy: Any) -> Stage:
    """A business with three providers that chooses in this way."""
    return await make_stage(api, engine, Policy(assignment=strategy, **policy), providers=THREE)


async def chosen(stage: Stage, caller: ApiClient, **body: Any) -> str:
    """The name of whom a booking got."""
    booking = ok(await caller.book(stage.tenant, **body), 201)
    return stage.tenant.name_of(booking["provider_id"])


async def choice(stage: Stage, booking: Json) -> tuple[str | None, str, int, str]:
    """Why: strategy, who, of how many, because."""
    shown: Json = (await stage.next(booking))["choice"]
    assert set(shown) == {"strategy", "provider_id", "candidates", "because"}
    return shown["strategy"], stage.tenant.name_of(shown["provider_id"]), shown["candidates"], shown["because"]


async def test_the_highest_rating_that_is_free_is_chosen(api: ApiClient, engine: AsyncEngine) -> None:
    stage = await staged(api, engine, AssignmentStrategy.HIGHEST_RATING)
    made = [await stage.book(starts_at=MORNING, provider_id=None) for _ in range(3)]
    assert [await choice(stage, booking) for booking in made] == [
        ("highest_rating", "ana", 3, "highest rating, 4.90; one of 3 who were free"),
        ("highest_rating", "ben", 2, "highest rating, 4.70; one of 2 who were free"),
        ("highest_rating", "cid", 1, "highest rating, 4.50; the only one free"),
    ]
    named = await stage.book(starts_at=MORNING + HOUR, provider_id=stage.tenant.providers["cid"])
    assert await choice(stage, named) == (None, "cid", 1, "asked for by name")


async def test_under_round_robin_turns_differ_by_one_at_most_whoever_asks_at_once(
    api: ApiClient, engine: AsyncEngine
) -> None:
    stage = await staged(api, engine, AssignmentStrategy.ROUND_ROBIN)
    callers = await newcomers(stage, 16)
    turns: Counter[str] = Counter()
    for n in range(4):
        starts = [MORNING + timedelta(days=n, hours=hour) for hour in range(16)]
        random.shuffle(starts)
        requests = [chosen(stage, caller, starts_at=start) for caller, start in zip(callers, starts, strict=True)]
        turns.update(await asyncio.gather(*requests))
        assert max(turns.values()) - min(turns.values()) <= 1, turns
    assert turns.total() == 64


async def test_round_robin_counts_holds_and_says_whose_turn_it_is_but_not_who_was_named(
    api: ApiClient, engine: AsyncEngine
) -> None:
    stage = await staged(api, engine, AssignmentStrategy.ROUND_ROBIN)
    for n in range(3):
        await stage.book(starts_at=MORNING + n * HOUR, provider_id=stage.tenant.providers["ana"])
    kept = ok(await hold(stage.as_("customer"), stage, MORNING + 5 * HOUR), 201)
    customer = stage.as_("customer")
    rest = {await chosen(stage, customer, starts_at=MORNING + (6 + n) * HOUR) for n in range(2)}
    assert {stage.tenant.name_of(kept["provider_id"]), *rest} == set(THREE)
    booking = await stage.book(starts_at=MORNING + 9 * HOUR, provider_id=None)
    assert booking["provider_id"] == kept["provider_id"]
    strategy, _, candidates, because = await choice(stage, booking)
    assert (strategy, candidates) == ("round_robin", 3)
    assert because.startswith("longest without a turn, since 2")
    redeemed = await stage.book(starts_at=MORNING + 5 * HOUR, provider_id=None, hold_id=kept["id"])
    assert (await choice(stage, redeemed))[3] == "has not had a turn yet; one of 3 who were free"


async def test_the_least_busy_of_that_day_is_chosen_until_all_are_equally_busy(
    api: ApiClient, engine: AsyncEngine
) -> None:
    stage = await staged(api, engine, AssignmentStrategy.LEAST_BUSY)
    await add_service(stage, "big", duration_minutes=240)
    ana = stage.tenant.providers["ana"]
    await stage.book(service_id="big", starts_at=MORNING, provider_id=ana)
    for days in (-1, 1):  # other days do not count
        starts_at = MORNING + timedelta(days=days)
        await stage.book(service_id="big", starts_at=starts_at, provider_id=stage.tenant.providers["ben"])
    first = await stage.book(starts_at=MORNING + 4 * HOUR, provider_id=None)
    assert await choice(stage, first) == (
        ("least_busy", "ben", 3, "least busy that day, 0 minutes booked; one of 3 who were free")
    )
    callers = await newcomers(stage, 13)
    requests = [chosen(stage, caller, starts_at=MORNING + (5 + n) * HOUR) for n, caller in enumerate(callers)]
    got = Counter(await asyncio.gather(*requests))
    assert sorted((got["ana"] + 4, got["ben"] + 1, got["cid"])) == [6, 6, 6]


async def test_a_session_keeps_a_provider_busy_once_however_many_sit_in_it(
    api: ApiClient, engine: AsyncEngine
) -> None:
    stage = await staged(api, engine, AssignmentStrategy.LEAST_BUSY)
    people = stage.tenant.providers
    await add_service(stage, "yoga", capacity=5)
    await add_service(stage, "long", duration_minutes=90)
    for _ in range(3):
        await stage.book(service_id="yoga", starts_at=MORNING, provider_id=people["cid"])
    for name in ("ana", "ben"):
        await stage.book(service_id="long", starts_at=MORNING, provider_id=people[name])
    booking = await stage.book(starts_at=MORNING + 5 * HOUR, provider_id=None)
    assert (await choice(stage, booking))[3] == "least busy that day, 60 minutes booked; one of 3 who were free"


async def test_the_preferred_one_is_chosen_else_who_came_last_time_else_the_best_rated(
    api: ApiClient, engine: AsyncEngine
) -> None:
    stage = await staged(api, engine, AssignmentStrategy.PREFERRED_FIRST)
    people = stage.tenant.providers
    first = await stage.book(starts_at=MORNING, provider_id=None)
    assert (await choice(stage, first))[1:] == ("ana", 3, "highest rating, 4.90; one of 3 who were free")
    before = await stage.book(starts_at=MORNING + HOUR, provider_id=people["cid"])
    likes_ben = {"preferred_provider_id": people["ben"], "provider_id": None}
    again = await stage.book(starts_at=MORNING + 2 * HOUR, provider_id=None)
    assert (await choice(stage, again))[1] == "ana"  # cid has served nobody yet: that booking is to come
    await stage.override(before, "completed")

    again = await stage.book(starts_at=MORNING + 3 * HOUR, provider_id=None)
    reason = "served this customer the last time; one of 3 who were free"
    assert await choice(stage, again) == ("preferred_first", "cid", 3, reason)
    liked = await stage.book(starts_at=MORNING + 3 * HOUR, **likes_ben)
    assert (await choice(stage, liked))[1:] == ("ben", 2, "the customer's preference; one of 2 who were free")
    taken = await stage.book(starts_at=MORNING + 3 * HOUR, **likes_ben)
    assert (await choice(stage, taken))[1:] == ("ana", 1, "highest rating, 4.90; the only one free")
    busy = await stage.book(starts_at=MORNING + 2 * HOUR, **likes_ben | {"preferred_provider_id": people["ana"]})
    assert (await choice(stage, busy))[1] == "cid"
    kept = ok(
        await hold(stage.as_("customer"), stage, MORNING + 4 * HOUR, preferred_provider_id=people["ben"]), 201
    )
    assert stage.tenant.name_of(kept["provider_id"]) == "ben"
    assert await chosen(stage, await newcomer(stage), starts_at=MORNING + 5 * HOUR) == "ana"


async def test_after_a_refusal_the_next_is_chosen_in_the_same_way_and_it_is_said_why(
    api: ApiClient, engine: AsyncEngine
) -> None:
    quick = Backoff(base_seconds=0.05, attempts=4)
    stage = await staged(api, engine, AssignmentStrategy.PREFERRED_FIRST, backoff=quick)
    likes_cid = stage.tenant.providers["cid"]
    booking = await stage.book(starts_at=MORNING, provider_id=None, preferred_provider_id=likes_cid)
    choices = []
    for _ in range(2):
        await stage.settled(booking, "assigned")
        choices.append(await choice(stage, booking))
        ok(await stage.as_(choices[-1][1]).command(booking["id"], "reject"))
    await stage.settled(booking, "assigned")
    choices.append(await choice(stage, booking))
    assert choices == [
        ("preferred_first", "cid", 3, "the customer's preference; one of 3 who were free"),
        ("preferred_first", "ana", 2, "highest rating, 4.90; one of 2 who were free"),
        ("preferred_first", "ben", 1, "highest rating, 4.70; the only one free"),
    ]


async def test_a_provider_found_after_the_booking_is_chosen_by_the_strategy_too(
    api: ApiClient, engine: AsyncEngine
) -> None:
    stage = await staged(api, engine, AssignmentStrategy.LEAST_BUSY, intake=Intake.DISPATCH)
    await stage.book(starts_at=MORNING, provider_id=stage.tenant.providers["ana"])
    booking = await stage.book(starts_at=MORNING + HOUR, provider_id=None)
    assert booking["provider_id"] is None
    await stage.settled(booking, "assigned")
    assert await choice(stage, booking) == (
        ("least_busy", "ben", 3, "least busy that day, 0 minutes booked; one of 3 who were free")
    )
    many = [stage.book(starts_at=MORNING + (2 + n) * HOUR, provider_id=None) for n in range(7)]
    settled = await asyncio.gather(*(stage.settled(made, "assigned") for made in await asyncio.gather(*many)))
    got = Counter(stage.tenant.name_of(made["provider_id"]) for made in settled)
    assert sorted((got["ana"] + 1, got["ben"] + 1, got["cid"])) == [3, 3, 3]
