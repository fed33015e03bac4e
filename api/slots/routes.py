"""`/v1/businesses/{business}/slots`: what can be booked, at this moment."""

from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from api.access import needs
from api.caching import SLOTS, answer_cached
from api.deps import AppStateDep
from api.middleware import charge
from api.paths import IdOrSlug
from api.request_context import RequestContextDep
from api.shapes import Text, Zone
from api.slots import representation
from api.slots.lookup import SlotCalendar, SlotsRequest, find_slots
from api.slots.schemas import SlotsOut
from api.slots.window import DayOrMoment
from domain.access import Permission

router = APIRouter(prefix="/v1/businesses", tags=["slots"])


@router.get(
    "/{business}/slots", operation_id="listSlots", dependencies=[needs(Permission.BROWSE)], response_model=SlotsOut
)
async def list_slots(
    business: IdOrSlug,
    request: Request,
    app: AppStateDep,
    context: RequestContextDep,
    service_id: Annotated[Text, Query(min_length=1, max_length=63, description="The service's id or code.")],
    from_: Annotated[DayOrMoment, Query(alias="from", description="First start.")],
    to: Annotated[DayOrMoment, Query(description="Starts before; a date is its midnight.")],
    provider_id: UUID | None = None,
    postal_code: Annotated[Text | None, Query(max_length=20, description="Where the work is to be done.")] = None,
    timezone: Annotated[Zone | None, Query(description="IANA zone; the business's own by default.")] = None,
    providers: Annotated[
        bool, Query(description="Whether `provider_ids` are listed. Without them the answer is far shorter.")
    ] = True,
) -> Response:
    """The appointments of a service that can be booked as they stand, with who could take each.

    `from` and `to` are at most 62 days apart, and fewer where steps are short or providers many: what may be more
    than 6 MiB is 422. A long list counts as several requests.

    The answer may be kept, but must be asked about again each time (`If-None-Match`): a booking changes it at
    once.
    """
    asked = SlotsRequest(business, service_id, from_, to, provider_id, postal_code, timezone, providers)
    found = await find_slots(app, context, asked, partial(charge, request))

    def answer(found: SlotCalendar) -> Response:
        return answer_cached(request, representation.slot_list(found), SLOTS, compress=True)

    return await representation.made(found, answer)
