"""Random commands by random people to two bookings of one business: every invariant holds after each."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import WorkflowUpdateFailedError
from temporalio.testing import TimeSkipper

from domain.booking import Actor, BookingState
from domain.commands import (
    Accept,
    Assign,
    BookingCommand,
    Cancel,
    Complete,
    NoShow,
    Override,
    Reject,
    Reschedule,
    Start,
    check,
)
from domain.errors import HoldfastError
from domain.lifecycle import Party, Role, Status
from domain.policies import Backoff, CustomerNoShow, Policy
from tests.support.factories import Tenant, future, make_tenant
from tests.support.workflows.invariants import check_invariants
from tests.support.workflows.live import LiveBooking, acting_as, refusal_in

T = TypeVar("T")

SEVERAL_HOURS = Policy(backoff=Backoff(base_seconds=24 * 3600), customer_no_show=CustomerNoShow.REVIEW)
TAKEN = {"slot_unavailable", "provider_unfit"}
"""Refusals that depend on the calendar, not on the booking."""

which = st.sampled_from([0, 1])
people = st.sampled_from(["admin", "owner", "ana", "ben", "admin", "customer"])
names = st.sampled_from(["ana", "ben"])
hours = st.integers(min_value=0, max_value=3)


@dataclass
class Servers:
    """The running servers, and the loop of the test that they live in."""

    engine: AsyncEngine
    skipper: TimeSkipper
    loop: asyncio.AbstractEventLoop

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(timeout=60)


class RandomCommands(RuleBasedStateMachine):
    servers: ClassVar[Servers]
    tenant: Tenant
    bookings: list[LiveBooking]

    @initialize(auto_accept=st.booleans())
    def two_bookings_of_one_hour(self, *, auto_accept: bool) -> None:
        self.base = future(72)
        policy = SEVERAL_HOURS.model_copy(update={"auto_accept": auto_accept})
        self.tenant = self.servers.run(make_tenant(self.servers.engine, policy=policy))
        self.bookings = [self.servers.run(self._begin(name)) for name in ("ana", "ben")]

    async def _begin(self, provider: str) -> LiveBooking:
        servers = self.servers
        booking = await LiveBooking.begin(
            servers.engine, servers.skipper, self.tenant, provider=provider, starts_at=self.base
        )
        await booking.until(lambda state: state.version > 1)
        return booking

    @rule(
        index=which,
        who=people,
        kind=st.sampled_from([Accept, Reject, Start, Complete, Cancel]),
    )
    def somebody_gives_a_plain_command(self, index: int, who: str, kind: type[BookingCommand]) -> None:
        self._give(index, kind(actor=self._actor(who)))

    @rule(index=which, who=people, party=st.sampled_from(Party))
    def somebody_is_absent(self, index: int, who: str, party: Party) -> None:
        self._give(index, NoShow(actor=self._actor(who), party=party))

    @rule(index=which, who=people, name=names)
    def somebody_assigns(self, index: int, who: str, name: str) -> None:
        self._give(index, Assign(actor=self._actor(who), provider_id=self.tenant.providers[name]))

    @rule(index=which, who=people, later=hours, name=st.none() | names)
    def somebody_moves(self, index: int, who: str, later: int, name: str | None) -> None:
        provider_id = self.tenant.providers[name] if name else None
        starts_at = self.base + timedelta(minutes=30 * later)
        self._give(index, Reschedule(actor=self._actor(who), starts_at=starts_at, provider_id=provider_id))

    @rule(index=which, who=people, status=st.sampled_from(Status))
    def somebody_overrides(self, index: int, who: str, status: Status) -> None:
        self._give(index, Override(actor=self._actor(who), status=status))

    @invariant()
    def everything_holds(self) -> None:
        for booking in self.bookings:
            self.servers.run(check_invariants(booking))

    def teardown(self) -> None:
        for booking in getattr(self, "bookings", []):
            self.servers.run(_end(booking))

    def _actor(self, who: str) -> Actor:
        return acting_as(self.tenant, who) if who in self.tenant.providers else Actor(role=Role(who))

    def _give(self, index: int, command: BookingCommand) -> None:
        booking = self.bookings[index]
        before = self.servers.run(booking.stored())
        outcome = self.servers.run(_outcome(booking, command))
        expected = _verdict(before, command)
        if isinstance(outcome, BookingState):
            assert expected is None
            assert outcome.version == before.version + 1
        elif outcome in TAKEN:
            assert expected is None
            assert self.servers.run(booking.stored()) == before
        else:
            assert outcome == expected
            assert self.servers.run(booking.stored()) == before


def _verdict(state: BookingState, command: BookingCommand) -> str | None:
    """The code of the refusal that the rules demand, if any."""
    try:
        check(state, command)
    except HoldfastError as error:
        return error.code
    return None


async def _outcome(booking: LiveBooking, command: BookingCommand) -> BookingState | str | None:
    """The state after the command, or the code of the refusal."""
    try:
        return await booking.give_with_start(command)
    except WorkflowUpdateFailedError as error:
        return refusal_in(error).type


async def _end(booking: LiveBooking) -> None:
    if (await booking.handle.describe()).close_time is None:
        await booking.handle.cancel()


async def test_no_sequence_of_commands_breaks_an_invariant(
    engine: AsyncEngine, skipper: TimeSkipper, worker: None
) -> None:
    servers = Servers(engine, skipper, asyncio.get_running_loop())
    machine = type("RandomCommandsHere", (RandomCommands,), {"servers": servers})
    bounds = settings(
        max_examples=10,
        stateful_step_count=12,
        deadline=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )
    # Hypothesis is not async: it works in a thread of its own, and its steps come back to this loop.
    await asyncio.to_thread(run_state_machine_as_test, machine, settings=bounds)
