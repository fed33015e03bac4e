"""`…/export` and `…/import`: export and import of a business as one document."""

import asyncio
import hashlib
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import ClientDisconnect

from api.access import BusinessDep, CallerDep, needs
from api.answers import listed
from api.deps import AppStateDep
from api.middleware import allow_body
from api.request_context import RequestContextDep
from api.transfer.export import csv_text, json_document, read_sections
from api.transfer.importer import store_import
from api.transfer.problems import Problems
from api.transfer.reader import MOST_BYTES
from api.transfer.shapes import Report, Section, Tally
from api.transfer.validation import Plan, plan_import
from api.writes import OnceWriterDep
from domain.access import Permission, may, require_membership
from domain.businesses import require_not_suspended
from domain.errors import InvalidRequestError

router = APIRouter(prefix="/v1/businesses/{business}", tags=["transfer"])

_JSON: Final = "application/json"
_CSV: Final = "text/csv"
# Parsing a large import takes much CPU and memory: one at a time, off the event loop.
_READER: Final = ThreadPoolExecutor(max_workers=1, thread_name_prefix="import")

_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            _JSON: {"schema": {"type": "object", "description": "As exported; sections are optional."}},
            _CSV: {"schema": {"type": "string", "description": "The section that `section` names."}},
        },
    }
}


OneSection = Annotated[Section | None, Query(description="For CSV, which holds one section.")]
Format = Annotated[Literal["json", "csv"], Query(alias="format")]


class _Sent(BaseModel):
    """What identifies a repeated import."""

    section: Section | None
    digest: str


@router.get(
    "/export",
    operation_id="exportBusiness",
    dependencies=[needs(Permission.MANAGE_BUSINESS)],
    response_class=Response,
)
async def export(
    business: BusinessDep,
    caller: CallerDep,
    app: AppStateDep,
    format_: Format = "json",
    section: OneSection = None,
) -> Response:
    """Everything of the business that can be moved: what an import takes. Bookings, users and roles stay.

    An API key gets the customers when it has the scope `customers:read`.
    """
    if (format_ == "csv") != (section is not None):
        raise InvalidRequestError("CSV holds one section, named by `section`; JSON holds them all.")
    if section is Section.CUSTOMERS:
        require_membership(caller, Permission.READ_CUSTOMERS, business["id"])
    wanted = [section] if section else [*Section]
    sections = await read_sections(app.engine, business["id"], wanted, app.now())
    name = f"{business['slug']}-{section}.csv" if section else f"{business['slug']}.json"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "private, no-store"}
    if section is None:
        people = may(caller, Permission.READ_CUSTOMERS, business["id"])
        document = json_document(app.engine, business, sections, with_customers=people)
        return StreamingResponse(document, 200, headers, _JSON)
    return StreamingResponse(csv_text(app.engine, business["id"], section, sections), 200, headers, _CSV)


@router.post(
    "/import",
    operation_id="importBusiness",
    dependencies=[needs(Permission.MANAGE_BUSINESS)],
    response_model=Report,
    openapi_extra=_BODY,
)
async def import_(
    business: BusinessDep,
    caller: CallerDep,
    request: Request,
    app: AppStateDep,
    context: RequestContextDep,
    write: OnceWriterDep,
    *,
    section: OneSection = None,
    dry_run: Annotated[bool, Query(description="Do everything, and take it back.")] = False,
) -> Response:
    """Store all rows of a document or, when one of them is bad, nothing: 422 `import_invalid` lists what is wrong.

    Services and providers are known by code, customers by e-mail and phone. Owners that are named get the hours
    and areas of the import in place of theirs, dates that are named its exceptions. The same import again changes
    nothing, with an Idempotency-Key or without; a dry run looks at no key. An API key needs the scope
    `customers:manage` for customers.
    """
    require_not_suspended(business["status"])
    _check_kind(request, section)
    allow_body(request, MOST_BYTES)
    body = await _body(request)
    plan, problems = await _planned(body, section, app.now())
    if Section.CUSTOMERS in plan.sent:
        require_membership(caller, Permission.MANAGE_CUSTOMERS, business["id"])
    if dry_run:
        context.settle_audit()  # nothing is written
        async with app.engine.connect() as conn, conn.begin() as transaction:
            stored = await store_import(conn, business["id"], plan, problems)
            await transaction.rollback()
        return _report(stored.counts, plan, dry_run=True)

    async def make(conn: AsyncConnection) -> Response:
        stored = await store_import(conn, business["id"], plan, problems)
        stored.announce(write, business["id"])
        return _report(stored.counts, plan, dry_run=False)

    return await write.once(_Sent(section=section, digest=hashlib.sha256(body).hexdigest()), make)


def _report(counts: dict[str, Tally], plan: Plan, *, dry_run: bool) -> Response:
    return listed(Report(dry_run=dry_run, counts=counts, separator=plan.separator).model_dump(mode="json"))


def _check_kind(request: Request, section: Section | None) -> None:
    kind = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if kind not in {_JSON, _CSV}:
        raise InvalidRequestError(f"Send {_JSON} or {_CSV}.")
    if (kind == _CSV) != (section is not None):
        raise InvalidRequestError("CSV holds one section, named by `section`; JSON holds what it names itself.")


async def _body(request: Request) -> bytes:
    try:
        return await request.body()
    except ClientDisconnect as error:
        raise InvalidRequestError("The body ended early.") from error


async def _planned(body: bytes, section: Section | None, now: datetime) -> tuple[Plan, Problems]:
    return await asyncio.get_running_loop().run_in_executor(_READER, plan_import, body, section, now)
