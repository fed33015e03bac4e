"""The access matrix: every route is called by every kind of caller; refused callers must learn no secrets.

The routes come from the route table, so that new routes are covered automatically. A new path parameter needs a
value in `World.paths`.
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
from fastapi.sse import EventSourceResponse
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
from tests.support.api_client import ApiClient
from tests.support.callers import IN, Caller, CallerFactory, expected
from tests.support.factories import add_user, make_booking, make_tenant
from tests.support.stage import Json, Stage, make_stage, ok

CANARY: Final = f"canary{uuid4().hex}"
PHONE: Final = "+12125550168"
_APP: Final = create_app(Settings())
_OPERATIONS: Final = {one["operationId"]: one for one in operations_of(_APP.openapi()).values()}
_SCHEMAS: Final = _APP.openapi()["components"]["schemas"]
_ORDER: Final = ("GET", "POST", "PATCH", "PUT", "DELETE")
"""Deletions come last."""
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
class World:
    """A business whose data contains secrets, and all kinds of callers."""

    http: httpx.AsyncClient
    engine: AsyncEngine
    stage: Stage
    callers: list[Caller] = field(default_factory=list)
    paths: dict[str, str] = field(default_factory=dict)
    """The values of the routes' path parameters."""
    secrets: set[str] = field(default_factory=set)
    """What outsiders must not see: the business's texts, and all ids that are not public."""
    to_the_customer: set[str] = field(default_factory=set)
    """The secrets that the booking's customer may see."""

    def url(self, route: APIRoute) -> str:
        """The route's path with its parameters."""
        name = re.sub(r"\{(\w+)\}", lambda found: self._value(route, found[1]), route.path)
        return f"{name}?service_id=repair" if route.operation_id == "listSlots" else name

    def _value(self, route: APIRoute, name: str) -> str:
        key = "own_time_off_id" if name == "time_off_id" and "{provider}" in route.path else name
        if key not in self.paths:
            pytest.fail(f"{route.path}: add a value for {{{name}}} to World.paths")
        return self.paths[key]

    def body(self, route: APIRoute) -> Json | None:
        """A body for the route: the smallest valid one, or a special one that gets past validation."""
        name = str(route.operation_id)
        if permission_of(route) in _PERSONAL:
            return {}  # access means an error about the missing members, not about a wrong password
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
        """Send the caller's request."""
        headers = {"If-Match": "*", "Idempotency-Key": str(uuid4())}
        if caller.token is not None:
            headers["Authorization"] = f"Bearer {caller.token}"
        if route.response_class is EventSourceResponse:
            return await self._begin(route, headers)
        return await self.http.request(_method(route), self.url(route), json=self.body(route), headers=headers)

    async def _begin(self, route: APIRoute, headers: dict[str, str]) -> httpx.Response:
        """The beginning of a stream, which is not read to its end: it has none."""
        accepted = headers | {"Accept": "text/event-stream"}
        async with self.http.stream("GET", self.url(route), headers=accepted) as response:
            if response.status_code != 200:
                await response.aread()
                return response
            beginning = await anext(response.aiter_bytes())
            return httpx.Response(200, headers=response.headers, content=beginning, request=response.request)

    def leaked_secrets(self, caller: Caller, response: httpx.Response) -> list[str]:
        """The secrets in an answer that this caller must not see, except those in the request itself."""
        if caller.role is not None and caller.is_valid:
            return []
        said = f"{response.text} {response.headers}".lower()
        named = str(response.request.url).lower()
        kept = self.secrets - (self.to_the_customer if caller.is_the_customer else set())
        return [secret for secret in kept if secret.lower() in said and secret.lower() not in named]


def _smallest(schema: Json) -> Any:
    """The smallest value of the schema; formats and patterns are ignored."""
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
async def world(api: ApiClient, api_url: str, engine: AsyncEngine, settings: Settings) -> AsyncIterator[World]:
    """The world, created once."""
    # The booking stays Ana's although some callers may reject and move it: no other provider takes more.
    stage = await make_stage(api, engine, Policy(backoff=Backoff(attempts=1)))
    async with engine.begin() as conn:
        ben = Provider.id == stage.tenant.providers["ben"]
        await conn.execute(update(Provider).where(ben).values(available=False))
    other = await make_tenant(engine)
    elsewhere = await make_booking(engine, other)
    async with httpx.AsyncClient(base_url=api_url, timeout=30) as http:
        made = World(http, engine, stage)
        booking_id = await _fill(made)
        caller_factory = CallerFactory(engine, settings, stage.tenant, other)
        made.callers = await caller_factory.everybody(booking_id, elsewhere.booking_id)
        yield made


async def _fill(world: World) -> UUID:
    """Create an object with a secret of every kind; returns the booking of the paths."""
    stage = world.stage
    tenant, owner = stage.tenant, stage.as_("owner")
    root = f"/v1/businesses/{tenant.business_id}"
    await _mark_people(world)
    member = await _throwaway_member(world)
    booking = await stage.book(address={"line1": CANARY, "city": CANARY, "country": "US"}, notes=CANARY)
    await stage.settled(booking, "assigned")
    await _payment(world, UUID(booking["id"]))
    slot = {"business_id": tenant.slug, "service_id": "repair", "starts_at": stage.next_start().isoformat()}
    hold = ok(await stage.as_("customer").post("/v1/holds", slot), 201)
    contact = {"name": CANARY, "email": f"{CANARY}@example.com", "phone": PHONE}
    customer = ok(await owner.post(f"{root}/customers", contact), 201)
    consent = {"purpose": "sms", "granted": True, "source": CANARY, "text": CANARY}
    ok(await owner.post(f"{root}/customers/{customer['id']}/consents", consent), 201)
    days_off = {"first_date": "2040-01-01", "last_date": "2040-01-02", "note": CANARY}
    everybody = ok(await owner.post(f"{root}/time-off", days_off), 201)
    own = ok(await owner.post(f"{root}/providers/ana/time-off", days_off), 201)
    closed = {"kind": "closed", "name": CANARY}
    ok(await owner.send("PUT", f"{root}/providers/ana/exceptions/2040-02-01", closed))
    source = {"url": f"http://127.0.0.1:9/{CANARY}"}
    ok(await owner.send("PUT", f"{root}/external-source", source))
    mailer = {"settings": {"sender": f"{CANARY}@example.com"}, "secrets": {"api_key": CANARY}}
    integration = ok(await owner.send("PUT", f"{root}/integrations/sendgrid", mailer))
    hook = {"url": f"http://127.0.0.1:9/{CANARY}/hook", "description": CANARY}
    endpoint = ok(await owner.post(f"{root}/webhook-endpoints", hook), 201)
    trial = ok(await owner.post(f"{root}/webhook-endpoints/{endpoint['id']}/test"), 202)
    key = ok(await owner.post(f"{root}/api-keys", {"name": CANARY, "scopes": ["book"]}), 201)
    pdf: Any = {"Content-Type": "application/pdf"}
    attachment = ok(await owner.upload(f"/v1/bookings/{booking['id']}/attachments", b"%PDF", **pdf), 201)
    export = ok(await owner.post(f"{root}/exports"), 201)
    world.paths = {
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
        "job_id": str(await _job(world, UUID(booking["id"]))),
        "finding_id": str(await _finding(world, UUID(booking["id"]))),
    }
    world.to_the_customer = {booking["id"], booking["reference"], booking["customer_id"], hold["id"]}
    world.to_the_customer.add(attachment["id"])
    ids = {export["id"], endpoint["id"], endpoint["secret"], trial["id"], trial["event_id"]}
    ids |= {customer["id"], everybody["id"], own["id"], key["id"], key["prefix"], str(member)}
    people = {str(principal.user_id) for principal in tenant.principals.values()}
    world.secrets = {CANARY, PHONE, *ids, *people} | world.to_the_customer
    world.to_the_customer.add(str(tenant.principals["customer"].user_id))
    return UUID(booking["id"])


async def _payment(world: World, booking_id: UUID) -> None:
    """A payment of the booking's, with a gateway that the business no longer has."""
    new = NewPayment(booking_id, Vendor.STRIPE, Collect.BOOKING, 12_900, "USD")
    async with world.engine.begin() as conn:
        await payments.add(conn, world.stage.tenant.business_id, new)


async def _job(world: World, booking_id: UUID) -> UUID:
    business_id = world.stage.tenant.business_id
    kind = EffectKind.REPORT_CONVERSION
    async with world.engine.begin() as conn:
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


async def _finding(world: World, booking_id: UUID) -> UUID:
    difference = Difference(FindingKind.JOB_MOVED, booking_id, detail={"job": CANARY})
    async with world.engine.begin() as conn:
        found = await findings.report(conn, world.stage.tenant.business_id, Vendor.SERVICETITAN, difference)
    assert found is not None
    return UUID(str(found["id"]))


async def _mark_people(world: World) -> None:
    """Make the data of the business's staff secret, except the providers' names."""
    people = world.stage.tenant.principals
    users = [people[name].user_id for name in people if name != "customer"]
    await world.stage.change(Provider, email=f"{CANARY}@provider.example", phone=PHONE)
    async with world.engine.begin() as conn:
        await conn.execute(update(User).where(User.id.in_(users)).values(name=CANARY))


async def _throwaway_member(world: World) -> UUID:
    async with world.engine.begin() as conn:
        user_id = await add_user(conn, CANARY)
        await conn.execute(
            insert(Membership).values(
                user_id=user_id, business_id=world.stage.tenant.business_id, role=Role.ADMIN, provider_id=None
            )
        )
    return user_id


async def _renew_logins(world: World) -> None:
    """Restore the callers' logins, which some routes end."""
    async with world.engine.begin() as conn:
        await conn.execute(
            text(
                "UPDATE sessions SET ended_at = NULL, end_reason = NULL WHERE id = user_id AND user_id = ANY(:ids)"
            ),
            {"ids": [caller.user_id for caller in world.callers if caller.user_id]},
        )


async def _history(world: World) -> list[tuple[Any, ...]]:
    """The booking's history so far, on which the callers' rights depend."""
    names = ("sequence", "kind", "new_status", "provider_id", "actor", "reason")
    steps = await world.stage.history({"id": world.paths["booking_id"]})
    return [tuple(step.get(name) for name in names) for step in steps]


def _verdict(route: APIRoute, caller: Caller, response: httpx.Response) -> int:
    """The result as in `expected`. A permitted deletion of a deleted object counts as permitted."""
    is_gone = response.status_code == 404 and _method(route) == "DELETE" and expected(route, caller) == IN
    return IN if is_gone or response.status_code not in _DENIED else response.status_code


@pytest.mark.parametrize("route", _ROUTES, ids=lambda route: route.operation_id)
async def test_access_follows_the_table_and_refused_callers_learn_no_secrets(
    world: World, route: APIRoute
) -> None:
    expectations = {caller.name: (caller, expected(route, caller)) for caller in world.callers}
    denied = [caller for caller, verdict in expectations.values() if verdict != IN]
    # Refused requests and reads change nothing: they can run at the same time.
    concurrent = world.callers if _method(route) == "GET" else denied
    answers = dict(
        zip(
            [c.name for c in concurrent],
            await asyncio.gather(*(world.call(route, c) for c in concurrent)),
            strict=True,
        )
    )
    for caller in world.callers:
        if caller.name not in answers:
            answers[caller.name] = await world.call(route, caller)
    if permission_of(route) is Permission.MANAGE_ACCOUNT:
        await _renew_logins(world)
    found = {name: _verdict(route, expectations[name][0], answer) for name, answer in answers.items()}
    assert found == {name: verdict for name, (_, verdict) in expectations.items()}, await _history(world)
    assert {name: answers[name].status_code for name in answers if answers[name].status_code >= 500} == {}
    leaked_secrets = {
        name: world.leaked_secrets(expectations[name][0], answer) for name, answer in answers.items()
    }
    assert {name: secrets for name, secrets in leaked_secrets.items() if secrets} == {}
    for caller in denied:
        assert answers[caller.name].headers["Content-Type"] == "application/problem+json"


def test_guarded_and_open_routes_both_exist() -> None:
    guarded = [route for route in _ROUTES if permission_of(route) not in _OPEN]
    assert len(guarded) > 60
    assert len(_ROUTES) - len(guarded) > 15
