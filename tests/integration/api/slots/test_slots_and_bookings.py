"""Offered slots can be booked and nothing else can, with every rule and under concurrency."""

import asyncio
import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import combinations, product

import httpx

from db.models import DateException, Service, TimeOff
from tests.support.api_client import ApiClient
from tests.support.factories import add_provider
from tests.support.schedules import (
    NEW_YORK,
    ONE_DAY,
    a_day,
    add_service,
    at,
    clock_change,
    held,
    hold,
    insert_rows,
    keep_hours,
    names_at,
    newcomer,
    newcomers,
    offers,
    redeem,
    run_out,
    slots,
)
from tests.support.stage import Json, Stage, ok, problem

FIVE_MINUTES = timedelta(minutes=5)
TAKES = {"repair": (10, 45, 5), "quick": (0, 25, 0)}
"""Minutes that the services take: the buffer before, the appointment, the buffer after."""


async def with_mixed_rules(stage: Stage, day: date) -> None:
    """Rules of every kind around a day: hours, nights, own hours and zones, exceptions, time off, buffers."""
    async with stage.engine.begin() as conn:
        await add_provider(conn, stage.tenant, "cid", timezone="America/Chicago")
    await stage.change(
        Service,
        duration_minutes=45,
        buffer_before_minutes=10,
        buffer_after_minutes=5,
        slot_step_minutes=20,
    )
    people = stage.tenant.providers
    await keep_hours(stage, (8 * 60, 12 * 60), (13 * 60 + 7, 18 * 60), (22 * 60 + 30, 29 * 60))
    await keep_hours(stage, (30, 6 * 60), (9 * 60 + 10, 17 * 60), provider="ben")
    await keep_hours(stage, (0, 5 * 60), (11 * 60, 12 * 60), (12 * 60, 15 * 60), provider="cid")
    await insert_rows(
        stage,
        DateException,
        {"date": day, "kind": "extra", "opens_minute": 19 * 60, "closes_minute": 21 * 60, "name": "late"},
        {"date": day + ONE_DAY, "kind": "hours", "opens_minute": 10 * 60, "closes_minute": 13 * 60},
        {"date": day + ONE_DAY, "kind": "closed", "provider_id": people["cid"]},
        {"date": day.replace(year=2000), "kind": "hours", "yearly": True, "provider_id": people["ben"]}
        | {"opens_minute": 60, "closes_minute": 11 * 60},
    )
    away = {"kind": "time_off", "starts_at": at(day, 9, 50), "ends_at": at(day, 11, 37)}
    pause = {"kind": "block", "starts_at": at(day, 14, 1), "ends_at": at(day, 14, 2)}
    await insert_rows(stage, TimeOff, away | {"provider_id": people["ana"]}, pause)
    await add_service(stage, "quick", duration_minutes=25, slot_step_minutes=10)


@dataclass(frozen=True)
class Wish:
    """An appointment that somebody wants."""

    service: str
    starts_at: datetime
    provider_id: str

    def overlaps(self, other: "Wish") -> bool:
        """Whether both would need some minute of one provider's, buffers included."""
        (first, end), (from_, until) = self._time(), other._time()
        return self.provider_id == other.provider_id and first < until and from_ < end

    def _time(self) -> tuple[datetime, datetime]:
        before, long, after = TAKES[self.service]
        return self.starts_at - timedelta(minutes=before), self.starts_at + timedelta(minutes=long + after)


@dataclass
class Round:
    """Wishes that were offered when a round began, and what became of all that were tried in it."""

    stage: Stage
    offered: set[Wish]
    won: dict[Wish, Json] = field(default_factory=dict)
    lost: list[Wish] = field(default_factory=list)

    async def go(self, caller: ApiClient, wishes: Iterable[Wish]) -> None:
        """Book what is wished for, or hold it now and then."""
        for wish in wishes:
            answer = await _ask_for(self.stage, caller, wish)
            if answer.status_code == 201:
                self.won[wish] = {"caller": caller, "path": answer.headers["Location"]} | answer.json()
                assert self.won[wish]["provider_id"] == wish.provider_id
            else:
                problem(answer, 409, "slot_unavailable")
                self.lost.append(wish)

    def check(self) -> None:
        """Nothing that was not offered was had, and what was refused somebody else has had."""
        assert self.offered.issuperset(self.won)
        assert not [pair for pair in combinations(self.won, 2) if pair[0].overlaps(pair[1])]
        for lost in self.offered.intersection(self.lost):
            assert any(lost.overlaps(won) for won in self.won), lost

    async def give_back(self) -> None:
        """End every hold, and each second booking."""
        for n, booked in enumerate(self.won.values()):
            if "/holds/" in booked["path"]:
                await booked["caller"].send("DELETE", booked["path"])
            elif n % 2:
                ok(await booked["caller"].command(booked["id"], "cancel"))


async def _ask_for(stage: Stage, caller: ApiClient, wish: Wish) -> httpx.Response:
    request = {"service_id": wish.service, "provider_id": wish.provider_id}
    if random.random() < 0.2:
        return await hold(caller, stage, wish.starts_at, **request)
    return await caller.book(stage.tenant, starts_at=wish.starts_at, **request)


def marks(first: datetime, last: datetime) -> list[datetime]:
    """Every fifth minute from one to the other."""
    first, last = first.astimezone(UTC), last.astimezone(UTC)
    return [first + n * FIVE_MINUTES for n in range((last - first) // FIVE_MINUTES)]


async def offered_wishes(stage: Stage, first: datetime, last: datetime) -> set[Wish]:
    """All that can be had of either service."""
    found: set[Wish] = set()
    for service in TAKES:
        found.update(
            Wish(service, *offer) for offer in offers(await slots(stage, first, last, service_id=service))
        )
    return found


def all_wishes(stage: Stage, first: datetime, last: datetime) -> list[Wish]:
    """Whatever one may think of, on a grid of five minutes."""
    people = [str(provider_id) for provider_id in stage.tenant.providers.values()]
    return [Wish(*wish) for wish in product(TAKES, marks(first, last), people)]


async def test_16_clients_get_what_is_offered_and_nothing_else_while_the_clock_is_put_back(stage: Stage) -> None:
    day = clock_change(NEW_YORK, forward=False)
    await with_mixed_rules(stage, day)
    callers = await newcomers(stage, 16)
    first, last = at(day - ONE_DAY, 18), at(day + 2 * ONE_DAY, 0)
    everything = all_wishes(stage, first, last)
    for _ in range(3):
        round_ = Round(stage, await offered_wishes(stage, first, last))
        never = [wish for wish in everything if wish not in round_.offered]
        wishes = random.sample(list(round_.offered), 40) + random.sample(never, 24)
        random.shuffle(wishes)
        await asyncio.gather(*(round_.go(caller, wishes[n::16]) for n, caller in enumerate(callers)))
        round_.check()
        assert len(round_.won) > 10
        await round_.give_back()
    await agree_when_quiet(stage, at(day, 0, 30), at(day, 2, 30))


async def agree_when_quiet(stage: Stage, first: datetime, last: datetime) -> None:
    """What is offered can be had, what is not cannot: each start on a grid of five minutes, with each provider."""
    offered = await offered_wishes(stage, first, last)
    wishes = sorted(offered.union(all_wishes(stage, first, last)), key=lambda wish: wish.starts_at)
    assert offered

    async def one_after_another(provider_id: str) -> None:
        caller = await newcomer(stage)  # one for each: nobody holds the same time with two providers
        for wish in wishes:
            if wish.provider_id == provider_id:
                assert await can_be_had(caller, stage, wish, bookable=wish in offered) == (wish in offered), wish

    await asyncio.gather(*(one_after_another(str(provider_id)) for provider_id in stage.tenant.providers.values()))
    for service, starts_at in {(wish.service, wish.starts_at) for wish in random.sample(wishes, 25)}:
        answer = await hold(stage.as_("customer"), stage, starts_at, service_id=service)
        who = {wish.provider_id for wish in offered if (wish.service, wish.starts_at) == (service, starts_at)}
        assert (answer.status_code == 201) == bool(who)
        if who:
            assert answer.json()["provider_id"] in who
            await stage.as_("customer").send("DELETE", answer.headers["Location"])


async def can_be_had(customer: ApiClient, stage: Stage, wish: Wish, *, bookable: bool) -> bool:
    """Whether the API takes it: as a booking where it should not, else as a hold, which is given back."""
    request = {"service_id": wish.service, "provider_id": wish.provider_id}
    if not bookable:
        return (await customer.book(stage.tenant, starts_at=wish.starts_at, **request)).status_code == 201
    answer = await hold(customer, stage, wish.starts_at, **request)
    if answer.status_code == 201:
        await customer.send("DELETE", answer.headers["Location"])
    return answer.status_code == 201


async def test_whatever_is_offered_is_booked_until_nothing_is_left_while_the_clock_is_put_forward(
    stage: Stage,
) -> None:
    day = clock_change(NEW_YORK, forward=True)
    await with_mixed_rules(stage, day)
    first, last = at(day, 0), at(day, 6)
    await agree_when_quiet(stage, at(day, 0, 30), at(day, 4))
    count = 0
    while offered := await offered_wishes(stage, first, last):
        wish = random.choice(list(offered))
        request = {"service_id": wish.service, "provider_id": wish.provider_id}
        ok(await stage.as_("customer").book(stage.tenant, starts_at=wish.starts_at, **request), 201)
        count += 1
    assert count >= 9
    for mark in marks(first, last)[::3]:
        for service in TAKES:
            answer = await stage.as_("customer").book(stage.tenant, starts_at=mark, service_id=service)
            problem(answer, 409, "slot_unavailable")


def in_the_evening(day: date) -> list[datetime]:
    """Starts of one local day, most of which is another day in UTC."""
    return [at(day, 18) + n * timedelta(minutes=15) for n in range(21)]


async def test_a_day_takes_as_many_as_its_limit_and_holds_count(stage: Stage) -> None:
    await stage.change(Service, daily_limit=5, duration_minutes=15)
    day = a_day()
    starts = random.sample(in_the_evening(day), 16)
    callers = await newcomers(stage, 16)

    async def take(n: int) -> httpx.Response:
        if n % 3 == 0:
            return await hold(callers[n], stage, starts[n])
        return await callers[n].book(stage.tenant, starts_at=starts[n])

    answers = await asyncio.gather(*(take(n) for n in range(16)))
    assert sorted(answer.status_code for answer in answers) == [201] * 5 + [409] * 11
    for answer in answers:
        if answer.status_code == 409:
            problem(answer, 409, "day_full")
    assert await slots(stage, day, day + ONE_DAY) == []
    assert len(await slots(stage, day - ONE_DAY, day + 2 * ONE_DAY)) == 2 * 96
    problem(await stage.as_("customer").book(stage.tenant, starts_at=at(day, 0)), 409, "day_full")
    await stage.book(starts_at=at(day, 0) - timedelta(minutes=15))
    await stage.book(starts_at=at(day + ONE_DAY, 0))


async def test_a_place_on_a_full_day_is_free_again_when_one_is_cancelled_or_runs_out_and_moves_keep_theirs(
    stage: Stage,
) -> None:
    await stage.change(Service, daily_limit=2)
    day, customer = a_day(), stage.as_("customer")
    booking = await stage.book(starts_at=at(day, 12))
    kept = await held(stage, at(day, 12))
    problem(await customer.book(stage.tenant, starts_at=at(day, 15)), 409, "day_full")
    ok(await redeem(stage, kept), 201)
    assert await slots(stage, day, day + ONE_DAY) == []
    moved = await customer.command(booking["id"], "reschedule", starts_at=at(day, 18))
    assert datetime.fromisoformat(ok(moved)["starts_at"]) == at(day, 18)

    other = await stage.book(starts_at=at(day + ONE_DAY, 12))
    answer = await customer.command(other["id"], "reschedule", starts_at=at(day, 15))
    problem(answer, 409, "slot_unavailable")
    ok(await customer.command(booking["id"], "cancel"))
    assert await names_at(stage, at(day, 18)) == ["ana", "ben"]
    await run_out(stage, await held(stage, at(day, 18)))
    ok(await customer.command(other["id"], "reschedule", starts_at=at(day, 15)))
    problem(await customer.book(stage.tenant, starts_at=at(day, 18)), 409, "day_full")
    assert len(await slots(stage, day + ONE_DAY, day + 2 * ONE_DAY)) == 96


async def test_a_booking_moves_to_what_is_offered_and_nowhere_else(stage: Stage) -> None:
    day, customer = a_day(), stage.as_("customer")
    await keep_hours(stage, (8 * 60, 18 * 60))
    blocked = {"kind": "block", "starts_at": at(day, 13), "ends_at": at(day, 14)}
    await insert_rows(stage, TimeOff, blocked)
    booking = await stage.book(starts_at=at(day, 9))
    await stage.book(starts_at=at(day, 15))
    ana = stage.tenant.providers["ana"]
    for hour, minute in ((7, 45), (12, 15), (13, 30), (14, 15), (15, 45), (17, 15), (10, 7)):
        target = at(day, hour, minute)
        assert await slots(stage, target, target + FIVE_MINUTES, provider_id=ana) == []
        problem(
            await customer.command(booking["id"], "reschedule", starts_at=target, provider_id=ana),
            409,
            "slot_unavailable",
        )
    for hour, minute in ((9, 15), (8, 30), (12, 0), (14, 0), (17, 0)):
        target = at(day, hour, minute)
        moved = await customer.command(booking["id"], "reschedule", starts_at=target, provider_id=ana)
        assert datetime.fromisoformat(ok(moved)["starts_at"]) == target
