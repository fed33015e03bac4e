"""The handler of `SlotService`."""

from datetime import date
from typing import Annotated, Any
from uuid import UUID

from google.protobuf.message import Message
from pydantic import BeforeValidator, Field

from api.grpc.calls import Call
from api.grpc.messages import made, parsed, values_of
from api.grpc.slots_pb2 import ListSlotsResponse
from api.shapes import In, Text, Zone
from api.slots import representation
from api.slots.lookup import SlotCalendar, SlotsRequest, find_slots
from domain.times import Moment


def _chosen(value: Any) -> Any:
    """The day or the moment of a `DayOrMoment`."""
    if not value:
        raise ValueError("give a day or a moment")
    return next(iter(value.values()))


_DayOrMoment = Annotated[date | Moment, BeforeValidator(_chosen)]
_Key = Annotated[Text, Field(min_length=1, max_length=63)]


class _Listed(In):
    business_id: _Key
    service_id: _Key
    starts_from: _DayOrMoment
    starts_before: _DayOrMoment
    provider_id: UUID | None = None
    postal_code: Annotated[Text | None, Field(max_length=20)] = None
    timezone: Zone | None = None


async def list_slots(call: Call, request: Message) -> ListSlotsResponse:
    """What can be booked."""
    asked = parsed(_Listed, values_of(request))
    window = SlotsRequest(
        asked.business_id,
        asked.service_id,
        asked.starts_from,
        asked.starts_before,
        asked.provider_id,
        asked.postal_code,
        asked.timezone,
    )
    found = await find_slots(call.app, call.context, window, call.charge)
    return await representation.made(found, _response)


def _response(found: SlotCalendar) -> ListSlotsResponse:
    reply = made(ListSlotsResponse, {"timezone": found.zone.key, "as_of": found.calendar.as_of})
    for slot in found.slots():
        shown = reply.slots.add(provider_ids=map(str, slot.provider_ids), seats_left=slot.seats_left)
        shown.starts_at.seconds, shown.ends_at.seconds = slot.starts_at, slot.ends_at
    return reply
