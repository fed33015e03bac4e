"""`/v1/businesses/{business}/exports`: exports of a business that are kept in its storage."""

from typing import Any, Final
from uuid import UUID

from fastapi import APIRouter, Request, Response

from api.access import BusinessDep, needs
from api.attachments import storage
from api.attachments.schemas import FileOut, Files
from api.attachments.storage import Upload
from api.attachments.upload import spooled
from api.deps import AppStateDep
from api.middleware import allow_time
from api.request_context import RequestContextDep
from api.transfer.export import json_document, read_sections
from api.transfer.shapes import Section
from api.writes import OnceWriterDep, WriterDep
from db.engine import autocommit
from db.repositories import attachments
from db.repositories.rows import Row
from domain.access import Permission
from domain.errors import NotFoundError

router = APIRouter(prefix="/v1/businesses/{business}/exports", tags=["transfer"])

_JSON: Final = "application/json"
_SECONDS: Final = 120.0
_CONTENT: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "The export.", "content": {_JSON: {"schema": {"type": "object"}}}}
}


@router.post(
    "",
    operation_id="createExport",
    dependencies=[needs(Permission.KEEP_EXPORTS)],
    status_code=201,
    response_model=FileOut,
)
async def create(
    business: BusinessDep, request: Request, app: AppStateDep, context: RequestContextDep, write: OnceWriterDep
) -> Response:
    """Write the business as it is now into its storage: what `GET …/export` gives, customers included."""
    allow_time(request, _SECONDS)
    sections = await read_sections(app.engine, business["id"], [*Section], app.now())
    document = json_document(app.engine, business, sections, with_customers=True)
    async with spooled(document) as content:
        upload = Upload(
            business_id=business["id"],
            booking_id=None,
            name=f"{business['slug']}-{app.now():%Y-%m-%d}.json",
            content_type=_JSON,
            content=content,
            uploaded_by=context.caller.id,
            location=f"/v1/businesses/{business['id']}/exports",
        )
        return await storage.keep(app, write, upload)


@router.get("", operation_id="listExports", dependencies=[needs(Permission.KEEP_EXPORTS)])
async def list_(business: BusinessDep, app: AppStateDep) -> Files:
    """The exports that are kept, the first first."""
    async with autocommit(app.engine) as conn:
        found = await attachments.list_all(conn, business["id"], None)
    return Files(items=[storage.shown(row) for row in found])


@router.get(
    "/{export_id}",
    operation_id="getExport",
    dependencies=[needs(Permission.KEEP_EXPORTS)],
    response_class=Response,
    responses=_CONTENT,
)
async def get(business: BusinessDep, export_id: UUID, app: AppStateDep) -> Response:
    """An export, as an import takes it."""
    return await storage.read(app, await _found(app, business, export_id))


@router.delete(
    "/{export_id}",
    operation_id="deleteExport",
    dependencies=[needs(Permission.KEEP_EXPORTS)],
    status_code=204,
)
async def delete(business: BusinessDep, export_id: UUID, app: AppStateDep, write: WriterDep) -> None:
    """Keep an export no longer."""
    await storage.remove(app, write, await _found(app, business, export_id))


async def _found(app: AppStateDep, business: Row, export_id: UUID) -> Row:
    async with autocommit(app.engine) as conn:
        row = await attachments.find(conn, business["id"], None, export_id)
    if row is None:
        raise NotFoundError("The business keeps no such export.")
    return row
