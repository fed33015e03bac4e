"""`/v1/bookings/{booking_id}/attachments`: files that belong to a booking, for all who have to do with it."""

from typing import Any, Final
from uuid import UUID

from fastapi import APIRouter, Request, Response

from api.access import needs
from api.attachments import storage
from api.attachments.schemas import FileName, FileOut, Files
from api.attachments.storage import Upload
from api.attachments.upload import TYPES, content_type_of, received
from api.bookings.lookup import find_booking
from api.deps import AppStateDep
from api.request_context import RequestContext, RequestContextDep
from api.writes import OnceWriterDep, WriterDep
from db.engine import autocommit
from db.repositories import attachments
from db.repositories.rows import Row
from domain.access import Permission, actors_for
from domain.errors import ForbiddenError, NotFoundError
from domain.lifecycle import MANAGERS

router = APIRouter(prefix="/v1/bookings/{booking_id}/attachments", tags=["attachments"])

_BINARY: Final[dict[str, Any]] = {"schema": {"type": "string", "format": "binary"}}
_BODY: Final[dict[str, Any]] = {
    "requestBody": {"required": True, "content": {kind: _BINARY for kind in sorted(TYPES)}}
}
_CONTENT: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "The file.", "content": {kind: _BINARY for kind in sorted(TYPES)}}
}


@router.post(
    "",
    operation_id="addAttachment",
    dependencies=[needs(Permission.ATTACH_FILES)],
    status_code=201,
    response_model=FileOut,
    openapi_extra=_BODY,
)
async def add(
    booking_id: UUID,
    request: Request,
    app: AppStateDep,
    context: RequestContextDep,
    write: OnceWriterDep,
    name: FileName = "file",
) -> Response:
    """Attach a file: the body as it is, of 10 MiB at most, with its `Content-Type`. A booking may have 50."""
    booking = await find_booking(app, context, booking_id)
    content_type = content_type_of(request)
    async with received(request) as content:
        upload = Upload(
            business_id=booking["business_id"],
            booking_id=booking_id,
            name=name,
            content_type=content_type,
            content=content,
            uploaded_by=context.caller.id,
            location=f"/v1/bookings/{booking_id}/attachments",
        )
        return await storage.keep(app, write, upload)


@router.get(
    "",
    operation_id="listAttachments",
    dependencies=[needs(Permission.READ_BOOKINGS)],
)
async def list_(booking_id: UUID, app: AppStateDep, context: RequestContextDep) -> Files:
    """The files of the booking, the first first."""
    booking = await find_booking(app, context, booking_id)
    async with autocommit(app.engine) as conn:
        found = await attachments.list_all(conn, booking["business_id"], booking_id)
    return Files(items=[storage.shown(row) for row in found])


@router.get(
    "/{attachment_id}",
    operation_id="getAttachment",
    dependencies=[needs(Permission.READ_BOOKINGS)],
    response_class=Response,
    responses=_CONTENT,
)
async def get(booking_id: UUID, attachment_id: UUID, app: AppStateDep, context: RequestContextDep) -> Response:
    """The content of a file, to be saved."""
    booking = await find_booking(app, context, booking_id)
    return await storage.read(app, await _found(app, booking, attachment_id))


@router.delete(
    "/{attachment_id}",
    operation_id="deleteAttachment",
    dependencies=[needs(Permission.ATTACH_FILES)],
    status_code=204,
)
async def delete(
    booking_id: UUID, attachment_id: UUID, app: AppStateDep, context: RequestContextDep, write: WriterDep
) -> None:
    """Take a file away: one's own, or as the desk any."""
    booking = await find_booking(app, context, booking_id)
    found = await _found(app, booking, attachment_id)
    _require_own(context, booking, found)
    write.set_object_id(attachment_id)
    await storage.remove(app, write, found)


async def _found(app: AppStateDep, booking: Row, attachment_id: UUID) -> Row:
    async with autocommit(app.engine) as conn:
        row = await attachments.find(conn, booking["business_id"], booking["id"], attachment_id)
    if row is None:
        raise NotFoundError("This booking has no such file.")
    return row


def _require_own(context: RequestContext, booking: Row, found: Row) -> None:
    actors = actors_for(
        context.caller,
        booking["id"],
        business_id=booking["business_id"],
        provider_id=booking["provider_id"],
        customer_user_id=booking["customer_user_id"],
    )
    is_own = context.caller.id is not None and found["uploaded_by"] == context.caller.id
    if not is_own and not any(actor.role in MANAGERS for actor in actors):
        raise ForbiddenError("Only who has attached it, and the desk, may take it away.")
