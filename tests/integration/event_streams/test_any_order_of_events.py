"""Whatever happens to listeners, rights, the hub and its notifications: each event once, in order, by right."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from sqlalchemy.ext.asyncio import AsyncEngine

from api.streams.hub import BUFFER
from runtime.settings import Settings
from tests.integration.event_streams.model import TYPES, Listener, Model, What

T = TypeVar("T")

which = st.integers(0, 6)
two = st.sampled_from([0, 1])
types = st.sampled_from(TYPES)
whats = st.builds(
    What,
    count=st.sampled_from([1, 1, 2, 5]),
    booking=two,
    is_mine=st.booleans(),
    providers=st.sampled_from([(None, "ana"), (None, "ben"), ("ana", "ben"), ("ana", None)]),
)
rights = st.sampled_from(["desk", "key", "provider", "login", "other desk"])


@dataclass
class Servers:
    """The database, and the loop of the test."""

    engine: AsyncEngine
    database_url: str
    loop: asyncio.AbstractEventLoop

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(timeout=60)


class AnyOrder(RuleBasedStateMachine):
    servers: ClassVar[Servers]
    model: Model

    @initialize()
    def everybody_listens(self) -> None:
        self.model = self.servers.run(Model.begin(self.servers.engine, self.servers.database_url))

    @rule(business=two, type_=types, what=whats, told=st.sampled_from([True, True, False, None]))
    def something_happens(self, business: int, type_: str, what: What, told: bool | None) -> None:
        self._run(self.model.write(business, type_, what))
        if told is not None:
            self._run(self.model.place() if told else self.model.place_untold())

    @rule(business=two)
    def more_happens_than_is_kept_in_memory(self, business: int) -> None:
        self._run(self.model.write(business, "scheduling.booking.accepted", What(count=BUFFER + 10)))
        self._run(self.model.place())

    @rule(index=which)
    def one_loses_the_connection(self, index: int) -> None:
        self._run(self.model.drop(self._listener(index)))

    @rule(index=which)
    def one_comes_back(self, index: int) -> None:
        self._run(self.model.connect(self._listener(index)))

    @rule(index=which, appetite=st.integers(0, 3))
    def one_stops_reading_soon(self, index: int, appetite: int) -> None:
        self._listener(index).appetite = appetite

    @rule(index=which)
    def one_reads_on(self, index: int) -> None:
        self.servers.loop.call_soon_threadsafe(self._listener(index).feed, float("inf"))

    @rule(right=rights)
    def a_right_is_taken_away(self, right: str) -> None:
        self._run(self.model.revoke(right))

    @rule(right=rights)
    def a_right_is_given_back(self, right: str) -> None:
        self._run(self.model.grant(right))

    @rule()
    def the_customer_goes_to_the_other_business_too(self) -> None:
        self._run(self.model.befriend())

    @rule()
    def the_hub_is_restarted(self) -> None:
        self._run(self.model.restart_hub())

    @rule()
    def the_hub_loses_its_connection(self) -> None:
        self._run(self.model.cut_hub())

    def teardown(self) -> None:
        if hasattr(self, "model"):
            try:
                self._run(self.model.check())
            finally:
                self._run(self.model.end())

    def _listener(self, index: int) -> Listener:
        return self.model.listeners[index]

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        self.servers.run(work)


async def test_no_order_of_events_loses_doubles_or_betrays_anything(
    engine: AsyncEngine, settings: Settings
) -> None:
    servers = Servers(engine, settings.database_url, asyncio.get_running_loop())
    machine = type("AnyOrderHere", (AnyOrder,), {"servers": servers})
    bounds = hypothesis_settings(
        max_examples=15,
        stateful_step_count=16,
        deadline=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )
    # Hypothesis is not async: it works in a thread of its own, and its steps come back to this loop.
    await asyncio.to_thread(run_state_machine_as_test, machine, settings=bounds)
