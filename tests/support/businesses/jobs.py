"""A business whose jobs are at the simulated ServiceTitan."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from db.repositories import effects, integrations
from db.repositories.integrations import NewIntegration
from dev.vendors.ledger import Json
from domain.effects import Port, Vendor
from runtime.json import to_json_text
from runtime.secrets import Secrets
from runtime.settings import Settings
from tests.support.reconciliation import findings_of
from tests.support.stage import PATIENCE_SECONDS, Stage, ok
from tests.support.vendors.servicetitan import ServiceTitanTenant


class BusinessWithJobs:
    """The business, and its tenant at ServiceTitan."""

    def __init__(self, stage: Stage, servicetitan: ServiceTitanTenant) -> None:
        self.stage = stage
        self.servicetitan = servicetitan

    @property
    def engine(self) -> AsyncEngine:
        return self.stage.engine

    @property
    def business_id(self) -> UUID:
        return self.stage.tenant.business_id

    async def connect(self, settings: Settings) -> UUID:
        """Make ServiceTitan the business's job system; the integration's id."""
        new = NewIntegration(
            port=Port.JOBS,
            vendor=Vendor.SERVICETITAN,
            settings=self.servicetitan.settings,
            secrets_encrypted=Secrets(settings.secrets_key).encrypt(to_json_text(self.servicetitan.secrets)),
            keep_secrets=False,
        )
        async with self.engine.begin() as conn:
            saved = await integrations.save(conn, self.business_id, new)
        integration_id: UUID = saved["id"]
        return integration_id

    async def accepted(self) -> Json:
        """A booking that Ana has accepted."""
        booking = await self.stage.book()
        await self.stage.settled(booking, "assigned")
        return ok(await self.stage.as_("ana").command(booking["id"], "accept"))

    async def with_job(self) -> tuple[Json, Json]:
        """An accepted booking and its job."""
        booking = await self.accepted()
        await self.settled(booking, 1)
        return booking, self.job_of(booking)

    def job_of(self, booking: Json) -> Json:
        """The booking's only job."""
        [job] = self.servicetitan.records.jobs_of(booking["id"])
        return job

    def starts_at(self, job: Json) -> datetime:
        """When the job takes place."""
        return datetime.fromisoformat(self.servicetitan.records.appointment_of(job)["start"])

    async def effects_of(self, booking: Json) -> list[Any]:
        """The booking's effects in the job system, as they were planned."""
        async with self.engine.connect() as conn:
            found = await effects.list_of_booking(conn, self.business_id, UUID(booking["id"]))
        return [row for row in found if row["vendor"] == Vendor.SERVICETITAN]

    async def settled(self, booking: Json, count: int) -> list[tuple[str, str]]:
        """Kind and state of the booking's effects, once there are `count` and all have ended."""

        async def ended() -> list[tuple[str, str]] | None:
            found = [(row["kind"], row["state"]) for row in await self.effects_of(booking)]
            is_over = all(state in ("done", "failed", "obsolete", "skipped") for _, state in found)
            return found if is_over and len(found) >= count else None

        found: list[tuple[str, str]] = await eventually(ended)
        return found

    async def findings(self) -> list[tuple[str, str]]:
        """The findings about its bookings."""
        return await findings_of(self.stage)


async def eventually(look: Callable[[], Awaitable[Any]]) -> Any:
    """Poll until `look` returns something, and return it."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not (seen := await look()):
            await asyncio.sleep(0.02)
    return seen
