"""A business that is paid through a gateway, for tests of whole payments."""

import asyncio
from collections.abc import Mapping
from typing import Any

from sqlalchemy import text, update
from sqlalchemy.ext.asyncio import AsyncEngine

from db.models import Service
from db.repositories import integrations
from db.repositories.integrations import NewIntegration
from dev.vendors.gateways import Endpoint
from domain.effects import Port, Vendor
from domain.policies import Cancellation, Policy
from runtime.json import to_json_text
from runtime.secrets import Secrets
from runtime.settings import Settings
from tests.support.api_client import ApiClient
from tests.support.factories import make_tenant
from tests.support.simulator import Simulator
from tests.support.stage import Json, Stage, ok, until
from tests.support.vendors.gateways import GatewayAccount, Methods, moved

PRICE = 12_900
FEE = Cancellation(window_minutes=14 * 24 * 60, fee_percent=50)
"""Bookings of a stage start in three days: a customer who cancels pays half."""


class Shop(Stage):
    """A stage with a gateway. The service `repair` costs 12900 and is paid in full by default."""

    account: GatewayAccount
    methods: Methods
    integration_id: Any

    async def furnish(self, account: GatewayAccount, settings: Settings) -> None:
        """Connect the shop to its own gateway account, with webhooks."""
        self.account, self.methods = account, Methods.of(account.vendor)
        yen = {"currency": "JPY"} if account.vendor is Vendor.PAYJP else {}
        await self.change(Service, payment_mode="full", **yen)
        secrets = {"api_key": account.key, "webhook_secret": "whsec_test", "webhook_token": "whsec_test"}
        new = NewIntegration(
            port=Port.PAYMENTS,
            vendor=account.vendor,
            settings={},
            secrets_encrypted=Secrets(settings.secrets_key).encrypt(to_json_text(secrets)),
            keep_secrets=False,
        )
        async with self.engine.begin() as conn:
            row = await integrations.save(conn, self.tenant.business_id, new)
        self.integration_id = row["id"]

    async def connect_hook(self, api_url: str) -> None:
        """Register the API's webhook with the gateway."""
        url = f"{api_url}/v1/hooks/{self.account.vendor}/{self.integration_id}"
        await self.account.simulated.set_endpoint(self.account.key, Endpoint(url=url, secret="whsec_test"))

    async def charge(self, **columns: Any) -> None:
        """Change how the service is paid."""
        async with self.engine.begin() as conn:
            await conn.execute(
                update(Service).where(Service.business_id == self.tenant.business_id).values(**columns)
            )

    async def buy(self, method: str | None = None, **body: Any) -> Json:
        """A booking by the customer; with a payment method it is paid at once."""
        payment = {} if method is None else {"payment": {"method": method}}
        return await self.book(**payment, **body)

    async def pay(self, booking: Json, method: str, status: int = 202) -> Json:
        """Submit the customer's payment method."""
        path = f"/v1/bookings/{booking['id']}/payment"
        return ok(await self.as_("customer").post(path, {"method": method}), status)

    async def payment(self, booking: Json, name: str = "customer") -> Json:
        """The payment as this user sees it."""
        return ok(await self.as_(name).get(f"/v1/bookings/{booking['id']}/payment"))

    async def paid_up(self, booking: Json, state: str) -> Json:
        """The payment once it is in this state."""
        return await until(
            lambda: self.as_("customer").get(f"/v1/bookings/{booking['id']}/payment"),
            lambda seen: seen["state"] == state,
        )

    async def quiet(self, booking: Json) -> None:
        """Wait until nothing more happens to the booking's payment by itself."""
        async with asyncio.timeout(20):
            while await self._open_effects(booking):
                await asyncio.sleep(0.05)

    async def _open_effects(self, booking: Json) -> int:
        query = text(
            "SELECT count(*) FROM effects WHERE booking_id = :id AND lane = 'payment'"
            " AND state IN ('pending', 'running', 'retrying')"
        )
        async with self.engine.connect() as conn:
            return int((await conn.execute(query, {"id": booking["id"]})).scalar_one())

    async def effects(self, booking: Json) -> list[tuple[str, str, str | None]]:
        """Kind, state and error of each effect on the payment, in order."""
        query = text(
            "SELECT kind, state, last_error FROM effects WHERE booking_id = :id AND lane = 'payment'"
            " AND kind <> 'sync_payment' ORDER BY id"
        )
        async with self.engine.connect() as conn:
            found = await conn.execute(query, {"id": booking["id"]})
            return [(row.kind, row.state, row.last_error) for row in found]

    async def attempts(self, booking: Json, kind: str) -> int:
        """The number of attempts of the only effect of this kind."""
        query = text("SELECT attempts FROM effects WHERE booking_id = :id AND kind = :kind")
        async with self.engine.connect() as conn:
            return int((await conn.execute(query, {"id": booking["id"], "kind": kind})).scalar_one())

    async def row(self, booking: Json) -> Mapping[str, Any]:
        """The payment as it is stored."""
        async with self.engine.connect() as conn:
            found = await conn.execute(
                text("SELECT * FROM payments WHERE booking_id = :id"), {"id": booking["id"]}
            )
            return dict(found.mappings().one())

    async def events(self, booking: Json) -> list[tuple[str, int]]:
        """The payment's events and their amounts, in order."""
        query = text(
            "SELECT type, data FROM events WHERE business_id = :business_id AND subject = :id"
            " AND type LIKE 'payment.%' ORDER BY time, id"
        )
        parameters = {"business_id": self.tenant.business_id, "id": booking["id"]}
        async with self.engine.connect() as conn:
            return [(row.type, row.data["amountMinor"]) for row in await conn.execute(query, parameters)]

    def money(self, booking: Json) -> list[tuple[str, int]]:
        """What the gateway did with the booking's money, in order."""
        entries = self.account.vendors.ledger.entries(self.account.vendor, account=self.account.key, applied=True)
        return moved([one for one in entries if one.key == booking["id"]])

    def kept(self, booking: Json) -> int:
        """The amount that the gateway captured and did not refund."""
        signs = {"capture": 1, "refund": -1}
        return sum(signs.get(action, 0) * amount for action, amount in self.money(booking))


async def make_shop(
    api: ApiClient,
    engine: AsyncEngine,
    settings: Settings,
    vendors: Simulator,
    vendor: Vendor = Vendor.STRIPE,
    policy: Policy | None = None,
) -> Shop:
    """A new shop."""
    shop = Shop(api, engine, await make_tenant(engine, policy=policy or Policy(cancellation=FEE)))
    await shop.furnish(GatewayAccount.at(vendor, vendors), settings)
    return shop
