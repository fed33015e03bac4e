"""Bookings over gRPC: the same use cases, the same answers and the same refusals as over HTTP."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from api.grpc import booking_service_pb2 as messages
from api.grpc.bookings_pb2 import PARTY_CUSTOMER, BookingStatus
from api.grpc.money_pb2 import Money
from tests.support.grpc_client import GrpcClient, book, booking_request, refusal_of
from tests.support.stage import Stage, ok

Code = grpc.StatusCode


def customer_of(stage: Stage, rpc: GrpcClient) -> GrpcClient:
    return rpc.as_(stage.tenant.principals["customer"])


async def booked(stage: Stage, rpc: GrpcClient, **more: Any) -> Any:
    return await book(customer_of(stage, rpc), stage.tenant, stage.next_start(), **more)


async def in_status(stage: Stage, status: str) -> str:
    [booking] = await stage.bookings_in(status)
    return str(booking["id"])


async def test_a_booking_is_the_same_over_both_protocols(rpc: GrpcClient, patient_stage: Stage) -> None:
    stage, starts_at = patient_stage, patient_stage.next_start()
    ana = str(stage.tenant.providers["ana"])
    made = await book(customer_of(stage, rpc), stage.tenant, starts_at, provider_id=ana)
    assert (made.status, made.version, made.etag) == (BookingStatus.BOOKING_STATUS_PENDING, 1, '"1"')
    assert made.starts_at.ToDatetime(UTC) == starts_at
    assert made.price == Money(amount_minor=12_900, currency="USD")
    assert not made.HasField("manage")
    await stage.settled({"id": made.id}, "assigned")
    over_http = ok(await stage.as_("customer").get(f"/v1/bookings/{made.id}"))
    got = await customer_of(stage, rpc).call("GetBooking", messages.GetBookingRequest(booking_id=made.id))
    assert got.provider_id == over_http["provider_id"] == ana
    assert got.reference == over_http["reference"]
    assert got.version == over_http["version"]
    assert got.updated_at.ToDatetime(UTC) == datetime.fromisoformat(over_http["updated_at"])


async def test_one_key_is_one_booking_over_both_protocols(rpc: GrpcClient, patient_stage: Stage) -> None:
    stage, key, starts_at = patient_stage, str(uuid4()), patient_stage.next_start()
    first = await book(customer_of(stage, rpc), stage.tenant, starts_at, key=key)
    again = await book(customer_of(stage, rpc), stage.tenant, starts_at, key=key)
    assert again == first
    over_http = ok(await stage.as_("customer").book(stage.tenant, key=key, starts_at=starts_at), 201)
    assert over_http["id"] == first.id
    other = booking_request(stage.tenant, starts_at + timedelta(hours=1))
    reused = await customer_of(stage, rpc).refused("CreateBooking", other, key=key)
    assert (reused.code, reused.reason) == (Code.INVALID_ARGUMENT, "idempotency_key_reused")
    assert await stage.count("bookings") == 1


async def test_a_guest_gets_a_link_that_opens_the_booking(rpc: GrpcClient, patient_stage: Stage) -> None:
    stage = patient_stage
    guest = messages.Customer(name="Gale Guest", email="gale@guests.example")
    made = await book(rpc, stage.tenant, stage.next_start(), customer=guest)
    assert made.manage.token
    link = rpc.with_bearer(made.manage.token)
    seen = await link.call("GetBooking", messages.GetBookingRequest(booking_id=made.id))
    assert seen.id == made.id
    assert not seen.HasField("customer_id")
    cancelled = await link.call("CancelBooking", messages.CancelBookingRequest(booking_id=made.id))
    assert cancelled.status == BookingStatus.BOOKING_STATUS_CANCELLED


async def test_every_command_leads_to_its_status(rpc: GrpcClient, patient_stage: Stage) -> None:
    stage = patient_stage
    ana, admin = (rpc.as_(stage.tenant.principals[name]) for name in ("ana", "admin"))

    async def given(client: GrpcClient, command: str, booking_id: str, **more: Any) -> str:
        request = getattr(messages, f"{command}Request")(booking_id=booking_id, **more)
        answer = await client.call(command, request, key=str(uuid4()))
        return BookingStatus.Name(answer.status).removeprefix("BOOKING_STATUS_")

    worked = await in_status(stage, "assigned")
    assert await given(ana, "AcceptBooking", worked) == "ACCEPTED"
    assert await given(ana, "StartBooking", worked) == "IN_PROGRESS"
    assert await given(ana, "CompleteBooking", worked) == "COMPLETED"
    overridden = BookingStatus.BOOKING_STATUS_IN_PROGRESS
    assert (
        await given(admin, "OverrideBooking", worked, etag="*", status=overridden, reason="test") == "IN_PROGRESS"
    )
    assert await given(ana, "ReportNoShow", worked, party=PARTY_CUSTOMER) == "NO_SHOW"
    refused = await in_status(stage, "assigned")
    assert await given(ana, "RejectBooking", refused, reason="ill") == "REJECTED"
    ben = str(stage.tenant.providers["ben"])
    assert await given(admin, "AssignBooking", refused, provider_id=ben) == "ASSIGNED"
    moment = Timestamp()
    moment.FromDatetime(stage.next_start())
    await given(customer_of(stage, rpc), "RescheduleBooking", refused, etag="*", starts_at=moment)
    assert await given(customer_of(stage, rpc), "CancelBooking", refused, reason="away") == "CANCELLED"


async def test_a_repeated_command_is_given_once_and_answered_alike(rpc: GrpcClient, patient_stage: Stage) -> None:
    ana, key = rpc.as_(patient_stage.tenant.principals["ana"]), str(uuid4())
    request = messages.AcceptBookingRequest(booking_id=await in_status(patient_stage, "assigned"))
    first = await ana.call("AcceptBooking", request, key=key)
    assert await ana.call("AcceptBooking", request, key=key) == first
    over_http = await patient_stage.as_("ana").post(
        f"/v1/bookings/{request.booking_id}/accept", None, **{"Idempotency-Key": key}
    )
    assert ok(over_http)["version"] == first.version
    refused = await ana.refused("AcceptBooking", request, key=str(uuid4()))
    assert (refused.code, refused.reason) == (Code.FAILED_PRECONDITION, "invalid_transition")
    assert refused.info.metadata["current_status"] == "accepted"
    assert refused.info.metadata["allowed"] == '["in_progress","cancelled"]'


async def test_a_command_for_another_version_is_aborted(rpc: GrpcClient, patient_stage: Stage) -> None:
    admin = rpc.as_(patient_stage.tenant.principals["admin"])
    booking_id = await in_status(patient_stage, "assigned")
    stale = await admin.refused("CancelBooking", messages.CancelBookingRequest(booking_id=booking_id, etag='"1"'))
    assert (stale.code, stale.reason) == (Code.ABORTED, "stale")
    without = messages.OverrideBookingRequest(
        booking_id=booking_id, status=BookingStatus.BOOKING_STATUS_CANCELLED, reason="test"
    )
    refused = await admin.refused("OverrideBooking", without)
    assert (refused.code, refused.reason) == (Code.INVALID_ARGUMENT, "precondition_required")
    assert "etag" in refused.words
    seen = await admin.call("GetBooking", messages.GetBookingRequest(booking_id=booking_id))
    fresh = messages.CancelBookingRequest(booking_id=booking_id, etag=seen.etag)
    assert (await admin.call("CancelBooking", fresh)).version == seen.version + 1


async def test_lists_go_on_from_page_to_page(rpc: GrpcClient, patient_stage: Stage) -> None:
    stage, owner = patient_stage, rpc.as_(patient_stage.tenant.principals["owner"])
    made = [await booked(stage, rpc) for _ in range(3)]
    found, token = [], ""
    for _ in range(2):
        page = await owner.call("ListBookings", messages.ListBookingsRequest(page_size=2, page_token=token))
        found += [booking.id for booking in page.bookings]
        token = page.next_page_token
    assert found == [booking.id for booking in made]
    assert token == ""
    cancelled = messages.ListBookingsRequest(statuses=[BookingStatus.BOOKING_STATUS_CANCELLED])
    assert not (await owner.call("ListBookings", cancelled)).bookings
    forged = await owner.refused("ListBookings", messages.ListBookingsRequest(page_token="forged"))
    assert (forged.code, forged.reason) == (Code.INVALID_ARGUMENT, "invalid_cursor")


async def test_history_and_next_say_what_http_says(rpc: GrpcClient, patient_stage: Stage) -> None:
    booking = await booked(patient_stage, rpc)
    await patient_stage.settled({"id": booking.id}, "assigned")
    admin = rpc.as_(patient_stage.tenant.principals["admin"])
    steps = await admin.call("GetBookingHistory", messages.GetBookingHistoryRequest(booking_id=booking.id))
    over_http = await patient_stage.history({"id": booking.id})
    assert [item.sequence for item in steps.items] == [item["sequence"] for item in over_http] == [1, 2]
    assert not steps.items[0].HasField("old_status")
    assert steps.items[1].actor.role == 5
    coming = await admin.call("GetBookingNext", messages.GetBookingNextRequest(booking_id=booking.id))
    expected = await patient_stage.next({"id": booking.id})
    assert coming.deadline.at.ToDatetime(UTC) == datetime.fromisoformat(expected["deadline"]["at"])
    assert coming.choice.provider_id == expected["choice"]["provider_id"]
    minutes = [reminder.lead_time.ToSeconds() // 60 for reminder in coming.reminders]
    assert minutes == [reminder["minutes_before"] for reminder in expected["reminders"]]


async def test_bad_input_is_refused_with_its_places(rpc: GrpcClient, patient_stage: Stage) -> None:
    client = customer_of(patient_stage, rpc)
    empty = await client.refused("CreateBooking", messages.CreateBookingRequest(), key="k")
    assert (empty.code, empty.reason) == (Code.INVALID_ARGUMENT, "invalid_request")
    assert empty.fields.keys() == {"business_id", "service_id", "starts_at"}
    guest = messages.Customer(name="Gale", email="no address")
    bad = booking_request(patient_stage.tenant, Timestamp(seconds=2**60), customer=guest, provider_id="ana")
    refused = await client.refused("CreateBooking", bad, key="k")
    assert refused.fields.keys() == {"starts_at", "customer.email", "provider_id"}
    assert "no address" not in str(refused)
    unkeyed = await client.refused("CreateBooking", booking_request(patient_stage.tenant, Timestamp()))
    assert (unkeyed.code, unkeyed.reason) == (Code.INVALID_ARGUMENT, "idempotency_key_missing")
    unnamed = await client.refused("GetBooking", messages.GetBookingRequest(booking_id="7"))
    assert unnamed.fields.keys() == {"booking_id"}
    absent = messages.ReportNoShowRequest(booking_id=str(uuid4()))
    assert (await client.refused("ReportNoShow", absent)).fields.keys() == {"party"}


async def test_a_field_that_the_server_does_not_know_is_refused(rpc: GrpcClient, patient_stage: Stage) -> None:
    newer = messages.GetBookingRequest.FromString(
        messages.GetBookingRequest(booking_id=str(uuid4())).SerializeToString() + b"\xc2\x3e\x01x"
    )
    refused = await customer_of(patient_stage, rpc).refused("GetBooking", newer)
    assert (refused.code, list(refused.fields)) == (Code.INVALID_ARGUMENT, ["#1000"])


async def test_what_is_no_message_is_refused(rpc: GrpcClient, patient_stage: Stage) -> None:
    client = customer_of(patient_stage, rpc)
    metadata = (("x-internal-token", str(client.service)), ("authorization", f"Bearer {client.bearer}"))
    for name in ("BookingService/CreateBooking", "BookingService/CancelBooking"):
        call: Any = rpc.channel.unary_unary(f"/holdfast.v1.{name}")
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await call(b"\xff\xff\xff", metadata=metadata)
        refused = refusal_of(raised.value)
        assert (refused.code, refused.reason) == (Code.INVALID_ARGUMENT, "invalid_request")


async def test_a_taken_time_is_a_failed_precondition(rpc: GrpcClient, stage: Stage) -> None:
    starts_at = stage.next_start()
    ana = str(stage.tenant.providers["ana"])
    client = customer_of(stage, rpc)
    attempts = (book(client, stage.tenant, starts_at, provider_id=ana) for _ in range(4))
    answers = await asyncio.gather(*attempts, return_exceptions=True)
    failed = [answer for answer in answers if isinstance(answer, grpc.aio.AioRpcError)]
    assert [error.code() for error in failed] == [Code.FAILED_PRECONDITION] * 3
    assert await stage.count("bookings") == 1


async def test_a_past_deadline_is_exceeded_and_leaves_nothing_half_done(
    rpc: GrpcClient, patient_stage: Stage
) -> None:
    request = booking_request(patient_stage.tenant, patient_stage.next_start())
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await customer_of(patient_stage, rpc).call("CreateBooking", request, key="k", timeout=0.0001)
    assert raised.value.code() is Code.DEADLINE_EXCEEDED
