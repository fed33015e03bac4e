"""Outgoing notices: gathered while the booking moves, sent together once it rests."""

import asyncio
from collections.abc import Iterable

from temporalio import workflow
from temporalio.exceptions import ActivityError

from domain.notices import Notice, NoticeBatch
from domain.steps import BookingRef
from workflows import steps


class Mail:
    """Sends in the background: a channel that is slow or away never delays the lifecycle."""

    def __init__(self, ref: BookingRef) -> None:
        self._ref = ref
        self._waiting: list[Notice] = []
        self._delivery: asyncio.Task[None] | None = None

    @property
    def idle(self) -> bool:
        """Whether nothing is waiting or on its way."""
        return not self._waiting and (self._delivery is None or self._delivery.done())

    def add(self, notices: Iterable[Notice]) -> None:
        """Keep notices for the next `flush`."""
        self._waiting.extend(notices)

    def flush(self) -> None:
        """Send what has gathered; what comes while a batch is on its way goes with the next."""
        if self._waiting and (self._delivery is None or self._delivery.done()):
            self._delivery = asyncio.create_task(self._deliver())

    async def _deliver(self) -> None:
        while self._waiting:
            batch = NoticeBatch(
                booking_id=self._ref.booking_id,
                business_id=self._ref.business_id,
                notices=tuple(self._waiting),
            )
            self._waiting.clear()
            try:
                await steps.send_notices(batch)
            except ActivityError as error:
                # Given up after its whole retry time; the activity's failure stays visible in the history.
                workflow.logger.warning("notices_given_up", extra={"cause": str(error.cause)})
