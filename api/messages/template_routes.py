"""`/v1/businesses/{business}/message-templates`: the templates of messages, ours or the business's own."""

from dataclasses import asdict, replace
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from api import caching
from api.access import BusinessDep, needs
from api.answers import changed, invalid, listed
from api.bookings.lookup import find_booking
from api.caching import IfMatchDep
from api.deps import AppState, AppStateDep
from api.messages.schemas import (
    PreviewIn,
    PreviewOut,
    TemplateIn,
    TemplateOut,
    Templates,
)
from api.messages.validation import rendered_with, template_of
from api.request_context import RequestContext, RequestContextDep
from api.shapes import Language
from api.writes import WriterDep
from db.engine import autocommit
from db.repositories import message_facts, message_templates
from db.repositories.rows import Row
from domain.access import Permission, require_permission
from domain.errors import NotFoundError
from domain.messages import OCCASIONS, VARIABLES, Channel, Facts, Occasion, Template
from domain.notifications import Audience, NoticeKind
from runtime.messages.rendering import Rendered, built_in_templates, render, sample_facts

router = APIRouter(prefix="/v1/businesses/{business}/message-templates", tags=["messages"])

_ONE: Final = "/{kind}/{audience}/{channel}/{language}"


async def _occasion(kind: NoticeKind, audience: Audience, channel: Channel) -> Occasion:
    occasion = Occasion(kind, audience, channel)
    if occasion not in OCCASIONS:
        raise NotFoundError(f"The {audience} gets no {kind} by {channel}.")
    return occasion


OccasionDep = Annotated[Occasion, Depends(_occasion)]


@router.get(
    "",
    operation_id="listMessageTemplates",
    dependencies=[needs(Permission.MANAGE_BUSINESS)],
    response_model=Templates,
)
async def list_templates(business: BusinessDep, request: Request, app: AppStateDep) -> Response:
    """The words that are in force, in every language: the business's own, and ours where it has none."""
    async with autocommit(app.engine) as conn:
        rows = await message_templates.list_all(conn, business["id"])
        own_emails = await message_templates.own_emails_are_sent(conn, business["id"])
    own = [_own(row) for row in rows]
    replaced = {_key(template) for template in own}
    ours = [_ours(occasion, template) for (occasion, _), template in built_in_templates().items()]
    items = own + [template for template in ours if _key(template) not in replaced]
    variables = [{"name": name, "meaning": meaning} for name, meaning in VARIABLES.items()]
    shown = {"items": sorted(items, key=_key), "variables": variables, "own_emails_are_sent": own_emails}
    return caching.cached(request, shown, caching.PRIVATE)


@router.get(
    _ONE,
    operation_id="getMessageTemplate",
    dependencies=[needs(Permission.MANAGE_BUSINESS)],
    response_model=TemplateOut,
)
async def get_template(
    business: BusinessDep, occasion: OccasionDep, language: Language, request: Request, app: AppStateDep
) -> Response:
    """The words that are in force for one message in one language."""
    async with autocommit(app.engine) as conn:
        found = await _in_force(conn, business["id"], occasion, language)
    if found is None:
        raise NotFoundError(f"There are no words in {language}: the next best language is used.")
    return caching.cached(request, found, caching.PRIVATE)


@router.put(
    _ONE,
    operation_id="putMessageTemplate",
    dependencies=[needs(Permission.MANAGE_BUSINESS)],
    response_model=TemplateOut,
)
async def put_template(
    business: BusinessDep,
    occasion: OccasionDep,
    language: Language,
    body: TemplateIn,
    expected: IfMatchDep,
    write: WriterDep,
) -> Response:
    """Put the business's own words in place of ours, from the next message on. Any language may be added."""
    template = template_of(occasion, language, body)
    async with write.begin() as conn:
        known = await _in_force(conn, business["id"], occasion, language)
        expected.check(*([known] if known else []))
        row = await message_templates.save(conn, business["id"], occasion, template)
    return changed(_own(row))


@router.delete(
    _ONE,
    status_code=204,
    operation_id="deleteMessageTemplate",
    dependencies=[needs(Permission.MANAGE_BUSINESS)],
)
async def delete_template(
    business: BusinessDep, occasion: OccasionDep, language: Language, write: WriterDep
) -> None:
    """Go back to our words, or to the next best language where we have none in this."""
    async with write.begin() as conn:
        await message_templates.delete(conn, business["id"], occasion, language)


@router.post(
    "/preview",
    operation_id="previewMessage",
    dependencies=[needs(Permission.MANAGE_BUSINESS, is_audited=False)],
    response_model=PreviewOut,
)
async def preview(
    business: BusinessDep, body: PreviewIn, context: RequestContextDep, app: AppStateDep
) -> Response:
    """Write a message and send it to nobody: in given words or those in force, of a booking or a made-up one."""
    occasion = Occasion(body.kind, body.audience, body.channel)
    if occasion not in OCCASIONS:
        raise invalid("channel", f"the {body.audience} gets no {body.kind} by {body.channel}")
    if body.booking_id is not None:
        await _require_booking(app, context, business["id"], body.booking_id)
    facts, own = await _material(app, business, occasion, body.booking_id)
    return listed(asdict(_written(occasion, body, facts, own)))


def _written(occasion: Occasion, body: PreviewIn, facts: Facts, own: tuple[Template, ...]) -> Rendered:
    if body.language is not None:
        facts = facts.in_language(body.language)
    if body.template is None:
        return render(occasion, facts, own)
    tag = facts.preferred_languages()[0] or facts.business_locale
    template = template_of(occasion, tag, body.template, at=("body", "template"))
    return rendered_with(occasion, template, facts, tag, at=("body", "template"))


async def _require_booking(app: AppState, context: RequestContext, business_id: UUID, booking_id: UUID) -> None:
    """Check that the caller may read the booking, and that it is the business's."""
    require_permission(context.caller, Permission.READ_BOOKINGS)
    found = await find_booking(app, context, booking_id)
    if found["business_id"] != business_id:
        raise NotFoundError("The business has no such booking.")


async def _material(
    app: AppState, business: Row, occasion: Occasion, booking_id: UUID | None
) -> tuple[Facts, tuple[Template, ...]]:
    """The facts for the message, and the business's own templates for it."""
    sample = sample_facts(occasion)
    async with autocommit(app.engine) as conn:
        if booking_id is None:
            rows = await message_templates.list_of_occasion(conn, business["id"], occasion)
            own = tuple(_template(row) for row in rows)
            zone, locale = business["timezone"], business["locale"]
            named = replace(sample, business_name=business["name"], business_locale=locale, booking_timezone=zone)
            return replace(named, business_timezone=zone), own
        letter = await message_facts.of_booking(
            conn, business["id"], booking_id, occasion, minutes_before=sample.minutes_before
        )
    if letter is None:
        raise NotFoundError("The business has no such booking.")
    return letter.facts, letter.own


async def _in_force(
    conn: AsyncConnection, business_id: UUID, occasion: Occasion, language: str
) -> dict[str, Any] | None:
    row = await message_templates.find(conn, business_id, occasion, language)
    if row is not None:
        return _own(row)
    ours = built_in_templates().get((occasion, language))
    return None if ours is None else _ours(occasion, ours)


def _template(row: Row) -> Template:
    return Template(row["language"], row["subject"], row["body"], row["html"])


def _own(row: Row) -> dict[str, Any]:
    return TemplateOut(is_own=True, **row).model_dump(mode="json")


def _ours(occasion: Occasion, template: Template) -> dict[str, Any]:
    words = asdict(occasion) | asdict(template)
    return TemplateOut(is_own=False, updated_at=None, **words).model_dump(mode="json")


def _key(template: dict[str, Any]) -> tuple[str, ...]:
    return template["kind"], template["audience"], template["channel"], template["language"]
