"""The handlers of `HoldService`. Holds belong to users."""

from uuid import UUID

import orjson
from google.protobuf.message import Message

from api.grpc.calls import Call
from api.grpc.holds_pb2 import Hold, ReleaseHoldResponse
from api.grpc.messages import made, parsed, values_of
from api.holds.creation import create_hold
from api.holds.lookup import find_hold, release_hold
from api.holds.representation import hold_as_json
from api.holds.schemas import HoldIn
from api.shapes import In
from api.writes import AuditedWriter
from domain.callers import Principal
from domain.errors import UnauthenticatedError


class _Named(In):
    hold_id: UUID


async def create(call: Call, request: Message) -> Hold:
    """Hold a slot."""
    body = parsed(HoldIn, values_of(request))
    held = await create_hold(call.app, call.context, _user(call), body, call.key, call.audit_entry("done"))
    return made(Hold, orjson.loads(held.body))


async def get(call: Call, request: Message) -> Hold:
    """A hold of the user's."""
    hold = await find_hold(call.app, call.context, _user(call), parsed(_Named, values_of(request)).hold_id)
    return made(Hold, orjson.loads(hold_as_json(hold)))


async def release(call: Call, request: Message) -> ReleaseHoldResponse:
    """Give the time back."""
    hold_id = parsed(_Named, values_of(request)).hold_id
    write = AuditedWriter(call.app, call.context, call.audit_entry)
    await release_hold(write, call.context, _user(call), hold_id)
    return ReleaseHoldResponse()


def _user(call: Call) -> Principal:
    if not isinstance(call.context.caller, Principal):
        raise UnauthenticatedError
    return call.context.caller
