"""The baseline's processes as services of the stack."""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import httpx
from temporalio.client import Client

from bench.baseline.workflows import TASK_QUEUE, RecordsOneStep
from dev.ports import LOOPBACK
from dev.process import ManagedProcess
from dev.programs import python_command
from dev.service import Service

BASELINE_API = "baseline-api"
BASELINE_WORKER = "baseline-worker"


class BaselineApi(Service):
    """`python -m bench.baseline api`; ready when it answers any request."""

    def __init__(self, port: int, logs: Path, environment: Mapping[str, str], *, name: str = BASELINE_API) -> None:
        self.port = port
        arguments = ("bench.baseline", "api", "--port", str(port))
        super().__init__(ManagedProcess(python_command(name, *arguments, logs=logs, environment=environment)))

    async def is_ready(self) -> bool:
        try:
            async with httpx.AsyncClient(trust_env=False) as client:
                await client.get(f"http://{LOOPBACK}:{self.port}/")
        except httpx.TransportError:
            return False
        return True


class BaselineWorker(Service):
    """`python -m bench.baseline worker`; ready when it has completed a workflow."""

    def __init__(self, client: Client, logs: Path, environment: Mapping[str, str]) -> None:
        self._client = client
        command = python_command(BASELINE_WORKER, "bench.baseline", "worker", logs=logs, environment=environment)
        super().__init__(ManagedProcess(command))

    async def is_ready(self) -> bool:
        await self._client.execute_workflow(
            RecordsOneStep.run,
            str(uuid4()),
            id=f"baseline-ready/{uuid4()}",
            task_queue=TASK_QUEUE,
            execution_timeout=timedelta(minutes=1),
        )
        return True
