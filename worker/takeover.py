"""Telling workflows of steps that the database has and they may not know.

A command's step is committed before its update is durable in Temporal. Where the update was never answered, the
workflow is told to read its booking again.
"""

from datetime import timedelta
from typing import Final

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client

from db.engine import autocommit
from db.repositories import unconfirmed
from db.repositories.unconfirmed import Unconfirmed
from runtime.metrics import CAUGHT_UP
from workflows.launch import tell_to_catch_up

_log = structlog.get_logger()

_BATCH: Final = 200


class Takeover:
    """Tells the workflows of bookings whose commands have been without an answer for `grace`."""

    def __init__(self, client: Client, engine: AsyncEngine, grace: timedelta) -> None:
        self._client = client
        self._engine = engine
        self._grace = grace

    async def tell_unconfirmed(self) -> None:
        """Tell each of them, and note that it was told: the signal is durable.

        Raises:
            Exception: the first of what kept some from being told, once the others were.
        """
        async with autocommit(self._engine) as conn:
            found = await unconfirmed.list_unconfirmed(conn, age=self._grace, limit=_BATCH)
        errors: list[Exception] = []
        for one in found:
            try:
                await self._tell(one)
            except Exception as error:  # one that cannot be told holds up no other
                errors.append(error)
        if found:
            _log.info("unconfirmed_commands_told", count=len(found) - len(errors), failed=len(errors))
        if errors:
            raise errors[0]

    async def _tell(self, one: Unconfirmed) -> None:
        ref = one.ref
        # A workflow that does not run reads the booking when it starts, whoever starts it.
        await tell_to_catch_up(self._client, ref.booking_id)
        CAUGHT_UP.labels("recovery").inc()
        async with autocommit(self._engine) as conn:
            await unconfirmed.confirm(conn, ref.business_id, ref.booking_id, one.version)
