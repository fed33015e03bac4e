"""The business of one cell: each cell has its own people, services, vendor accounts and reminders."""

import math
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import httpx
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from api.identity.tokens import Tokens
from db.models import Customer, Service
from domain.policies import Policy
from runtime.ids import new_id
from tests.support.factories import Tenant, add_provider, add_user, make_tenant

PROVIDERS: Final = 14
CUSTOMERS: Final = 40
REMINDED_STARTS: Final = 10
"""Hours whose reminders fall due during the cell: as many as a policy may have reminders."""
SEATS: Final = 4
PRICE_MINOR: Final = 129_00
_LEAD: Final = timedelta(hours=72)
_REMINDER_AFTER: Final = timedelta(seconds=15)
_MAIL_EVERY: Final = 3
"""Every third customer has an e-mail address."""


@dataclass(slots=True)
class Business:
    """A business and its people."""

    tenant: Tenant
    tokens: Tokens
    first_start: datetime
    customers: list[UUID] = field(default_factory=list)
    """User ids."""

    @property
    def id(self) -> UUID:
        return self.tenant.business_id

    @property
    def slug(self) -> str:
        return self.tenant.slug

    @property
    def sendgrid(self) -> str:
        """The account at the vendor, as in its ledger; likewise below."""
        return f"SG.{self.id.hex}"

    @property
    def stripe(self) -> str:
        return f"sk_test_{self.id.hex}"

    @property
    def servicetitan(self) -> str:
        return str(self.id.int % 10**9 + 10**9)

    @property
    def receiver(self) -> str:
        return self.id.hex

    def member(self, role: str) -> UUID:
        """The user id of the owner or the admin."""
        return self.tenant.principals[role].user_id

    def provider_user(self, provider_id: str) -> UUID:
        """The user id of a provider."""
        return self.tenant.principals[self.tenant.name_of(provider_id)].user_id

    def headers(self, user_id: UUID) -> dict[str, str]:
        """The headers that authenticate a user: the factories' sessions have their users' ids."""
        return {"Authorization": f"Bearer {self.tokens.issue(user_id, user_id)}"}


async def make_business(engine: AsyncEngine, tokens: Tokens, *, load_begins: datetime) -> Business:
    """Create a business with appointments in three days and reminders that fall due soon after `load_begins`."""
    first = (datetime.now(UTC) + _LEAD).replace(minute=0, second=0, microsecond=0)
    policy = Policy(reminder_minutes=_reminders(first, load_begins), hold_minutes=1)
    tenant = await make_tenant(engine, policy=policy, providers={})
    business = Business(tenant, tokens, first)
    async with engine.begin() as conn:
        for number in range(PROVIDERS):
            email = f"p{number}@providers.example" if number % _MAIL_EVERY == 0 else None
            await add_provider(conn, tenant, f"p{number}", rating=4 + number / 100, email=email)
        await _add_service(conn, tenant, "paid", payment_mode="full")
        await _add_service(conn, tenant, "group", capacity=SEATS)
        for number in range(CUSTOMERS):
            business.customers.append(await _add_customer(conn, tenant, number))
    return business


def _reminders(first: datetime, load_begins: datetime) -> tuple[int, ...]:
    """Minutes before the start, so that one reminder of each of the first hours falls due in the same minute."""
    due = (load_begins + _REMINDER_AFTER).timestamp()
    minutes = int(first.timestamp() - math.ceil(due / 60) * 60) // 60
    return tuple(minutes + 60 * hour for hour in range(REMINDED_STARTS))


async def _add_service(conn: AsyncConnection, tenant: Tenant, code: str, **columns: Any) -> None:
    values = {
        "id": new_id(),
        "business_id": tenant.business_id,
        "code": code,
        "name": code.title(),
        "duration_minutes": 60,
        "price_minor": PRICE_MINOR,
        "currency": "USD",
        "required_skills": ["repair"],
    }
    await conn.execute(insert(Service).values(**values | columns))


async def _add_customer(conn: AsyncConnection, tenant: Tenant, number: int) -> UUID:
    user_id = await add_user(conn, "customer")
    email = f"c{number}@customers.example" if number % _MAIL_EVERY == 0 else None
    values = {"id": new_id(), "business_id": tenant.business_id, "user_id": user_id}
    await conn.execute(insert(Customer).values(**values, name=f"Customer {number}", email=email))
    return user_id


async def connect_vendors(business: Business, api_url: str, vendors_url: str, *, webhooks: bool) -> None:
    """Connect the business with the vendors, in both directions, as its owner."""
    root = f"/v1/businesses/{business.slug}"
    headers = business.headers(business.member("owner"))
    async with _http(api_url, headers) as owner, _http(vendors_url) as vendors:
        shown = {}
        for vendor, account in _accounts(business).items():
            answer = await owner.put(f"{root}/integrations/{vendor}", json=account)
            shown[vendor] = answer.raise_for_status().json()
        hook = {"url": shown["stripe"]["callback_url"], "secret": "whsec_chaos"}
        at = {"account": business.stripe}
        (await vendors.put("/stripe/control/endpoint", params=at, json=hook)).raise_for_status()
        if not webhooks:
            return
        url = f"{vendors_url}/webhook_receiver/hooks/{business.receiver}"
        made = (await owner.post(f"{root}/webhook-endpoints", json={"url": url})).raise_for_status().json()
        secret = {"secret": made["secret"]}
        (await vendors.put(f"/webhook_receiver/secrets/{business.receiver}", json=secret)).raise_for_status()


def _http(url: str, headers: dict[str, str] | None = None) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=url, headers=headers, timeout=30, trust_env=False)


def _accounts(business: Business) -> dict[str, Any]:
    premises = {
        "street": "1 Main Street",
        "city": "New York",
        "region": "NY",
        "postal_code": "10001",
        "country": "US",
    }
    servicetitan = {
        "tenant": business.servicetitan,
        "business_unit_id": 11,
        "job_type_id": 12,
        "campaign_id": 13,
        "cancel_reason_id": 14,
        "application_guid": "9f1b3c5e-0000-4000-8000-000000000000",
        "premises": premises,
    }
    return {
        "sendgrid": {
            "settings": {"sender": "desk@chaos.example", "sender_name": "Chaos"},
            "secrets": {"api_key": business.sendgrid},
        },
        "servicetitan": {
            "settings": servicetitan,
            "secrets": {"client_id": "cid.chaos", "client_secret": "cs1.chaos", "app_key": "ak1.chaos"},
        },
        "stripe": {"settings": {}, "secrets": {"api_key": business.stripe, "webhook_secret": "whsec_chaos"}},
    }
