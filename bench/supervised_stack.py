"""A separate stack run by `python -m dev up`, to measure its recovery from faults."""

import asyncio
import os
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, TypeVar

import psutil

from dev.demo_business import BUSINESS, login_email
from dev.demo_client import DemoClient, Json, demo_http
from dev.errors import DevError
from dev.home import Home
from dev.settings import DevSettings
from runtime.ids import new_id

T = TypeVar("T")

_SERVICE: Final = "estimate"
_FIRST_DAY: Final = 3
_DAYS: Final = 27
_POLL_SECONDS: Final = 0.02
_TIMEOUT_SECONDS: Final = 120.0


class SupervisedStack:
    """The stack and its callers, who repeat a request with the same key until it is answered."""

    def __init__(self, home: Path) -> None:
        self._settings = DevSettings.on_free_ports(home)
        self._home = Home(home)
        self._http = demo_http(self._settings.api_url)
        self._users: dict[str, DemoClient] = {}
        self._slots: list[str] = []
        self._supervisor: asyncio.subprocess.Process

    # --- processes -----------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Start `python -m dev up`; does not wait until it is ready."""
        ports = {name: port for name, port in self._settings if name.endswith("port")}
        environment = {f"HOLDFAST_{name.upper()}": str(port) for name, port in ports.items()}
        environment |= {"HOLDFAST_HOME": str(self._settings.home), "HOLDFAST_RATE_LIMIT_PER_MINUTE": "0"}
        self._supervisor = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "dev", "up"),
            env=os.environ | environment,
            stdout=asyncio.subprocess.PIPE,
            start_new_session=True,
        )

    async def until_started(self) -> None:
        """Wait until the stack is ready and the demo data is loaded."""
        assert self._supervisor.stdout
        while b"Holdfast is up" not in (line := await self._supervisor.stdout.readline()):
            if not line:
                raise DevError("the stack whose recovery is measured did not start")

    async def stop(self) -> None:
        """Stop all processes in order."""
        await self._http.aclose()
        if self._supervisor.returncode is None:
            self._supervisor.terminate()
            await self._supervisor.wait()

    def processes_of(self, name: str) -> list[psutil.Process]:
        """The process named postgres, temporal, api or worker, and its children."""
        state = self._home.running()
        assert state
        parent = psutil.Process(next(known.pid for known in state.processes if known.name == name))
        return [parent, *parent.children(recursive=True)]

    async def kill_everything(self) -> None:
        """Kill the supervisor and everything that it started."""
        supervisor = psutil.Process(self._supervisor.pid)
        for process in (supervisor, *supervisor.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                process.kill()
        await self._supervisor.wait()

    # --- callers -------------------------------------------------------------------------------------------

    async def log_in(self) -> None:
        """Log the users in again: a run lasts longer than a login."""
        for user in ("customer", "admin"):
            self._users[user] = await DemoClient.log_in(self._http, login_email(user))

    async def book(self) -> str:
        """Create a booking; returns its id."""
        customer, starts_at = self._users["customer"], await self._slot()
        wanted: Json = {"business_id": BUSINESS, "service_id": _SERVICE, "starts_at": starts_at}
        return str((await _post(customer, "/v1/bookings", wanted))["id"])

    async def book_and_be_offered(self) -> str:
        """Create a booking and wait until a provider has the offer; returns the booking's id."""
        booking_id, customer = await self.book(), self._users["customer"]
        while (await _until_answered(lambda: customer.booking(booking_id)))["status"] == "pending":  # noqa: ASYNC110
            await asyncio.sleep(_POLL_SECONDS)
        return booking_id

    async def accept(self, booking_id: str) -> None:
        """Accept an offer as an admin."""
        await _post(self._users["admin"], f"/v1/bookings/{booking_id}/accept", {})

    async def _slot(self) -> str:
        if not self._slots:
            customer, first = self._users["customer"], datetime.now(UTC).date() + timedelta(days=_FIRST_DAY)
            found = await _until_answered(lambda: customer.slots(BUSINESS, _SERVICE, first, _DAYS))
            self._slots = [slot["starts_at"] for slot in found]
        return self._slots.pop()


@asynccontextmanager
async def running_supervised_stack() -> AsyncIterator[SupervisedStack]:
    """A running stack in a temporary folder; it is removed on exit.

    Raises:
        DevError: the stack does not start.
    """
    home = Path(tempfile.mkdtemp(prefix="holdfast-recovery-"))
    stack = SupervisedStack(home)
    try:
        await stack.start()
        try:
            await stack.until_started()
            yield stack
        finally:
            await stack.stop()
    finally:
        shutil.rmtree(home, ignore_errors=True)


async def _post(user: DemoClient, path: str, body: Json) -> Json:
    headers = {"Idempotency-Key": str(new_id())}
    return await _until_answered(lambda: user.call("POST", path, body, headers))


async def _until_answered(send: Callable[[], Awaitable[T]]) -> T:
    """Repeat a request until it succeeds.

    Raises:
        DevError: it did not succeed within two minutes.
    """
    deadline = asyncio.get_running_loop().time() + _TIMEOUT_SECONDS
    while True:
        try:
            return await send()
        except DevError:
            if asyncio.get_running_loop().time() > deadline:
                raise
        await asyncio.sleep(_POLL_SECONDS)
