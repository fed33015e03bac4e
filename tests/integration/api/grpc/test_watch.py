"""Watching over gRPC: everything after a cursor that one may hear, once, in order, until it ends with a reason."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import grpc
from google.protobuf.empty_pb2 import Empty
from sqlalchemy import text

from api.grpc import booking_service_pb2 as messages
from api.grpc.events_pb2 import WatchRequest
from api.grpc.server import running_server
from api.identity.tokens import load_tokens
from runtime.settings import Settings
from tests.support.factories import make_tenant
from tests.support.grpc_client import (
    GrpcClient,
    Refusal,
    book,
    entry,
    grpc_client,
    open_channel,
    refusal_of,
    with_tokens,
)
from tests.support.stage import Stage

Code = grpc.StatusCode
CREATED, ACCEPTED = "scheduling.booking.created", "scheduling.booking.accepted"


class Listener:
    """Reads a stream."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.cursor = ""

    async def next(self) -> Any:
        """The next message."""
        async with asyncio.timeout(10):
            message = await self._stream.read()
        assert message is not grpc.aio.EOF
        self.cursor = message.cursor
        return message

    async def until(self, type_: str) -> list[Any]:
        """All events up to the first of this type."""
        found: list[Any] = []
        while not found or found[-1].type != type_:
            message = await self.next()
            if message.HasField("event"):
                found.append(message.event)
        return found

    async def ending(self) -> Refusal:
        """Why it ends; events before that are passed over."""
        try:
            async with asyncio.timeout(10):
                while True:
                    await self._stream.read()
        except grpc.aio.AioRpcError as error:
            return refusal_of(error)


@asynccontextmanager
async def watching(client: GrpcClient, **asked: Any) -> AsyncIterator[Listener]:
    """A stream that has begun."""
    stream = client.begin("Watch", WatchRequest(**asked), timeout=None)
    try:
        yield Listener(stream)
    finally:
        stream.cancel()


async def test_the_desk_hears_a_business_and_resumes_exactly(rpc: GrpcClient, patient_stage: Stage) -> None:
    stage, business = patient_stage, str(patient_stage.tenant.business_id)
    owner = rpc.as_(stage.tenant.principals["owner"])
    async with watching(owner, business_id=business) as listener:
        assert (await listener.next()).HasField("heartbeat")
        beginning = listener.cursor
        made = await book(rpc.as_(stage.tenant.principals["customer"]), stage.tenant, stage.next_start())
        [*_, created] = await listener.until(CREATED)
        assert (created.subject, created.business_id) == (made.id, business)
        assert created.data["bookingId"] == made.id
        assert str(created.position) == listener.cursor
        first = [created]
    await stage.settled({"id": made.id}, "assigned")
    ana = rpc.as_(stage.tenant.principals["ana"])
    await ana.call("AcceptBooking", messages.AcceptBookingRequest(booking_id=made.id))
    async with watching(owner, business_id=business, after=listener.cursor) as listener:
        rest = await listener.until(ACCEPTED)
    async with watching(owner, business_id=business, after=beginning) as listener:
        everything = await listener.until(ACCEPTED)
    assert [event.id for event in everything[-len(rest) :]] == [event.id for event in rest]
    positions = [event.position for event in everything]
    assert positions == list(range(positions[0], positions[0] + len(positions)))
    assert first[0].id in [event.id for event in everything]
    assert first[0].id not in [event.id for event in rest]


async def test_types_are_filtered_and_unknown_ones_refused(rpc: GrpcClient, patient_stage: Stage) -> None:
    stage = patient_stage
    owner = rpc.as_(stage.tenant.principals["owner"])
    await book(rpc.as_(stage.tenant.principals["customer"]), stage.tenant, stage.next_start())
    async with watching(owner, after="0", types=[CREATED]) as listener:
        assert [event.type for event in await listener.until(CREATED)] == [CREATED]
    refused = await _refused(owner, types=["no.such"])
    assert (refused.code, list(refused.fields)) == (Code.INVALID_ARGUMENT, ["types.0"])
    refused = await _refused(owner, after="forged")
    assert (refused.code, refused.reason) == (Code.INVALID_ARGUMENT, "invalid_cursor")


async def test_a_customer_hears_their_booking_and_all_that_is_theirs(
    rpc: GrpcClient, patient_stage: Stage
) -> None:
    stage = patient_stage
    customer = rpc.as_(stage.tenant.principals["customer"])
    made = await book(customer, stage.tenant, stage.next_start())
    async with (
        watching(customer, booking_id=made.id, after="0") as one,
        watching(customer, mine=Empty()) as mine,
    ):
        assert (await mine.next()).HasField("heartbeat")
        assert {event.subject for event in await one.until(CREATED)} == {made.id}
        await customer.call("CancelBooking", messages.CancelBookingRequest(booking_id=made.id))
        [*_, event] = await mine.until("scheduling.booking.cancelled")
        assert event.subject == made.id
    stranger = await make_tenant(stage.engine)
    refused = await _refused(rpc.as_(stranger.principals["owner"]), booking_id=made.id)
    assert refused.code is Code.NOT_FOUND
    refused = await _refused(rpc.as_(stranger.principals["owner"]), business_id=str(stage.tenant.business_id))
    assert refused.code is Code.NOT_FOUND


async def test_a_stream_ends_when_its_login_does(rpc: GrpcClient, patient_stage: Stage) -> None:
    stage = patient_stage
    owner = stage.tenant.principals["owner"]
    async with watching(rpc.as_(owner)) as listener:
        await listener.next()
        async with stage.engine.begin() as conn:
            await conn.execute(
                text("UPDATE sessions SET ended_at = now(), end_reason = 'logout' WHERE user_id = :id"),
                {"id": owner.user_id},
            )
        ended = await listener.ending()
    assert (ended.code, ended.reason, ended.retry_after) == (Code.PERMISSION_DENIED, "rights_ended", None)


async def test_a_service_watches_its_business_for_itself(settings: Settings, patient_stage: Stage) -> None:
    stage = patient_stage
    bound = entry("bound", "crm", business_id=str(stage.tenant.business_id))
    async with grpc_client(with_tokens(settings, bound)) as client:
        service = client.from_service("bound")
        async with watching(service) as listener:
            await listener.next()
            made = await book(service.as_(stage.tenant.principals["customer"]), stage.tenant, stage.next_start())
            [*_, created] = await listener.until(CREATED)
            assert created.subject == made.id
        customer = service.as_(stage.tenant.principals["customer"])
        assert (await _refused(customer, mine=Empty())).code is Code.PERMISSION_DENIED


async def test_a_server_that_stops_tells_its_listeners_to_come_back_and_waits_for_nobody(
    settings: Settings, patient_stage: Stage
) -> None:
    owner = patient_stage.tenant.principals["owner"]
    async with asyncio.timeout(8), AsyncExitStack() as client_side:
        async with running_server(with_tokens(settings, entry()), "127.0.0.1", 0) as port:
            channel = await client_side.enter_async_context(open_channel(port))
            client = GrpcClient(channel, load_tokens(settings)).as_(owner)
            listener = Listener(client.begin("Watch", WatchRequest(), timeout=None))
            await listener.next()
        told = await listener.ending()
    assert (told.code, told.reason, told.retry_after) == (Code.UNAVAILABLE, "restarting", 0)


async def test_a_deadline_ends_a_stream(rpc: GrpcClient, patient_stage: Stage) -> None:
    stream = rpc.as_(patient_stage.tenant.principals["owner"]).begin("Watch", WatchRequest(), timeout=0.5)
    await stream.read()
    assert await stream.code() is Code.DEADLINE_EXCEEDED


async def _refused(client: GrpcClient, **asked: Any) -> Refusal:
    async with watching(client, **asked) as listener:
        return await listener.ending()
