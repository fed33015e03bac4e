"""Prints what a booking has set off at vendors, once all of it has come to an end."""

import asyncio
from time import monotonic
from typing import Final

from dev.demo_client import DemoClient, Json

_OPEN: Final = frozenset({"pending", "running", "retrying"})
_PATIENCE_SECONDS: Final = 30.0
_PAUSE_SECONDS: Final = 0.2


class JobList:
    """The effects of one booking, as those who run the business see them."""

    def __init__(self, owner: DemoClient, booking_id: str) -> None:
        self._owner = owner
        self._booking_id = booking_id

    async def show(self) -> None:
        """Print them when none is open any more; after half a minute as they are then."""
        for job in await self._settled():
            print(job_line(job))

    async def _settled(self) -> list[Json]:
        deadline = monotonic() + _PATIENCE_SECONDS
        while True:
            jobs = await self._owner.jobs(self._booking_id)
            if monotonic() > deadline or not any(job["state"] in _OPEN for job in jobs):
                return jobs
            await asyncio.sleep(_PAUSE_SECONDS)


def job_line(job: Json) -> str:
    """One effect as a line: what, by whom, its state, and what the vendor calls it or what went wrong."""
    attempts = f"{job['attempts']} attempts" if job["attempts"] > 1 else ""
    notes = ", ".join(filter(None, (attempts, job["last_error"] or job["vendor_ref"])))
    return f"  {job['kind']:<18} {job['vendor']:<13} {job['priority']:<9} {job['state']:<9} {notes}".rstrip()
