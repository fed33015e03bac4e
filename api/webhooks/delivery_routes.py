"""`…/webhook-endpoints/{endpoint}/deliveries`: deliveries of webhooks, tests and retries."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncConnection

from api.access import BusinessDep, needs
from api.answers import listed
from api.cursors import LONGEST
from api.deps import AppStateDep
from api.webhooks.routes import there
from api.webhooks.schemas import Replayed, WebhookDeliveries, WebhookDelivery
from api.writes import OnceWriterDep
from db.engine import autocommit
from db.repositories import effect_planning, effects, webhooks
from db.repositories.rows import Row
from domain.access import Permission
from domain.effects import EffectKind, EffectState, Planned, Port, Vendor
from domain.errors import EndpointDisabledError, JobNotRepairableError, NotFoundError
from domain.times import MomentInUrl
from runtime.ids import new_id
from runtime.json import to_json


class Asked(BaseModel):
    """What a replay is asked for."""

    since: datetime | None


router = APIRouter(prefix="/v1/businesses/{business}/webhook-endpoints/{endpoint_id}", tags=["webhooks"])


@router.post(
    "/test",
    operation_id="testWebhookEndpoint",
    dependencies=[needs(Permission.MANAGE_WEBHOOKS)],
    status_code=202,
    response_model=WebhookDelivery,
)
async def try_out(business: BusinessDep, endpoint_id: UUID, write: OnceWriterDep) -> Response:
    """Have a `webhook.test` event delivered, also to an endpoint that is disabled. It is in no stream."""

    async def make(conn: AsyncConnection) -> Response:
        there(await webhooks.find(conn, business["id"], endpoint_id))
        planned = await effect_planning.plan_with(
            conn, business["id"], None, _trial(endpoint_id), vendor=Vendor.WEBHOOK, target_id=endpoint_id
        )
        assert planned is not None
        return _answer(await _delivery(conn, business, endpoint_id, planned), 202)

    return await write.once(None, make)


@router.get(
    "/deliveries",
    operation_id="listWebhookDeliveries",
    dependencies=[needs(Permission.MANAGE_WEBHOOKS)],
    response_model=WebhookDeliveries,
)
async def list_deliveries(
    business: BusinessDep,
    endpoint_id: UUID,
    app: AppStateDep,
    state: EffectState | None = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, Query(max_length=LONGEST)] = None,
) -> Response:
    """What was delivered to the endpoint, is to be, or has failed, the newest first."""
    listing = f"deliveries/{business['id']}/{endpoint_id}/{state}"
    before = app.cursors.decode(listing, cursor)[0] if cursor else None
    async with autocommit(app.engine) as conn:
        there(await webhooks.find(conn, business["id"], endpoint_id))
        rows = await webhooks.list_deliveries(
            conn, business["id"], endpoint_id, limit=limit + 1, state=state, before=before
        )
    shown = rows[:limit]
    more = app.cursors.encode(listing, shown[-1]["id"]) if len(rows) > limit else None
    return listed({"items": [_shown(row) for row in shown], "next_cursor": more})


@router.post(
    "/deliveries/{delivery_id}/retry",
    operation_id="retryWebhookDelivery",
    dependencies=[needs(Permission.MANAGE_WEBHOOKS)],
    response_model=WebhookDelivery,
)
async def retry(business: BusinessDep, endpoint_id: UUID, delivery_id: UUID, write: OnceWriterDep) -> Response:
    """Deliver it again at once, with all its attempts before it. The `webhook-id` stays the same.

    What waits for its turn already is left as it is; what the endpoint has taken is not delivered again.
    """

    async def make(conn: AsyncConnection) -> Response:
        await _require_enabled(conn, business, endpoint_id)
        known = await _delivery(conn, business, endpoint_id, delivery_id)
        if known["state"] != EffectState.PENDING:
            if await effects.retry(conn, business["id"], delivery_id) is None:
                raise JobNotRepairableError
            known = await _delivery(conn, business, endpoint_id, delivery_id)
        return _answer(known)

    return await write.once(None, make)


@router.post(
    "/replay",
    operation_id="replayWebhookDeliveries",
    dependencies=[needs(Permission.MANAGE_WEBHOOKS)],
    response_model=Replayed,
)
async def replay(
    business: BusinessDep,
    endpoint_id: UUID,
    write: OnceWriterDep,
    since: Annotated[MomentInUrl | None, Query(description="Only what was to be delivered from then on.")] = None,
) -> Response:
    """Deliver again what has failed, the oldest first, a thousand at a time."""

    async def make(conn: AsyncConnection) -> Response:
        await _require_enabled(conn, business, endpoint_id)
        count = await webhooks.replay(conn, business["id"], endpoint_id, since)
        is_all = count < webhooks.REPLAYED_AT_ONCE
        return listed(Replayed(replayed=count, is_all=is_all).model_dump(mode="json"))

    return await write.once(Asked(since=since), make)


def _trial(endpoint_id: UUID) -> Planned:
    event_id = new_id()
    return Planned(
        kind=EffectKind.DELIVER_WEBHOOK,
        port=Port.WEBHOOKS,
        key=f"webhook/{event_id}/{endpoint_id}",
        subject={"event_id": str(event_id), "trial": True},
    )


async def _require_enabled(conn: AsyncConnection, business: Row, endpoint_id: UUID) -> None:
    endpoint = there(await webhooks.find(conn, business["id"], endpoint_id))
    if endpoint["state"] != "enabled":
        raise EndpointDisabledError


async def _delivery(conn: AsyncConnection, business: Row, endpoint_id: UUID, delivery_id: UUID) -> Row:
    found = await webhooks.find_delivery(conn, business["id"], endpoint_id, delivery_id)
    if found is None:
        raise NotFoundError("There is no such delivery to this endpoint.")
    return found


def _shown(row: Row) -> dict[str, Any]:
    return WebhookDelivery(**row).model_dump(mode="json")


def _answer(row: Row, status: int = 200) -> Response:
    return Response(to_json(_shown(row)), status, media_type="application/json")
