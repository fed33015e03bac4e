"""Starting the messages about accounts behind the answer, so that it takes as long whatever there is to send."""

import asyncio
from typing import Final
from uuid import UUID

import structlog
from temporalio.client import Client

from runtime.metrics import STARTS
from workflows.account_messages import start_account_message

_log = structlog.get_logger()

_AT_ONCE: Final = 100


class MessageStarter:
    """Starts workflows of messages. What is lost here (a crash, an outage) workflow recovery starts."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._tasks: set[asyncio.Task[None]] = set()

    def submit(self, request_id: UUID) -> None:
        """Start the workflow of this request soon; never waits, never fails."""
        if len(self._tasks) < _AT_ONCE:  # beyond that Temporal is away, or too busy for this
            task = asyncio.create_task(self._start(request_id))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _start(self, request_id: UUID) -> None:
        try:
            await start_account_message(self._client, request_id)
            STARTS.labels("api", "started").inc()
        except Exception as error:  # whatever it was, recovery starts it later
            STARTS.labels("api", "failed").inc()
            _log.warning("start_failed", request_id=str(request_id), error=type(error).__name__)
