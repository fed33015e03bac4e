"""The floor's processes as services, started beside the stack's."""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import httpx
from temporalio.client import Client

from bench.floor.workflows import TASK_QUEUE, RecordsOneStep
from dev.ports import LOOPBACK
from dev.process import ManagedProcess
from dev.programs import python_command
from dev.service import Service

FLOOR_API = "floor-api"
FLOOR_WORKER = "floor-worker"


class FloorApi(Service):
    """`python -m bench.floor api`, ready when it answers at all."""

    def __init__(self, port: int, logs: Path, environment: Mapping[str, str], *, name: str = FLOOR_API) -> None:
        self.port = port
        arguments = ("bench.floor", "api", "--port", str(port))
        super().__init__(ManagedProcess(python_command(name, *arguments, logs=logs, environment=environment)))

    async def is_ready(self) -> bool:
        try:
            async with httpx.AsyncClient(trust_env=False) as client:
                await client.get(f"http://{LOOPBACK}:{self.port}/")
        except httpx.TransportError:
            return False
        return True


class FloorWorker(Service):
    """`python -m bench.floor worker`, ready when it has worked."""

    def __init__(self, client: Client, logs: Path, environment: Mapping[str, str]) -> None:
        self._client = client
        command = python_command(FLOOR_WORKER, "bench.floor", "worker", logs=logs, environment=environment)
        super().__init__(ManagedProcess(command))

    async def is_ready(self) -> bool:
        await self._client.execute_workflow(
            RecordsOneStep.run,
            str(uuid4()),
            id=f"floor-ready/{uuid4()}",
            task_queue=TASK_QUEUE,
            execution_timeout=timedelta(minutes=1),
        )
        return True
