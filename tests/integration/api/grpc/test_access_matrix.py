"""Every RPC as nobody, as a stranger and from a service that may not: from the list of RPCs, not of tests."""

from typing import Any
from uuid import UUID

import grpc
import pytest
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from api.grpc.operations import operation_of
from api.grpc.server import HANDLERS, SERVICES
from domain.access import PERMITTED, Permission
from domain.callers import CallerKind
from runtime.settings import Settings
from tests.support.api_keys import make_key
from tests.support.factories import future, make_booking, make_tenant
from tests.support.grpc_client import ALL, GrpcClient, entry, grpc_client, with_tokens
from tests.support.stage import Stage

Code = grpc.StatusCode
METHODS = {method.name: method for service in SERVICES for method in service.methods if method.name in HANDLERS}
_OPEN = {Permission.BROWSE, Permission.BOOK}
_OF_A_BOOKING = sorted(name for name in METHODS if "booking_id" in METHODS[name].input_type.fields_by_name)


def request(rpc: str, booking_id: UUID) -> Message:
    """A request that would be carried out, if its caller might."""
    message: Any = GetMessageClass(METHODS[rpc].input_type)()
    values = {
        "booking_id": str(booking_id),
        "etag": "*",
        "party": 1,
        "status": 8,
        "reason": "test",
        "provider_id": str(booking_id),
    }
    for field in message.DESCRIPTOR.fields:
        if field.name == "starts_at":
            message.starts_at.FromDatetime(future(500))
        elif field.name in values:
            setattr(message, field.name, values[field.name])
    return message  # type: ignore[no-any-return]


@pytest.mark.parametrize("rpc_name", sorted(METHODS))
async def test_nobody_gets_nothing_that_is_not_open(rpc: GrpcClient, rpc_name: str) -> None:
    refused = await rpc.refused(rpc_name, GetMessageClass(METHODS[rpc_name].input_type)())
    permission = operation_of(rpc_name).permission
    is_open = CallerKind.ANONYMOUS in PERMITTED[permission].kinds
    assert is_open == (permission in _OPEN)
    assert refused.code is (Code.INVALID_ARGUMENT if is_open else Code.UNAUTHENTICATED)


async def test_a_stranger_reaches_no_booking(rpc: GrpcClient, patient_stage: Stage) -> None:
    booking = await make_booking(patient_stage.engine, patient_stage.tenant)
    stranger = await make_tenant(patient_stage.engine)
    for name in ("customer", "owner", "admin", "ana"):
        client = rpc.as_(stranger.principals[name])
        for rpc_name in _OF_A_BOOKING:
            refused = await client.refused(rpc_name, request(rpc_name, booking.booking_id), key=rpc_name)
            assert refused.code is Code.NOT_FOUND, (name, rpc_name, refused)


async def test_an_api_key_without_scopes_does_nothing(rpc: GrpcClient, patient_stage: Stage) -> None:
    booking = await make_booking(patient_stage.engine, patient_stage.tenant)
    client = rpc.with_bearer(await make_key(patient_stage))
    for rpc_name in _OF_A_BOOKING:
        refused = await client.refused(rpc_name, request(rpc_name, booking.booking_id))
        assert refused.code is Code.PERMISSION_DENIED, (rpc_name, refused)


async def test_a_service_does_only_what_its_token_says(settings: Settings, patient_stage: Stage) -> None:
    booking = await make_booking(patient_stage.engine, patient_stage.tenant)
    tokens = [entry(f"all but {name}", "tests", [one for one in ALL if one != name]) for name in ALL]
    async with grpc_client(with_tokens(settings, *tokens)) as client:
        owner = client.as_(patient_stage.tenant.principals["admin"])
        for rpc_name in METHODS:
            permission = operation_of(rpc_name).permission
            service = owner.from_service(f"all but {permission}")
            refused = await service.refused(rpc_name, request(rpc_name, booking.booking_id))
            assert (refused.code, refused.reason) == (Code.PERMISSION_DENIED, "forbidden"), (rpc_name, refused)
            assert permission in refused.words
