"""A business with an external calendar at the simulator, which the real activity reads."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from activities.adapters.http_calendar import HttpCalendarSource
from activities.external_calendars import ExternalCalendars
from db.repositories import external_sources
from db.repositories.external_sources import NewSource
from db.repositories.rows import Row
from dev.vendors.slot_source import Behaviour, Contents, SchedulingVendor
from domain.external import SourceRef
from runtime.secrets import Secrets
from tests.support.factories import Tenant

TOKEN = "token-of-the-vendor"
SOON = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=2)

Time = tuple[str, str, float, float]
"""Provider, kind, and hours after `SOON`."""


def span(from_: float, until: float) -> dict[str, str]:
    """A time range in the vendor's format, in hours after `SOON`."""
    return {"from": hour(from_), "until": hour(until)}


def hour(hours: float) -> str:
    return (SOON + timedelta(hours=hours)).isoformat()


@dataclass
class Source:
    """One business's source."""

    engine: AsyncEngine
    tenant: Tenant
    vendor: SchedulingVendor
    base_url: str
    secrets: Secrets
    adapter: dict[str, Any] = field(default_factory=dict)
    """Arguments of the adapter that differ from what the worker has."""

    @property
    def name(self) -> str:
        """The calendar's name at the vendor."""
        return self.tenant.slug

    async def says(self, *providers: dict[str, Any], token: str | None = None) -> None:
        """Set what the vendor answers with."""
        await self.vendor.set_contents(self.name, Contents(providers=list(providers), token=token))

    async def behaves(self, **behaviour: Any) -> None:
        """Set how the vendor behaves."""
        await self.vendor.set_behaviour(self.name, Behaviour(**behaviour))

    async def set_up(self, **columns: Any) -> None:
        """Set or replace the source; it is due now."""
        defaults: dict[str, Any] = {
            "url": f"{self.base_url}/calendars/{self.name}",
            "token_encrypted": self.secrets.encrypt(TOKEN),
            "keep_token": False,
            "on_stale": "open",
            "interval_seconds": 60,
            "max_age_seconds": 900,
            "horizon_days": 60,
        }
        async with self.engine.begin() as conn:
            await external_sources.save(conn, self.tenant.business_id, NewSource(**defaults | columns))

    async def remove(self) -> None:
        async with self.engine.begin() as conn:
            await external_sources.delete(conn, self.tenant.business_id)

    async def check(self) -> str:
        """Check the source, whether it is due or not."""
        async with self.engine.begin() as conn:
            await external_sources.check_now(conn, self.tenant.business_id)
        return await self.check_if_due()

    async def check_if_due(self) -> str:
        adapter = HttpCalendarSource(**{"allow_loopback": True, "timeout_seconds": 30.0} | self.adapter)
        calendars = ExternalCalendars(self.engine, adapter, self.secrets)
        return await calendars.refresh_external_calendar(SourceRef(business_id=self.tenant.business_id))

    async def row(self) -> Row:
        async with self.engine.connect() as conn:
            found = await external_sources.find(conn, self.tenant.business_id)
        assert found is not None
        return found

    async def times(self) -> list[Time]:
        """The stored times."""
        found = await self.sql("SELECT provider_id, kind, starts_at, ends_at FROM external_times")
        return sorted(
            (self.tenant.name_of(row[0]), row[1], *((at - SOON) / timedelta(hours=1) for at in row[2:]))
            for row in found
        )

    async def versions(self) -> dict[datetime, Any]:
        """The transaction that wrote each row."""
        return {row[0]: row[1] for row in await self.sql("SELECT starts_at, xmin::text FROM external_times")}

    async def sql(self, statement: str, **parameters: Any) -> list[Any]:
        """The rows of a statement, restricted to this business."""
        query = text(f"{statement} WHERE business_id = :id")
        async with self.engine.begin() as conn:
            result = await conn.execute(query, {"id": self.tenant.business_id} | parameters)
            return list(result.all()) if result.returns_rows else []

    async def requests(self) -> list[dict[str, Any]]:
        """The requests that the vendor received."""
        requests: list[dict[str, Any]] = (await self.vendor.read_ledger(self.name))["asked"]
        return requests

    async def waiting(self) -> int:
        """The number of requests that wait for the vendor's answer."""
        return int((await self.vendor.read_ledger(self.name))["waiting"])
