"""A business that receives its vendors' webhooks: its integrations, messages and consents."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import insert, text, update
from sqlalchemy.ext.asyncio import AsyncEngine

from db.models import Customer, Message
from db.repositories import integrations
from db.repositories.integrations import NewIntegration
from domain.effects import PORT_OF, Vendor
from runtime.ids import new_id
from runtime.json import to_json_text
from runtime.secrets import Secrets
from runtime.settings import Settings
from tests.support.factories import Tenant, make_booking, make_tenant

PHONE = "+12125550142"


@dataclass(frozen=True)
class BusinessWithHooks:
    """A business and the base URL that its vendors call."""

    engine: AsyncEngine
    settings: Settings
    tenant: Tenant
    url: str
    secrets: dict[str, str] = field(default_factory=dict)

    async def connect(self, vendor: Vendor, secrets: dict[str, str], *, enabled: bool = True) -> UUID:
        """Connect an account with a vendor; returns the integration's id."""
        new = NewIntegration(
            port=PORT_OF[vendor],
            vendor=vendor,
            settings={},
            secrets_encrypted=Secrets(self.settings.secrets_key).encrypt(to_json_text(secrets)),
            keep_secrets=False,
            enabled=enabled,
        )
        async with self.engine.begin() as conn:
            row = await integrations.save(conn, self.tenant.business_id, new)
        return UUID(str(row["id"]))

    def hook(self, vendor: str, integration_id: UUID) -> str:
        return f"{self.url}/v1/hooks/{vendor}/{integration_id}"

    async def message(self, channel: str, audience: str = "customer", **columns: Any) -> str:
        """Insert a message that is about to be sent; returns its key."""
        booking = await make_booking(self.engine, self.tenant, provider=None)
        key = f"{booking.booking_id}/confirmed/{audience}"
        async with self.engine.begin() as conn:
            await conn.execute(
                insert(Message).values(
                    id=new_id(),
                    business_id=self.tenant.business_id,
                    booking_id=booking.booking_id,
                    key=key,
                    kind="confirmed",
                    audience=audience,
                    channel=channel,
                    **{"state": "queued"} | columns,
                )
            )
        return key

    async def of_message(self, key: str) -> Any:
        """State, error and vendor_ref of a message."""
        [found] = await self.rows("SELECT state, error, vendor_ref FROM messages", "AND key = :key", key=key)
        return found

    async def consents(self) -> list[tuple[str, bool, str]]:
        """All consents of the business's customers, oldest first."""
        found = await self.rows("SELECT purpose, granted, source FROM consents", "ORDER BY given_at, id")
        return [(row.purpose, row.granted, row.source) for row in found]

    async def events(self) -> Sequence[Any]:
        """The accepted events."""
        return await self.rows("SELECT event_id, type FROM inbound_events", "ORDER BY received_at, event_id")

    async def give_phone(self, phone: str = PHONE) -> None:
        async with self.engine.begin() as conn:
            mine = Customer.id == self.tenant.customer_id
            await conn.execute(update(Customer).where(mine).values(phone=phone))

    async def rows(self, select: str, rest: str = "", **parameters: Any) -> Sequence[Any]:
        """Rows of this business."""
        query = text(f"{select} WHERE business_id = :business_id {rest}")
        async with self.engine.connect() as conn:
            return (await conn.execute(query, {"business_id": self.tenant.business_id} | parameters)).all()


async def make_business_with_hooks(engine: AsyncEngine, settings: Settings, url: str) -> BusinessWithHooks:
    """A new business whose vendors call this URL."""
    return BusinessWithHooks(engine, settings, await make_tenant(engine), url)
