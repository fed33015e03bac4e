"""The operations that gRPC shares with HTTP: an RPC has the id, the permission and the audit lines of a route."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from fastapi.routing import APIRoute

from api.access import permission_of
from api.bookings import command_routes, routes
from api.holds import routes as hold_routes
from api.slots import routes as slot_routes
from api.streams import routes as stream_routes
from domain.access import Permission

_READING: Final = frozenset({"GET", "HEAD"})
_MODULES: Final = (routes, command_routes, slot_routes, hold_routes, stream_routes)


@dataclass(frozen=True, slots=True)
class Operation:
    """What may be called over either protocol."""

    id: str
    """As the audit log names it."""
    permission: Permission
    writes: bool


def _declared() -> Iterator[Operation]:
    for route in (route for module in _MODULES for route in module.router.routes):
        if isinstance(route, APIRoute) and route.operation_id is not None:
            permission = permission_of(route)
            assert permission is not None
            yield Operation(route.operation_id, permission, not (route.methods or set()) <= _READING)


OPERATIONS: Final[Mapping[str, Operation]] = {operation.id: operation for operation in _declared()}


def operation_of(rpc: str) -> Operation:
    """The operation of an RPC: CreateBooking is `createBooking`."""
    return OPERATIONS[rpc[0].lower() + rpc[1:]]
