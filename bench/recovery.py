"""A stack of its own in processes of its own, as `python -m dev up` runs it, for faults to happen to."""

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

from dev.demo_client import DemoClient, Json, demo_http
from dev.demo_users import BUSINESS, login_email
from dev.errors import DevError
from dev.home import Home
from dev.settings import DevSettings
from runtime.ids import new_id

T = TypeVar("T")

_SERVICE: Final = "estimate"
_FIRST_DAY: Final = 3
_DAYS: Final = 27
_POLL_SECONDS: Final = 0.02
_PATIENCE_SECONDS: Final = 120.0


class Installation:
    """Its callers are patient: they ask again, with the same key, until they are answered."""

    def __init__(self, home: Path) -> None:
        self._settings = DevSettings.on_free_ports(home)
        self._home = Home(home)
        self._http = demo_http(self._settings.api_url)
        self._users: dict[str, DemoClient] = {}
        self._slots: list[str] = []
        self._supervisor: asyncio.subprocess.Process

    # --- its processes -------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Start `python -m dev up`; does not wait until anything answers."""
        ports = {name: port for name, port in self._settings if name.endswith("port")}
        environment = {f"HOLDFAST_{name.upper()}": str(port) for name, port in ports.items()}
        environment |= {"HOLDFAST_HOME": str(self._settings.home), "HOLDFAST_RATE_LIMIT_PER_MINUTE": "0"}
        self._supervisor = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "dev", "up"),
            env=os.environ | environment,
            stdout=asyncio.subprocess.PIPE,
            start_new_session=True,
        )

    async def until_up(self) -> None:
        """Wait until the demo data is there too."""
        assert self._supervisor.stdout
        while b"Holdfast is up" not in (line := await self._supervisor.stdout.readline()):
            if not line:
                raise DevError("the stack whose recovery is measured did not start")

    async def stop(self) -> None:
        """Stop everything in order."""
        await self._http.aclose()
        if self._supervisor.returncode is None:
            self._supervisor.terminate()
            await self._supervisor.wait()

    def family(self, name: str) -> list[psutil.Process]:
        """The running process called postgres, temporal, api or worker, and its children."""
        state = self._home.running()
        assert state
        parent = psutil.Process(next(known.pid for known in state.processes if known.name == name))
        return [parent, *parent.children(recursive=True)]

    async def kill_everything(self) -> None:
        """Kill the supervisor and all that it started."""
        supervisor = psutil.Process(self._supervisor.pid)
        for process in (supervisor, *supervisor.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                process.kill()
        await self._supervisor.wait()

    # --- its callers ---------------------------------------------------------------------------------------

    async def log_in(self) -> None:
        """Log the users in anew: a run takes longer than a login lasts."""
        for user in ("customer", "admin"):
            self._users[user] = await DemoClient.log_in(self._http, login_email(user))

    async def book(self) -> str:
        """Make a booking; its id."""
        customer, starts_at = self._users["customer"], await self._slot()
        wanted: Json = {"business_id": BUSINESS, "service_id": _SERVICE, "starts_at": starts_at}
        return str((await _post(customer, "/v1/bookings", wanted))["id"])

    async def book_and_be_offered(self) -> str:
        """Make a booking and wait until a provider has the offer; its id."""
        booking_id, customer = await self.book(), self._users["customer"]
        while (await _until_answered(lambda: customer.booking(booking_id)))["status"] == "pending":  # noqa: ASYNC110
            await asyncio.sleep(_POLL_SECONDS)
        return booking_id

    async def accept(self, booking_id: str) -> None:
        """Accept an offer, as an admin may."""
        await _post(self._users["admin"], f"/v1/bookings/{booking_id}/accept", {})

    async def _slot(self) -> str:
        if not self._slots:
            customer, first = self._users["customer"], datetime.now(UTC).date() + timedelta(days=_FIRST_DAY)
            found = await _until_answered(lambda: customer.slots(BUSINESS, _SERVICE, first, _DAYS))
            self._slots = [slot["starts_at"] for slot in found]
        return self._slots.pop()


@asynccontextmanager
async def installed() -> AsyncIterator[Installation]:
    """One that is up; it is gone afterwards.

    Raises:
        DevError: it does not start.
    """
    home = Path(tempfile.mkdtemp(prefix="holdfast-recovery-"))
    place = Installation(home)
    try:
        await place.start()
        try:
            await place.until_up()
            yield place
        finally:
            await place.stop()
    finally:
        shutil.rmtree(home, ignore_errors=True)


async def _post(user: DemoClient, path: str, body: Json) -> Json:
    headers = {"Idempotency-Key": str(new_id())}
    return await _until_answered(lambda: user.call("POST", path, body, headers))


async def _until_answered(ask: Callable[[], Awaitable[T]]) -> T:
    """Ask again and again.

    Raises:
        DevError: there was still no good answer after two minutes.
    """
    deadline = asyncio.get_running_loop().time() + _PATIENCE_SECONDS
    while True:
        try:
            return await ask()
        except DevError:
            if asyncio.get_running_loop().time() > deadline:
                raise
        await asyncio.sleep(_POLL_SECONDS)
