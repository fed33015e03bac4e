"""Steady load: a new client every so often, whatever becomes of those before."""

import asyncio
import random
from collections.abc import Sequence
from typing import Final

import httpx

from tests.chaos.business import Business
from tests.chaos.client import TIMEOUT_SECONDS, Client
from tests.chaos.history import History
from tests.chaos.lives import Life

_CONNECTIONS: Final = 600


class Load:
    """Begins `rate` lives a second for `seconds`, and waits until each client knows or gives up."""

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
            await self._begin_lives(client, group, seconds)
            self._stop.set()

    async def _begin_lives(self, client: Client, group: asyncio.TaskGroup, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        began, number = loop.time(), 0
        while loop.time() - began < seconds:
            chance = random.Random(f"{self._seed}/{number}")
            group.create_task(Life(client, chance, self._stop, number).run())
            number += 1
            await asyncio.sleep(max(0.0, began + number / self._rate - loop.time()))
