"""Who may call: services by their token, for whom by the same credentials as over HTTP."""

from typing import Any
from uuid import uuid4

import grpc
import pytest
from sqlalchemy import text

from api.grpc import booking_service_pb2 as messages
from api.grpc.holds_pb2 import CreateHoldRequest, GetHoldRequest, ReleaseHoldRequest
from api.grpc.operations import OPERATIONS
from api.grpc.server import HANDLERS, OPENERS, SERVICES
from api.grpc.slots_pb2 import DayOrMoment, ListSlotsRequest
from domain.access import PERMITTED
from domain.callers import CallerKind, Scope
from runtime.settings import Settings
from tests.integration.api.grpc.conftest import READER, ROTATED
from tests.support.api_keys import make_key
from tests.support.factories import make_tenant
from tests.support.grpc_client import TOKEN, GrpcClient, book, booking_request, entry, grpc_client, with_tokens
from tests.support.stage import Stage, make_stage

Code = grpc.StatusCode


def get(booking_id: Any) -> Any:
    return messages.GetBookingRequest(booking_id=str(booking_id))


async def audit_lines(stage: Stage) -> list[Any]:
    query = text(
        "SELECT action, outcome, code, object_id, actor_kind, actor_id, address, request_id"
        " FROM audit_log WHERE business_id = :id ORDER BY at, id"
    )
    async with stage.engine.connect() as conn:
        return list((await conn.execute(query, {"id": stage.tenant.business_id})).all())


def test_every_rpc_has_a_handler_and_is_an_operation_of_http() -> None:
    declared = {method.name for service in SERVICES for method in service.methods}
    assert declared == HANDLERS.keys() | OPENERS.keys()
    for name in HANDLERS:
        assert name[0].lower() + name[1:] in OPERATIONS


@pytest.mark.parametrize("token", [None, "", "wrong", TOKEN + "x", TOKEN[:-1]])
async def test_without_a_valid_token_of_a_service_nothing_is_answered(
    rpc: GrpcClient, patient_stage: Stage, token: str | None
) -> None:
    admin = rpc.as_(patient_stage.tenant.principals["admin"]).from_service(token)
    refused = await admin.refused("GetBooking", get(uuid4()))
    assert (refused.code, refused.reason) == (Code.UNAUTHENTICATED, "unauthenticated")
    assert refused.info.domain == "holdfast"
    assert "x-internal-token" in refused.words or "token of the service" in refused.words


async def test_a_service_has_several_tokens_while_they_are_rotated(rpc: GrpcClient, patient_stage: Stage) -> None:
    customer = rpc.as_(patient_stage.tenant.principals["customer"])
    made = await book(customer, patient_stage.tenant, patient_stage.next_start())
    for token in (TOKEN, ROTATED):
        assert (await customer.from_service(token).call("GetBooking", get(made.id))).id == made.id


async def test_a_token_limits_what_may_be_done_for_anybody(rpc: GrpcClient, patient_stage: Stage) -> None:
    customer = rpc.as_(patient_stage.tenant.principals["customer"])
    made = await book(customer, patient_stage.tenant, patient_stage.next_start())
    reader = customer.from_service(READER)
    assert (await reader.call("GetBooking", get(made.id))).id == made.id
    cancel = messages.CancelBookingRequest(booking_id=made.id)
    refused = await reader.refused("CancelBooking", cancel)
    assert (refused.code, refused.reason) == (Code.PERMISSION_DENIED, "forbidden")
    assert "command_bookings" in refused.words


async def test_a_user_sees_what_they_see_over_http(rpc: GrpcClient, patient_stage: Stage) -> None:
    stage = patient_stage
    made = await book(rpc.as_(stage.tenant.principals["customer"]), stage.tenant, stage.next_start())
    stranger = await make_tenant(stage.engine)
    for name in ("customer", "owner", "ana"):
        refused = await rpc.as_(stranger.principals[name]).refused("GetBooking", get(made.id))
        assert (refused.code, refused.reason) == (Code.NOT_FOUND, "not_found")
    nobody = await rpc.refused("GetBooking", get(made.id))
    assert nobody.code is Code.UNAUTHENTICATED
    forged = await rpc.with_bearer("forged").refused("GetBooking", get(made.id))
    assert forged.code is Code.UNAUTHENTICATED


async def test_an_api_key_acts_within_its_scopes(rpc: GrpcClient, patient_stage: Stage) -> None:
    stage = patient_stage
    made = await book(rpc.as_(stage.tenant.principals["customer"]), stage.tenant, stage.next_start())
    key = rpc.with_bearer(await make_key(stage, Scope.READ_BOOKINGS))
    assert (await key.call("GetBooking", get(made.id))).id == made.id
    refused = await key.refused("CancelBooking", messages.CancelBookingRequest(booking_id=made.id))
    assert (refused.code, refused.reason) == (Code.PERMISSION_DENIED, "forbidden")


async def test_what_is_denied_and_what_is_done_is_in_the_audit_log(rpc: GrpcClient, patient_stage: Stage) -> None:
    stage = patient_stage
    customer, stranger = stage.tenant.principals["customer"], await make_tenant(stage.engine)
    asked = booking_request(stage.tenant, stage.next_start())
    made = await rpc.as_(customer).call("CreateBooking", asked, key="k", x_request_id="made-1")
    await rpc.as_(customer).call(
        "CancelBooking", messages.CancelBookingRequest(booking_id=made.id), x_request_id="made-2"
    )
    refused = await rpc.as_(stranger.principals["owner"]).refused(
        "GetBooking", get(made.id), x_request_id="made-3"
    )
    assert refused.info.metadata["request_id"] == refused.trailers["x-request-id"] == "made-3"
    who = ("user", customer.user_id, "127.0.0.1")
    assert [tuple(line) for line in await audit_lines(stage)] == [
        ("createBooking", "done", None, made.id, *who, "made-1"),
        ("cancelBooking", "done", None, made.id, *who, "made-2"),
        (
            "getBooking",
            "denied",
            "not_found",
            made.id,
            "user",
            stranger.principals["owner"].user_id,
            who[2],
            "made-3",
        ),
    ]


async def test_the_trace_and_the_request_id_go_on(rpc: GrpcClient, patient_stage: Stage) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    begun = rpc.as_(patient_stage.tenant.principals["owner"]).begin(
        "ListBookings",
        messages.ListBookingsRequest(),
        traceparent=f"00-{trace}-b7ad6b7169203331-01",
        x_request_id="mine",
    )
    await begun
    told = dict(await begun.trailing_metadata())
    assert told["x-request-id"] == "mine"
    assert told["traceparent"].split("-")[1] == trace


async def test_a_token_of_one_business_acts_for_it_and_reaches_no_other(
    settings: Settings, rpc: GrpcClient, patient_stage: Stage
) -> None:
    ours, other = patient_stage, await make_stage(patient_stage.api, patient_stage.engine)
    mine = await book(rpc.as_(ours.tenant.principals["customer"]), ours.tenant, ours.next_start())
    theirs = await book(rpc.as_(other.tenant.principals["customer"]), other.tenant, other.next_start())
    bound = entry("bound", "crm", business_id=str(ours.tenant.business_id))
    async with grpc_client(with_tokens(settings, bound)) as client:
        service = client.from_service("bound")
        assert (await service.call("GetBooking", get(mine.id))).id == mine.id
        listed = await service.call("ListBookings", messages.ListBookingsRequest())
        assert [booking.id for booking in listed.bookings] == [mine.id]
        assert (await service.refused("GetBooking", get(theirs.id))).code is Code.NOT_FOUND
        # A user who may do it is not heard beyond that business either.
        for name, command in (("admin", "GetBooking"), ("customer", "CancelBooking")):
            user = service.as_(other.tenant.principals[name])
            request = getattr(messages, f"{command}Request")(booking_id=theirs.id)
            assert (await user.refused(command, request)).code is Code.NOT_FOUND
        owner = service.as_(other.tenant.principals["owner"])
        assert not (await owner.call("ListBookings", messages.ListBookingsRequest())).bookings
        customer = service.as_(other.tenant.principals["customer"])
        foreign = booking_request(other.tenant, other.next_start())
        assert (await customer.refused("CreateBooking", foreign, key="k")).code is Code.NOT_FOUND
        held = CreateHoldRequest(business_id=other.tenant.slug, service_id="repair", starts_at=other.next_start())
        assert (await customer.refused("CreateHold", held)).code is Code.NOT_FOUND
    assert await other.count("bookings") == 1
    assert await other.count("holds") == 0


async def test_without_tokens_no_service_may_call(settings: Settings, patient_stage: Stage) -> None:
    async with grpc_client(settings) as client:
        refused = await client.as_(patient_stage.tenant.principals["owner"]).refused("GetBooking", get(uuid4()))
    assert refused.code is Code.UNAUTHENTICATED
    assert "HOLDFAST_GRPC_TOKENS" in refused.words


async def test_limits_hold_as_over_http(settings: Settings, patient_stage: Stage) -> None:
    limited = with_tokens(settings, entry(), rate_limit_per_minute=3)
    async with grpc_client(limited) as client:
        owner = client.as_(patient_stage.tenant.principals["owner"])
        begun = owner.begin("ListBookings", messages.ListBookingsRequest())
        await begun
        assert dict(await begun.trailing_metadata())["ratelimit"].startswith('"default";r=2;')
        for _ in range(2):
            await owner.call("ListBookings", messages.ListBookingsRequest())
        for rpc_name, request in (("GetBooking", get(uuid4())), ("ListBookings", messages.ListBookingsRequest())):
            refused = await owner.refused(rpc_name, request)
        assert (refused.code, refused.reason) == (Code.RESOURCE_EXHAUSTED, "rate_limited")
        assert refused.retry_after is not None
        assert 0 < refused.retry_after <= 120
        assert "r=0" in refused.trailers["ratelimit"]


async def test_a_service_can_have_a_limit_of_its_own(settings: Settings, patient_stage: Stage) -> None:
    business = {"business_id": str(patient_stage.tenant.business_id)}
    narrow = entry("narrow", "narrow", requests_per_minute=2, **business)
    free = entry("free", "free", requests_per_minute=0, **business)
    async with grpc_client(with_tokens(settings, narrow, free, rate_limit_per_minute=1)) as client:
        for token, codes in (("narrow", [Code.OK, Code.OK, Code.RESOURCE_EXHAUSTED]), ("free", [Code.OK] * 3)):
            calls = [
                client.from_service(token).begin("ListBookings", messages.ListBookingsRequest()) for _ in codes
            ]
            assert sorted([await call.code() for call in calls], key=lambda code: code.value[0]) == codes


async def test_holds_belong_to_users(rpc: GrpcClient, stage: Stage) -> None:
    customer, starts_at = rpc.as_(stage.tenant.principals["customer"]), stage.next_start()
    asked = CreateHoldRequest(business_id=stage.tenant.slug, service_id="repair", starts_at=starts_at)
    hold = await customer.call("CreateHold", asked, key="one")
    assert await customer.call("CreateHold", asked, key="one") == hold
    assert (await customer.call("GetHold", GetHoldRequest(hold_id=hold.id))).status == 1
    other = rpc.as_(stage.tenant.principals["owner"])
    assert (await other.refused("GetHold", GetHoldRequest(hold_id=hold.id))).code is Code.NOT_FOUND
    assert (await other.refused("ReleaseHold", ReleaseHoldRequest(hold_id=hold.id))).code is Code.NOT_FOUND
    assert (await rpc.refused("CreateHold", asked)).code is Code.UNAUTHENTICATED
    await customer.call("ReleaseHold", ReleaseHoldRequest(hold_id=hold.id))
    assert (await customer.refused("GetHold", GetHoldRequest(hold_id=hold.id))).code is Code.NOT_FOUND
    actions = [(line.action, line.outcome) for line in await audit_lines(stage)]
    assert actions[0] == ("createHold", "done")
    assert actions[-1] == ("releaseHold", "done")


async def test_slots_are_those_of_http(rpc: GrpcClient, stage: Stage) -> None:
    starts_at = stage.next_start()
    day = starts_at.date().isoformat()
    asked = ListSlotsRequest(
        business_id=stage.tenant.slug,
        service_id="repair",
        starts_from=DayOrMoment(day=day),
        starts_before=DayOrMoment(moment=starts_at.replace(hour=23)),
        timezone="UTC",
    )
    found = await rpc.call("ListSlots", asked)
    path = f"/v1/businesses/{stage.tenant.slug}/slots"
    query = {"service_id": "repair", "from": day, "to": f"{day}T23:00:00Z", "timezone": "UTC"}
    over_http = (await stage.api.get(path, **query)).json()
    assert found.timezone == "UTC"
    assert [list(slot.provider_ids) for slot in found.slots] == [
        slot["provider_ids"] for slot in over_http["items"]
    ]
    assert found.slots[0].starts_at.ToJsonString() == over_http["items"][0]["starts_at"].replace("+00:00", "Z")
    nowhere = ListSlotsRequest(business_id=stage.tenant.slug, service_id="repair")
    assert (await rpc.refused("ListSlots", nowhere)).fields.keys() == {"starts_from", "starts_before"}
    absent = ListSlotsRequest(business_id="no-such", service_id="repair")
    absent.starts_from.day, absent.starts_before.day = day, "2199-01-01"
    assert (await rpc.refused("ListSlots", absent)).code is Code.NOT_FOUND


def test_a_permission_of_an_rpc_is_one_that_its_callers_can_have() -> None:
    for operation in OPERATIONS.values():
        assert PERMITTED[operation.permission].kinds & {CallerKind.USER, CallerKind.ANONYMOUS}
