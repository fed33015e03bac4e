"""Holdfast's processes as services."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import grpc
import httpx
from grpc_health.v1 import health_pb2, health_pb2_grpc
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client
from temporalio.service import RPCError

from dev.errors import DevError
from dev.ports import LOOPBACK, is_listening
from dev.process import Command, Journal, ManagedProcess
from dev.service import Service, died
from dev.settings import DevSettings
from dev.temporal import connect
from domain import names

ROOT = Path(__file__).parent.parent

_STOP_SECONDS = 15.0  # they finish their current work within ten seconds

_ANSWER_SECONDS = 5.0

_QUEUES = ((names.BOOKINGS_TASK_QUEUE, TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW),)


def python_command(name: str, *arguments: str, logs: Path, environment: Mapping[str, str]) -> Command:
    """The command `python -m …` in the project's folder."""
    return Command(
        name=name,
        argv=(sys.executable, "-m", *arguments),
        log_path=logs / f"{name}.log",
        environment=environment,
        directory=ROOT,
        stop_seconds=_STOP_SECONDS,
    )


async def migrate(logs: Path, environment: Mapping[str, str], journal: Journal) -> None:
    """Migrate the schema to the newest version.

    Raises:
        DevError: the migrations failed; the detail is their log.
    """
    process = ManagedProcess(
        python_command("migrations", "db", "upgrade", logs=logs, environment=environment), journal
    )
    await process.start()
    try:
        if code := await process.wait():
            raise died(process, code)
    finally:
        await process.stop()


async def _is_healthy(url: str) -> bool:
    if not await is_listening(httpx.URL(url).port or 80):
        return False
    try:
        async with httpx.AsyncClient(trust_env=False) as client:
            answer = await client.get(url)
    except httpx.TransportError:
        return False
    return answer.is_success


class Simulator(Service):
    """`python -m dev.vendors`; ready when its page is served, which is after mail and files are served."""

    def __init__(
        self, settings: DevSettings, logs: Path, environment: Mapping[str, str], journal: Journal
    ) -> None:
        self._url = settings.vendors_url
        ports = {
            "--port": settings.vendors_port,
            "--smtp-port": settings.vendors_smtp_port,
            "--s3-port": settings.vendors_s3_port,
        }
        arguments = [word for option, port in ports.items() for word in (option, str(port))]
        self.on_start: Callable[[], Awaitable[object]] | None = None
        """Sets the callback addresses, which the simulator loses when it ends."""
        command = python_command("vendors", "dev.vendors", *arguments, logs=logs, environment=environment)
        super().__init__(ManagedProcess(command, journal))

    async def is_ready(self) -> bool:
        return await _is_healthy(f"{self._url}/livez")

    async def start(self) -> None:
        await super().start()
        if self.on_start is not None:
            with suppress(DevError):  # if the API does not answer now, there are no callbacks until the next start
                await self.on_start()


class Api(Service):
    """`python -m api`; ready when /readyz answers 200."""

    def __init__(self, url: str, logs: Path, environment: Mapping[str, str], journal: Journal) -> None:
        self._url = url
        super().__init__(ManagedProcess(python_command("api", "api", logs=logs, environment=environment), journal))

    async def is_ready(self) -> bool:
        return await _is_healthy(f"{self._url}/readyz")


class Grpc(Service):
    """`python -m api.grpc`; ready when its health service says that it serves."""

    def __init__(self, port: int, logs: Path, environment: Mapping[str, str], journal: Journal) -> None:
        self._port = port
        self._has_tls = bool(environment.get("HOLDFAST_GRPC_TLS_CERTIFICATE_FILE"))
        command = python_command("grpc", "api.grpc", logs=logs, environment=environment)
        super().__init__(ManagedProcess(command, journal))

    async def is_ready(self) -> bool:
        if not await is_listening(self._port):
            return False
        return self._has_tls or await self._serves()  # with TLS only its own clients may ask

    async def _serves(self) -> bool:
        request = health_pb2.HealthCheckRequest()
        async with grpc.aio.insecure_channel(f"{LOOPBACK}:{self._port}") as channel:
            try:
                answer = await health_pb2_grpc.HealthStub(channel).Check(request, timeout=_ANSWER_SECONDS)
            except grpc.aio.AioRpcError:
                return False
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


class Worker(Service):
    """`python -m worker`; ready when it polls its task queues."""

    def __init__(self, logs: Path, environment: Mapping[str, str], journal: Journal) -> None:
        self._environment = environment
        self._client: Client | None = None
        self._started = datetime.now(UTC)
        super().__init__(
            ManagedProcess(python_command("worker", "worker", logs=logs, environment=environment), journal)
        )

    async def start(self) -> None:
        self._started = datetime.now(UTC)
        await super().start()

    async def is_ready(self) -> bool:
        try:
            self._client = self._client or await connect(self._environment)
            polled = await asyncio.gather(*(self._is_polled(self._client, *queue) for queue in _QUEUES))
        except (RPCError, RuntimeError):
            return False
        return all(polled)

    async def _is_polled(self, client: Client, queue: str, kind: TaskQueueType.ValueType) -> bool:
        request = DescribeTaskQueueRequest(
            namespace=client.namespace, task_queue=TaskQueue(name=queue), task_queue_type=kind
        )
        answer = await client.workflow_service.describe_task_queue(request)
        # The server lists the pollers of a dead worker for minutes: only later polls count.
        return any(poller.last_access_time.ToDatetime(tzinfo=UTC) >= self._started for poller in answer.pollers)
