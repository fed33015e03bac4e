"""Every route and everybody: who is let in, and that nobody else hears anything.

Taken from the route table, so a route is covered the day it is written. A parameter of its path that is new needs
a value in `House.paths`.
"""

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID, uuid4

import httpx
import pytest
from fastapi.routing import APIRoute, iter_route_contexts
from sqlalchemy import insert, text, update
from sqlalchemy.ext.asyncio import AsyncEngine

from api.access import permission_of
from api.app import create_app
from api.openapi.document import operations_of
from db.models import Membership, Provider, User
from db.repositories import effect_planning, findings, payments
from db.repositories.payments import NewPayment
from domain.access import Permission
from domain.effects import EffectKind, Planned, Port, Vendor
from domain.lifecycle import Role
from domain.payments import Collect
from domain.policies import Backoff, Policy
from domain.reconciliation import Difference, FindingKind
from runtime.settings import Settings
from tests.api_client import ApiClient
from tests.factories import add_user, make_booking, make_tenant
from tests.integration.api.callers import IN, Caller, Doorbell, expected
from tests.integration.api.stage import Json, Stage, make_stage, ok

CANARY: Final = f"canary{uuid4().hex}"
PHONE: Final = "+12125550168"
_APP: Final = create_app(Settings())
_OPERATIONS: Final = {one["operationId"]: one for one in operations_of(_APP.openapi()).values()}
_SCHEMAS: Final = _APP.openapi()["components"]["schemas"]
_ORDER: Final = ("GET", "POST", "PATCH", "PUT", "DELETE")
"""What takes away comes last."""
_DENIED: Final = (401, 403, 404)
_PERSONAL: Final = {Permission.SIGN_IN, Permission.MANAGE_ACCOUNT}
_OPEN: Final = {Permission.PROBE, Permission.BROWSE, Permission.SIGN_IN, Permission.BOOK, Permission.CALL_BACK}


def _method(route: APIRoute) -> str:
    [method] = route.methods or {""}
    return method


_ROUTES: Final = sorted(
    (c.original_route for c in iter_route_contexts(_APP.routes) if isinstance(c.original_route, APIRoute)),
    key=lambda route: _ORDER.index(_method(route)),
)


@dataclass
class House:
    """A business full of secrets, and everybody before its door."""

    http: httpx.AsyncClient
    engine: AsyncEngine
    stage: Stage
    callers: list[Caller] = field(default_factory=list)
    paths: dict[str, str] = field(default_factory=dict)
    """The values of the routes' path parameters."""
    secrets: set[str] = field(default_factory=set)
    """What nobody from outside may hear: the business's texts, and the ids of all that is not public."""
    to_the_customer: set[str] = field(default_factory=set)
    """Which of them the customer of the booking may hear."""

    def url(self, route: APIRoute) -> str:
        """The route's path, filled in."""
        name = re.sub(r"\{(\w+)\}", lambda found: self._value(route, found[1]), route.path)
        return f"{name}?service_id=repair" if route.operation_id == "listSlots" else name

    def _value(self, route: APIRoute, name: str) -> str:
        key = "own_time_off_id" if name == "time_off_id" and "{provider}" in route.path else name
        if key not in self.paths:
            pytest.fail(f"{route.path}: say in House.paths what {{{name}}} is")
        return self.paths[key]

    def body(self, route: APIRoute) -> Json | None:
        """A body for the route: the smallest that its shape allows, or what it takes to get to the point."""
        name = str(route.operation_id)
        if permission_of(route) in _PERSONAL:
            return {}  # to be let in is to be told what is missing, and not that a password is wrong
        if (own := self._bodies().get(name)) is not None:
            return own
        content = _OPERATIONS[name].get("requestBody", {}).get("content", {})
        return _smallest(content["application/json"]["schema"]) if "application/json" in content else None

    def _bodies(self) -> dict[str, Json]:
        at = self.stage.next_start().isoformat()
        slot = {"business_id": self.stage.tenant.slug, "service_id": "repair", "starts_at": at}
        return {
            "createBooking": slot | {"customer": {"name": "Somebody", "email": f"{uuid4().hex}@example.org"}},
            "createHold": slot,
            "rescheduleBooking": {"starts_at": at},
            "assignBooking": {"provider_id": str(self.stage.tenant.providers["ana"])},
            "overrideBooking": {"status": "completed", "reason": "matrix"},
            "putMember": {"role": "admin"},
            "putMessageTemplate": {"subject": "x", "body": "x"},
        }

    async def call(self, route: APIRoute, caller: Caller) -> httpx.Response:
        """What the caller is answered."""
        headers = {"If-Match": "*", "Idempotency-Key": str(uuid4())}
        if caller.token is not None:
            headers["Authorization"] = f"Bearer {caller.token}"
        return await self.http.request(_method(route), self.url(route), json=self.body(route), headers=headers)

    def overheard(self, caller: Caller, response: httpx.Response) -> list[str]:
        """The secrets in an answer that this caller may not hear; what they named themselves is none."""
        if caller.role is not None and caller.is_valid:
            return []
        said = f"{response.text} {response.headers}".lower()
        named = str(response.request.url).lower()
        kept = self.secrets - (self.to_the_customer if caller.is_the_customer else set())
        return [secret for secret in kept if secret.lower() in said and secret.lower() not in named]


def _smallest(schema: Json) -> Any:
    """The smallest value of the schema; formats and patterns are not kept."""
    if "$ref" in schema:
        return _smallest(_SCHEMAS[schema["$ref"].rsplit("/", 1)[-1]])
    for choice in ("anyOf", "oneOf", "allOf"):
        if choice in schema:
            return _smallest(schema[choice][0])
    if "const" in schema or "enum" in schema:
        return schema.get("const", schema.get("enum", [None])[0])
    if schema.get("type") == "object":
        members = schema.get("properties", {})
        return {name: _smallest(members[name]) for name in schema.get("required", ())}
    plain = {"array": [], "integer": schema.get("minimum", 1), "number": 1, "boolean": False, "null": None}
    return plain.get(schema.get("type", ""), "x" * schema.get("minLength", 1))


@pytest.fixture(scope="module")
async def house(api: ApiClient, api_url: str, engine: AsyncEngine, settings: Settings) -> AsyncIterator[House]:
    """The house, furnished once."""
    # The booking stays Ana's, whoever is let in to reject it: nobody else is looked for.
    stage = await make_stage(api, engine, Policy(backoff=Backoff(attempts=1)))
    other = await make_tenant(engine)
    elsewhere = await make_booking(engine, other)
    async with httpx.AsyncClient(base_url=api_url, timeout=30) as http:
        made = House(http, engine, stage)
        booking_id = await _furnish(made)
        bell = Doorbell(engine, settings, stage.tenant, other)
        made.callers = await bell.everybody(booking_id, elsewhere.booking_id)
        yield made


async def _furnish(house: House) -> UUID:
    """Put something with a secret into every drawer; the booking that the paths name."""
    stage = house.stage
    tenant, desk = stage.tenant, stage.as_("owner")
    root = f"/v1/businesses/{tenant.business_id}"
    await _mark_people(house)
    member = await _throwaway_member(house)
    booking = await stage.book(address={"line1": CANARY, "city": CANARY, "country": "US"}, notes=CANARY)
    await stage.settled(booking, "assigned")
    await _payment(house, UUID(booking["id"]))
    slot = {"business_id": tenant.slug, "service_id": "repair", "starts_at": stage.next_start().isoformat()}
    hold = ok(await stage.as_("customer").post("/v1/holds", slot), 201)
    contact = {"name": CANARY, "email": f"{CANARY}@example.com", "phone": PHONE}
    customer = ok(await desk.post(f"{root}/customers", contact), 201)
    consent = {"purpose": "sms", "granted": True, "source": CANARY, "text": CANARY}
    ok(await desk.post(f"{root}/customers/{customer['id']}/consents", consent), 201)
    days_off = {"first_date": "2040-01-01", "last_date": "2040-01-02", "note": CANARY}
    everybody = ok(await desk.post(f"{root}/time-off", days_off), 201)
    own = ok(await desk.post(f"{root}/providers/ana/time-off", days_off), 201)
    closed = {"kind": "closed", "name": CANARY}
    ok(await desk.send("PUT", f"{root}/providers/ana/exceptions/2040-02-01", closed))
    source = {"url": f"http://127.0.0.1:9/{CANARY}"}
    ok(await desk.send("PUT", f"{root}/external-source", source))
    mailer = {"settings": {"sender": f"{CANARY}@example.com"}, "secrets": {"api_key": CANARY}}
    integration = ok(await desk.send("PUT", f"{root}/integrations/sendgrid", mailer))
    hook = {"url": f"http://127.0.0.1:9/{CANARY}/hook", "description": CANARY}
    endpoint = ok(await desk.post(f"{root}/webhook-endpoints", hook), 201)
    trial = ok(await desk.post(f"{root}/webhook-endpoints/{endpoint['id']}/test"), 202)
    key = ok(await desk.post(f"{root}/api-keys", {"name": CANARY, "scopes": ["book"]}), 201)
    pdf: Any = {"Content-Type": "application/pdf"}
    attachment = ok(await desk.upload(f"/v1/bookings/{booking['id']}/attachments", b"%PDF", **pdf), 201)
    export = ok(await desk.post(f"{root}/exports"), 201)
    house.paths = {
        "attachment_id": attachment["id"],
        "export_id": export["id"],
        "business": str(tenant.business_id),
        "service": "repair",
        "provider": "ana",
        "booking_id": booking["id"],
        "hold_id": hold["id"],
        "customer_id": customer["id"],
        "time_off_id": everybody["id"],
        "own_time_off_id": own["id"],
        "date": "2040-02-01",
        "user_id": str(member),
        "role": "admin",
        "vendor": "sendgrid",
        "kind": "confirmed",
        "audience": "customer",
        "channel": "email",
        "language": "en",
        "integration_id": integration["id"],
        "key_id": key["id"],
        "endpoint_id": endpoint["id"],
        "delivery_id": trial["id"],
        "job_id": str(await _job(house, UUID(booking["id"]))),
        "finding_id": str(await _finding(house, UUID(booking["id"]))),
    }
    house.to_the_customer = {booking["id"], booking["reference"], booking["customer_id"], hold["id"]}
    house.to_the_customer.add(attachment["id"])
    ids = {export["id"], endpoint["id"], endpoint["secret"], trial["id"], trial["event_id"]}
    ids |= {customer["id"], everybody["id"], own["id"], key["id"], key["prefix"], str(member)}
    people = {str(principal.user_id) for principal in tenant.principals.values()}
    house.secrets = {CANARY, PHONE, *ids, *people} | house.to_the_customer
    house.to_the_customer.add(str(tenant.principals["customer"].user_id))
    return UUID(booking["id"])


async def _payment(house: House, booking_id: UUID) -> None:
    """A payment of the booking's, with a gateway that the business no longer has."""
    new = NewPayment(booking_id, Vendor.STRIPE, Collect.BOOKING, 12_900, "USD")
    async with house.engine.begin() as conn:
        await payments.add(conn, house.stage.tenant.business_id, new)


async def _job(house: House, booking_id: UUID) -> UUID:
    business_id = house.stage.tenant.business_id
    kind = EffectKind.REPORT_CONVERSION
    async with house.engine.begin() as conn:
        found = await effect_planning.plan_with(
            conn,
            business_id,
            booking_id,
            Planned(kind=kind, port=Port.ANALYTICS, key="matrix"),
            vendor=Vendor.GA4,
            target_id=None,
        )
    assert found is not None
    return found


async def _finding(house: House, booking_id: UUID) -> UUID:
    difference = Difference(FindingKind.JOB_MOVED, booking_id, detail={"job": CANARY})
    async with house.engine.begin() as conn:
        found = await findings.report(conn, house.stage.tenant.business_id, Vendor.SERVICETITAN, difference)
    assert found is not None
    return UUID(str(found["id"]))


async def _mark_people(house: House) -> None:
    """What is known of the people who work here is none of a stranger's business, but for the providers' names."""
    people = house.stage.tenant.principals
    users = [people[name].user_id for name in people if name != "customer"]
    await house.stage.change(Provider, email=f"{CANARY}@provider.example", phone=PHONE)
    async with house.engine.begin() as conn:
        await conn.execute(update(User).where(User.id.in_(users)).values(name=CANARY))


async def _throwaway_member(house: House) -> UUID:
    async with house.engine.begin() as conn:
        user_id = await add_user(conn, CANARY)
        await conn.execute(
            insert(Membership).values(
                user_id=user_id, business_id=house.stage.tenant.business_id, role=Role.ADMIN, provider_id=None
            )
        )
    return user_id


async def _renew_logins(house: House) -> None:
    """Some routes end their caller's login."""
    async with house.engine.begin() as conn:
        await conn.execute(
            text(
                "UPDATE sessions SET ended_at = NULL, end_reason = NULL WHERE id = user_id AND user_id = ANY(:ids)"
            ),
            {"ids": [caller.user_id for caller in house.callers if caller.user_id]},
        )


async def _story(house: House) -> list[tuple[Any, ...]]:
    """What has happened to the booking so far: who may do what to it depends on that."""
    names = ("sequence", "kind", "new_status", "provider_id", "actor", "reason")
    steps = await house.stage.history({"id": house.paths["booking_id"]})
    return [tuple(step.get(name) for name in names) for step in steps]


def _verdict(route: APIRoute, caller: Caller, response: httpx.Response) -> int:
    """As `expected` has it. What was let in and is deleted already, by somebody before, was let in."""
    is_gone = response.status_code == 404 and _method(route) == "DELETE" and expected(route, caller) == IN
    return IN if is_gone or response.status_code not in _DENIED else response.status_code


@pytest.mark.parametrize("route", _ROUTES, ids=lambda route: route.operation_id)
async def test_the_table_decides_and_nobody_else_hears_anything(house: House, route: APIRoute) -> None:
    asked = {caller.name: (caller, expected(route, caller)) for caller in house.callers}
    denied = [caller for caller, verdict in asked.values() if verdict != IN]
    # Who is denied, or only reads, changes nothing: they need not take turns.
    at_once = house.callers if _method(route) == "GET" else denied
    answers = dict(
        zip([c.name for c in at_once], await asyncio.gather(*(house.call(route, c) for c in at_once)), strict=True)
    )
    for caller in house.callers:
        if caller.name not in answers:
            answers[caller.name] = await house.call(route, caller)
    if permission_of(route) is Permission.MANAGE_ACCOUNT:
        await _renew_logins(house)
    found = {name: _verdict(route, asked[name][0], answer) for name, answer in answers.items()}
    assert found == {name: verdict for name, (_, verdict) in asked.items()}, await _story(house)
    assert {name: answers[name].status_code for name in answers if answers[name].status_code >= 500} == {}
    overheard = {name: house.overheard(asked[name][0], answer) for name, answer in answers.items()}
    assert {name: secrets for name, secrets in overheard.items() if secrets} == {}
    for caller in denied:
        assert answers[caller.name].headers["Content-Type"] == "application/problem+json"


def test_everything_is_let_in_to_by_somebody_and_denied_to_somebody() -> None:
    guarded = [route for route in _ROUTES if permission_of(route) not in _OPEN]
    assert len(guarded) > 60
    assert len(_ROUTES) - len(guarded) > 15
