"""Simulated ServiceTitan: customers, locations, jobs and their appointments of each tenant.

Requests and answers follow https://developer.servicetitan.io (CRM v2 and Job Planning and Management v2).
"""

import itertools
import secrets
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final
from urllib.parse import parse_qsl

from fastapi import APIRouter, Depends, Path, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.types import Scope

from dev.vendors.base import SimulatedVendor, credentials_of
from dev.vendors.ledger import Json, Ledger
from dev.vendors.servicetitan_models import Cancellation, Customer, ExternalData, Job, JobChange, Location, Times
from dev.vendors.servicetitan_records import TenantRecords

_TOKEN_LASTS: Final = timedelta(seconds=900)
"""https://developer.servicetitan.io/docs/get-going-first-api-call/: a token lasts 15 minutes."""
_MOST_VALUES: Final = 50
_ENDED: Final = ("Canceled", "Completed")
_Id = Annotated[int, Path(alias="id")]


class _Refusal(Exception):  # noqa: N818 - an answer, not an error of ours
    def __init__(self, status: int, title: str, errors: Json | None = None) -> None:
        self.status, self.title, self.errors = status, title, errors or {}


class ServiceTitan(SimulatedVendor):
    """Credentials must have ServiceTitan's format: `cid.…`, `cs1.…` and `ak1.…`.

    The account is the tenant in the path; requests for a token belong to no account.
    """

    name = "servicetitan"

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger)
        self._ids = itertools.count(1_000_001)
        self.tenants: dict[str, TenantRecords] = {}
        self.tokens: dict[str, datetime] = {}
        """The valid tokens and their expiry; remove one to have it refused."""
        self.api.post("/connect/token")(self._token)
        self.api.include_router(self._crm())
        self.api.include_router(self._jpm())
        self.api.exception_handler(_Refusal)(_refusal)
        self.api.exception_handler(RequestValidationError)(_invalid)

    def account_of(self, scope: Scope) -> str:
        parts = str(scope["path"]).split("/")
        return parts[parts.index("tenant") + 1] if "tenant" in parts[:-1] else ""

    def records(self, tenant: str) -> TenantRecords:
        """A tenant's records; tests may read and change them."""
        return self.tenants.setdefault(tenant, TenantRecords(self._ids))

    def current_items(self) -> list[Json]:
        """All jobs, with the times of their first appointments."""
        return [
            {
                "job": job["id"],
                "status": job["jobStatus"],
                "starts": records.appointment_of(job)["start"],
                "ends": records.appointment_of(job)["end"],
                "booking": _value(job),
            }
            for records in self.tenants.values()
            for job in records.jobs.values()
        ]

    def _crm(self) -> APIRouter:
        router = APIRouter(prefix="/crm/v2/tenant/{tenant}", dependencies=[Depends(self._check)])
        router.post("/customers")(self._create_customer)
        router.get("/customers")(self._list_customers)
        router.post("/locations")(self._create_location)
        router.get("/locations")(self._list_locations)
        return router

    def _jpm(self) -> APIRouter:
        router = APIRouter(prefix="/jpm/v2/tenant/{tenant}", dependencies=[Depends(self._check)])
        router.post("/jobs")(self._create_job)
        router.get("/jobs")(self._list_jobs)
        router.patch("/jobs/{id}")(self._change_job)
        router.put("/jobs/{id}/cancel")(self._cancel_job)
        router.put("/jobs/{id}/remove-cancellation")(self._revive_job)
        router.get("/appointments")(self._list_appointments)
        router.patch("/appointments/{id}/reschedule")(self._reschedule)
        return router

    # --- credentials -------------------------------------------------------------------------------------

    async def _token(self, request: Request) -> JSONResponse:
        form = dict(parse_qsl((await request.body()).decode()))
        client_id, client_secret = form.get("client_id", ""), form.get("client_secret", "")
        if form.get("grant_type") != "client_credentials":
            return JSONResponse({"error": "unsupported_grant_type"}, 400)
        if not (client_id.startswith("cid.") and client_secret.startswith("cs1.")):
            return JSONResponse({"error": "invalid_client"}, 400)
        token = secrets.token_urlsafe(16)
        self.tokens[token] = datetime.now(UTC) + _TOKEN_LASTS
        self.record(request, "token", key=client_id)
        lasts = int(_TOKEN_LASTS.total_seconds())
        return JSONResponse({"access_token": token, "expires_in": lasts, "token_type": "Bearer"})

    async def _check(self, request: Request) -> None:
        if not request.headers.get("st-app-key", "").startswith("ak1."):
            raise _Refusal(401, "Application key not present, check ST-App-Key header value.")
        runs_out = self.tokens.get(credentials_of(request.headers.get("authorization")))
        if runs_out is None or runs_out < datetime.now(UTC):
            raise _Refusal(401, "Unauthorized")

    # --- customers and locations -------------------------------------------------------------------------

    async def _create_customer(self, request: Request, tenant: str, body: Customer) -> Json:
        records = self.records(tenant)
        record = body.record()
        customer = records.add(records.customers, record | {"external": _external(body.external_data)})
        places = [self._add_location(records, place, customer["id"]) for place in body.locations]
        self.record(request, "customer.create", key=_value(customer), detail={"id": customer["id"]})
        return _shown(customer) | {"locations": [_shown(place) for place in places]}

    async def _create_location(self, request: Request, tenant: str, body: Location) -> Json:
        records = self.records(tenant)
        if body.customer_id not in records.customers:
            raise _Refusal(400, "Validation failed", {"customerId": ["Customer does not exist."]})
        place = self._add_location(records, body, body.customer_id)
        self.record(request, "location.create", key=_value(place), detail={"id": place["id"]})
        return _shown(place)

    def _add_location(self, records: TenantRecords, body: Location, customer_id: int) -> Json:
        record = body.record() | {"customerId": customer_id, "external": _external(body.external_data)}
        return records.add(records.locations, record)

    async def _list_customers(self, request: Request, tenant: str) -> Json:
        return self._listed(request, "customer.list", self.records(tenant).customers)

    async def _list_locations(self, request: Request, tenant: str) -> Json:
        return self._listed(request, "location.list", self.records(tenant).locations)

    # --- jobs --------------------------------------------------------------------------------------------

    async def _create_job(self, request: Request, tenant: str, body: Job) -> Json:
        records = self.records(tenant)
        self._check_references(records, body)
        external = {"external": _external(body.external_data)}
        job = records.add(records.jobs, body.record() | external | {"jobStatus": "Scheduled"})
        job["jobNumber"] = str(job["id"])
        for times in body.appointments:
            visit = {"jobId": job["id"], "status": "Scheduled", "unused": False} | times.record()
            number = records.add(records.appointments, visit)["id"]
            job["lastAppointmentId"] = number
            job.setdefault("firstAppointmentId", number)
        job["appointmentCount"] = len(body.appointments)
        self.record(request, "job.create", key=_value(job), detail={"id": job["id"]})
        return _shown(job)

    @staticmethod
    def _check_references(records: TenantRecords, body: Job) -> None:
        errors: Json = {}
        if body.customer_id not in records.customers:
            errors["customerId"] = ["Customer does not exist."]
        place = records.locations.get(body.location_id)
        if place is None or place["customerId"] != body.customer_id:
            errors["locationId"] = ["Location does not belong to the customer."]
        if errors:
            raise _Refusal(400, "One or more validation errors occurred.", errors)

    async def _list_jobs(self, request: Request, tenant: str) -> Json:
        return self._listed(request, "job.list", self.records(tenant).jobs)

    async def _change_job(self, request: Request, tenant: str, number: _Id, body: JobChange) -> Json:
        job = _found(self.records(tenant).jobs, number)
        changes = body.record()
        self.record(request, "job.update", key=_value(job), applied=_changes(job, changes))
        job |= changes
        return _shown(job)

    async def _cancel_job(self, request: Request, tenant: str, number: _Id, body: Cancellation) -> Json:
        records = self.records(tenant)
        job = _found(records.jobs, number)
        if job["jobStatus"] in _ENDED:
            raise _Refusal(400, "Job cannot be canceled.", {"": [f"Job is {job['jobStatus']}."]})
        job["jobStatus"] = records.appointment_of(job)["status"] = "Canceled"
        self.record(request, "job.cancel", key=_value(job), detail={"reasonId": body.reason_id, "memo": body.memo})
        return {}

    async def _revive_job(self, request: Request, tenant: str, number: _Id) -> Json:
        records = self.records(tenant)
        job = _found(records.jobs, number)
        if job["jobStatus"] != "Canceled":
            raise _Refusal(400, "Job is not canceled.")
        job["jobStatus"] = records.appointment_of(job)["status"] = "Scheduled"
        self.record(request, "job.remove_cancellation", key=_value(job))
        return {}

    async def _list_appointments(self, request: Request, tenant: str) -> Json:
        return self._listed(request, "appointment.list", self.records(tenant).appointments)

    async def _reschedule(self, request: Request, tenant: str, number: _Id, body: Times) -> Json:
        records = self.records(tenant)
        visit = _found(records.appointments, number)
        if visit["status"] in ("Canceled", "Done"):
            raise _Refusal(400, "Appointment cannot be rescheduled.", {"": [f"It is {visit['status']}."]})
        changes = body.record()
        key = _value(records.jobs[visit["jobId"]])
        self.record(request, "appointment.reschedule", key=key, applied=_changes(visit, changes), detail=changes)
        visit |= changes
        return _shown(visit)

    # --- lists -------------------------------------------------------------------------------------------

    def _listed(self, request: Request, action: str, kept: Mapping[int, Json]) -> Json:
        """A page, filtered by `ids` or by external data; only the external data of one application is shown."""
        query = request.query_params
        page, size = int(query.get("page", 1)), int(query.get("pageSize", 50))
        guid, key = query.get("externalDataApplicationGuid"), query.get("externalDataKey")
        found = list(kept.values())
        if ids := query.get("ids"):
            found = [record for record in found if str(record["id"]) in _few(ids.split(","))]
        if key is not None:
            wanted = _few(query.get("externalDataValues", "").split(","))
            found = [record for record in found if record["external"].get((guid, key)) in wanted]
        shown = found[(page - 1) * size : page * size]
        self.record(request, action, applied=False, detail={"count": len(shown)})
        return {
            "page": page,
            "pageSize": size,
            "hasMore": len(found) > page * size,
            "totalCount": len(found) if query.get("includeTotal") == "true" else None,
            "data": [_shown(record, guid) for record in shown],
        }


def _found(kept: Mapping[int, Json], number: int) -> Json:
    if number not in kept:
        raise _Refusal(404, "Not Found")
    return kept[number]


def _few(values: Iterable[str]) -> set[str]:
    found = set(values)
    if len(found) > _MOST_VALUES:
        raise _Refusal(400, "One or more validation errors occurred.", {"ids": ["Maximum 50."]})
    return found


def _changes(record: Json, changes: Json) -> bool:
    return any(record.get(name) != value for name, value in changes.items())


def _external(data: ExternalData | None) -> dict[tuple[str, str], str]:
    return {} if data is None else {(data.application_guid, item.key): item.value for item in data.external_data}


def _value(record: Json) -> str | None:
    return next(iter(record["external"].values()), None)


def _shown(record: Json, guid: str | None = None) -> Json:
    """A record as the API shows it, with the external data of one application."""
    external = record.get("external", {}).items()
    data = [{"key": key, "value": value} for (of, key), value in external if of == guid]
    return {name: value for name, value in record.items() if name != "external"} | {"externalData": data}


async def _refusal(_request: Request, error: Any) -> JSONResponse:
    content = {
        "type": "https://tools.ietf.org/html/rfc7231#section-6.5.1",
        "title": error.title,
        "status": error.status,
        "traceId": secrets.token_hex(16),
        "errors": error.errors,
        "data": {},
    }
    return JSONResponse(content, error.status, media_type="application/problem+json")


async def _invalid(request: Request, error: Any) -> JSONResponse:
    errors = {str(problem["loc"][-1]): [problem["msg"]] for problem in error.errors()}
    return await _refusal(request, _Refusal(400, "One or more validation errors occurred.", errors))
