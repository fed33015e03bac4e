"""The search attributes that bookings carry, registered where the server lets us."""

import structlog
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, ListSearchAttributesRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from domain import names

_log = structlog.get_logger()

ATTRIBUTES = {
    names.TENANT_ID: IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD,
    names.BOOKING_REFERENCE: IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD,
    names.BOOKING_STATUS: IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD,
    names.PROVIDER_ID: IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD,
    names.STARTS_AT: IndexedValueType.INDEXED_VALUE_TYPE_DATETIME,
    names.NEEDS_ATTENTION: IndexedValueType.INDEXED_VALUE_TYPE_BOOL,
}


async def ensure_search_attributes(client: Client) -> None:
    """Register the search attributes that the namespace lacks.

    Where that is not allowed (Temporal Cloud has its own console for it), the log says what to add by hand.
    """
    try:
        missing = await _missing(client)
        if missing:
            await client.operator_service.add_search_attributes(
                AddSearchAttributesRequest(namespace=client.namespace, search_attributes=missing)
            )
            _log.info("search_attributes_added", names=sorted(missing))
    except RPCError as error:
        if error.status is not RPCStatusCode.ALREADY_EXISTS:
            _log.warning("search_attributes_not_added", add_these=sorted(ATTRIBUTES), error=error.message)


async def _missing(client: Client) -> dict[str, IndexedValueType.ValueType]:
    known = await client.operator_service.list_search_attributes(
        ListSearchAttributesRequest(namespace=client.namespace)
    )
    return {name: kind for name, kind in ATTRIBUTES.items() if name not in known.custom_attributes}
