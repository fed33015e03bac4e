"""The API accepts only e-mail addresses that the business's mail vendor can deliver to."""

from typing import Any

import httpx
import pytest
from sqlalchemy import insert

from db.models import Integration
from domain.effects import Vendor
from runtime.ids import new_id
from runtime.settings import Settings
from tests.support.api_client import ApiClient
from tests.support.applications import running
from tests.support.stage import Json, Stage, ok, patch, problem

UTF8, DOTS = "j\u00f6rg@guests.example.com", "a..b@docomo.ne.jp"
SMTP = {"host": "127.0.0.1", "port": 25, "security": "none", "sender": "desk@garage.example"}


async def sends_by(stage: Stage, vendor: Vendor, **settings: Any) -> None:
    """Have the business's e-mails sent by a vendor."""
    async with stage.engine.begin() as conn:
        await conn.execute(
            insert(Integration).values(
                id=new_id(), business_id=stage.tenant.business_id, port="email", vendor=vendor, settings=settings
            )
        )


async def book(stage: Stage, email: str, by: ApiClient | None = None) -> httpx.Response:
    customer = {"name": "Robin Roe", "email": email}
    return await (by or stage.api).book(stage.tenant, starts_at=stage.next_start(), customer=customer)


def pointers(response: httpx.Response) -> list[str]:
    return [error["pointer"] for error in problem(response, 422, "invalid_request")["errors"]]


@pytest.mark.parametrize(
    ("vendor", "sender", "address"),
    [
        (Vendor.SMTP, SMTP, UTF8),
        (Vendor.SENDGRID, {}, UTF8),
        (Vendor.SENDGRID, {}, DOTS),
        (Vendor.KLAVIYO, {}, DOTS),
    ],
)
async def test_what_the_business_s_vendor_cannot_carry_is_refused_wherever_it_is_typed(
    stage: Stage, vendor: Vendor, sender: Json, address: str
) -> None:
    await sends_by(stage, vendor, **sender)
    assert pointers(await book(stage, address)) == ["/body/customer/email"]
    owner, root = stage.as_("owner"), f"/v1/businesses/{stage.tenant.slug}"
    person = {"name": "Robin Roe", "email": address}
    for path in ("customers", "providers"):
        assert pointers(await owner.post(f"{root}/{path}", person)) == ["/body/email"]
    for path in (f"customers/{stage.tenant.customer_id}", f"providers/{stage.tenant.providers['ana']}"):
        seen = f"{root}/{path}/details" if path.startswith("providers") else f"{root}/{path}"
        tag = (await owner.get(seen)).headers["ETag"]
        assert pointers(await patch(owner, f"{root}/{path}", {"email": address}, **{"If-Match": tag})) == [
            "/body/email"
        ]


@pytest.mark.parametrize(
    ("sender", "address"), [(SMTP | {"smtputf8": True}, UTF8), (SMTP, DOTS), (SMTP, "robin@m\u00fcller.de")]
)
async def test_what_the_business_s_mail_server_carries_is_taken(stage: Stage, sender: Json, address: str) -> None:
    await sends_by(stage, Vendor.SMTP, **sender)
    ok(await book(stage, address), 201)


async def test_without_a_vendor_of_the_business_s_the_installation_s_server_counts(
    stage: Stage, settings: Settings
) -> None:
    ok(await book(stage, UTF8), 201)  # to the console, which takes everything
    for has_utf8 in (False, True):
        own = settings.model_copy(update={"smtp_url": "smtp://127.0.0.1:25", "smtp_utf8": has_utf8})
        async with running(own) as api:
            answer = await book(stage, UTF8, api)
            assert (answer.status_code == 201) is has_utf8
            account = {"email": f"{new_id().hex}{UTF8}", "name": "J", "password": "correct horse battery"}
            answers = (
                await api.post("/v1/auth/register", account),
                await api.post("/v1/auth/forgot-password", {"email": account["email"]}),
            )
            assert [one.status_code for one in answers] == [202, 202] if has_utf8 else [422, 422]
