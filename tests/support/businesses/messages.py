"""A business that sends e-mails and texts through the simulated vendors, with one booking."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from db.repositories import consents, integrations, messages
from db.repositories.consents import Consent
from db.repositories.integrations import NewIntegration
from dev.vendors.mail_server import MailServer, StoredMail
from dev.vendors.twilio import Twilio
from domain.booking import BookingState
from domain.customers import Purpose
from domain.effects import PORT_OF, EffectKind, EffectRef, Vendor
from domain.notifications import Audience, Notice, NoticeKind
from runtime.json import to_json_text
from runtime.secrets import Secrets
from runtime.settings import Settings
from tests.support.factories import Tenant
from tests.support.simulator import Simulator
from worker.registry import Activity, Vendors, effect_activities

PHONE = "+12125550142"

Activities = dict[Vendor, list[Activity]]
_MADE: dict[int, tuple[Settings, Activities]] = {}

# The test attempts the effects, not a worker that runs at the same time.
_DEFER = text("UPDATE effects SET due_at = now() + interval '1 day' WHERE business_id = :id AND handed_at IS NULL")
_HURRY = text("UPDATE effects SET next_attempt_at = NULL WHERE business_id = :id AND state = 'retrying'")
_PLANNED = text("""
SELECT id, kind, vendor, round FROM effects
WHERE business_id = :id AND state IN ('pending', 'retrying') ORDER BY id
""")


@dataclass
class MessagingBusiness:
    """The business's accounts at a mail server and at Twilio, which no other test has."""

    engine: AsyncEngine
    settings: Settings
    vendors: Simulator
    tenant: Tenant
    smtp_port: int
    user: str
    sid: str

    @classmethod
    def of(
        cls, engine: AsyncEngine, settings: Settings, vendors: Simulator, tenant: Tenant, port: int
    ) -> "MessagingBusiness":
        return cls(engine, settings, vendors, tenant, port, f"user-{uuid4().hex}", f"AC{uuid4().hex}")

    @property
    def twilio(self) -> Twilio:
        vendor = self.vendors.vendor(Vendor.TWILIO)
        assert isinstance(vendor, Twilio)
        return vendor

    def mails(self) -> list[StoredMail]:
        """The mails that the mail server accepted from the business, oldest first."""
        server = self.vendors.vendor(Vendor.SMTP)
        assert isinstance(server, MailServer)
        return [kept for kept in server.mails.values() if kept.account == self.user]

    def texts(self) -> list[tuple[str, str]]:
        """Recipient and text of each SMS."""
        return [(one.to, one.body) for one in self.twilio.messages if one.account == self.sid]

    # --- the business ---------------------------------------------------------------------------------------

    async def connect_mail(self) -> None:
        """Send e-mails through the business's own mail server."""
        server = {"host": "127.0.0.1", "port": self.smtp_port, "security": "none", "username": self.user}
        await self._connect(Vendor.SMTP, server | {"sender": "desk@garage.example"}, {"password": "right"})

    async def connect_texts(self) -> None:
        """Send texts through an account at Twilio."""
        settings = {"account_sid": self.sid, "from_number": "+12125550100"}
        await self._connect(Vendor.TWILIO, settings, {"auth_token": "token"})

    async def _connect(self, vendor: Vendor, settings: dict[str, Any], secrets: dict[str, str]) -> None:
        new = NewIntegration(
            port=PORT_OF[vendor],
            vendor=vendor,
            settings=settings,
            secrets_encrypted=Secrets(self.settings.secrets_key).encrypt(to_json_text(secrets)),
            keep_secrets=False,
        )
        async with self.engine.begin() as conn:
            await integrations.save(conn, self.tenant.business_id, new)

    async def change(self, table: str, row_id: UUID, **values: Any) -> None:
        """Change a row."""
        assigned = ", ".join(f"{name} = :{name}" for name in values)
        async with self.engine.begin() as conn:
            await conn.execute(text(f"UPDATE {table} SET {assigned} WHERE id = :id"), values | {"id": row_id})

    async def change_customer(self, **values: Any) -> None:
        """Change the customer."""
        await self.change("customers", self.tenant.customer_id, **values)

    async def says(self, purpose: Purpose, *, granted: bool) -> None:
        """Record that the customer agrees or withdraws consent."""
        consent = Consent(purpose, granted=granted, source="test", text="test")
        async with self.engine.begin() as conn:
            await consents.lock_customer(conn, self.tenant.business_id, self.tenant.customer_id)
            await consents.record(conn, self.tenant.business_id, self.tenant.customer_id, consent)

    # --- messages -------------------------------------------------------------------------------------------

    async def tell(
        self,
        state: BookingState,
        kind: NoticeKind,
        audience: Audience = Audience.CUSTOMER,
        *,
        starts_at: datetime | None = None,
        installation: str = "console",
    ) -> None:
        """Plan a message about the booking; `send` sends it."""
        notice = Notice(
            key=f"{state.booking_id}/{uuid4()}",
            kind=kind,
            audience=audience,
            starts_at=starts_at or state.starts_at,
            booking_version=state.version,
            provider_id=state.provider_id if audience is Audience.PROVIDER else None,
        )
        async with self.engine.begin() as conn:
            business_id = self.tenant.business_id
            await messages.add(conn, business_id, state.booking_id, [notice], installation=installation)
            await conn.execute(_DEFER, {"id": business_id})

    async def send(self, settings: Settings | None = None) -> list[Mapping[str, Any]]:
        """Attempt every open effect now, as a worker does; return the messages, oldest first."""
        activities = self._activities(settings or self.settings)
        async with self.engine.begin() as conn:
            await conn.execute(_HURRY, {"id": self.tenant.business_id})
            planned = (await conn.execute(_PLANNED, {"id": self.tenant.business_id})).mappings().all()
        for effect in planned:
            by_name = {EffectKind.SEND_EMAIL: "send_email", EffectKind.SEND_SMS: "send_sms"}
            name = by_name[EffectKind(effect["kind"])]
            [activity] = [one for one in activities[Vendor(effect["vendor"])] if one.__name__ == name]
            ref = EffectRef(
                effect_id=effect["id"], business_id=self.tenant.business_id, round=int(effect["round"])
            )
            with suppress(ApplicationError):
                await ActivityEnvironment().run(activity, ref)
        return await self.messages()

    def _activities(self, settings: Settings) -> Activities:
        """The activities, built once for each settings object because that is slow."""
        made = _MADE.get(id(settings))
        if made is None or made[0] is not settings:
            vendors = Vendors(self.engine, settings)
            made = _MADE[id(settings)] = (settings, effect_activities(self.engine, settings, vendors))
        return made[1]

    async def messages(self) -> list[Mapping[str, Any]]:
        """All messages of the business, the oldest first."""
        return await self.rows("SELECT * FROM messages WHERE business_id = :id ORDER BY id")

    async def rows(self, query: str) -> list[Mapping[str, Any]]:
        """The rows of a query about the business."""
        async with self.engine.connect() as conn:
            return await _all(conn, query, self.tenant.business_id)


async def _all(conn: AsyncConnection, query: str, business_id: UUID) -> list[Mapping[str, Any]]:
    return [dict(found) for found in (await conn.execute(text(query), {"id": business_id})).mappings()]
