"""Constant load: new clients start at a fixed rate, independent of earlier ones."""

import asyncio
import random
from collections.abc import Sequence
from typing import Final

import httpx

from tests.chaos.business import Business
from tests.chaos.client import TIMEOUT_SECONDS, Client
from tests.chaos.history import History
from tests.chaos.scenarios import BookingScenario

_CONNECTIONS: Final = 600


class Load:
    """Starts `rate` scenarios per second, and waits until each has ended."""

    def __init__(self, business: Business, history: History, urls: Sequence[str], seed: str, rate: float) -> None:
        self._business = business
        self._history = history
        self._urls = urls
        self._seed = seed
        self._rate = rate
        self._stop = asyncio.Event()

    async def run(self, seconds: float) -> None:
        limits = httpx.Limits(max_connections=_CONNECTIONS, max_keepalive_connections=_CONNECTIONS)
        async with (
            httpx.AsyncClient(timeout=TIMEOUT_SECONDS, limits=limits, trust_env=False) as http,
            asyncio.TaskGroup() as group,
        ):
            client = Client(http, self._urls, self._business, self._history)
            await self._start_scenarios(client, group, seconds)
            self._stop.set()

    async def _start_scenarios(self, client: Client, group: asyncio.TaskGroup, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        began, number = loop.time(), 0
        while loop.time() - began < seconds:
            rng = random.Random(f"{self._seed}/{number}")
            group.create_task(BookingScenario(client, rng, self._stop, number).run())
            number += 1
            await asyncio.sleep(max(0.0, began + number / self._rate - loop.time()))
