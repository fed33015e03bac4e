"""Simulated Klaviyo: stores each event once by its `unique_id`.

https://developers.klaviyo.com/en/reference/create_event
"""

import re
from http import HTTPStatus
from typing import Any, Final
from uuid import uuid4

from fastapi import Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, EmailStr, Field, ValidationError
from starlette.types import Scope

from dev.vendors.base import SimulatedVendor, credentials_of
from dev.vendors.ledger import Ledger

_SCHEME: Final = "klaviyo-api-key "
_KEY: Final = re.compile(r"pk_[A-Za-z0-9_]+")
_REVISION: Final = re.compile(r"20\d\d-\d\d-\d\d(\.pre)?")


class _MetricAttributes(BaseModel):
    name: str = Field(min_length=1, max_length=128)


class _Metric(BaseModel):
    type: str = Field(pattern="^metric$")
    attributes: _MetricAttributes


class _ProfileAttributes(BaseModel):
    model_config = ConfigDict(extra="allow")

    email: EmailStr
    first_name: str | None = None


class _Profile(BaseModel):
    type: str = Field(pattern="^profile$")
    attributes: _ProfileAttributes


class _MetricData(BaseModel):
    data: _Metric


class _ProfileData(BaseModel):
    data: _Profile


class _Attributes(BaseModel):
    unique_id: str | None = None
    properties: dict[str, Any]
    metric: _MetricData
    profile: _ProfileData


class _Event(BaseModel):
    type: str = Field(pattern="^event$")
    attributes: _Attributes


class _Body(BaseModel):
    data: _Event


class Klaviyo(SimulatedVendor):
    """An account is a private key, which begins with `pk_`."""

    name = "klaviyo"

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger)
        self._known: set[tuple[str, str, str, str]] = set()
        """Account, profile, metric and `unique_id` of the events: only the first with the same four is applied."""
        self.api.post("/api/events")(self._create_event)

    def account_of(self, scope: Scope) -> str:
        return credentials_of(dict(scope["headers"]).get(b"authorization", b"").decode())

    async def _create_event(self, request: Request) -> Response:
        if not _is_authorized(request):
            return _error(
                HTTPStatus.UNAUTHORIZED, "not_authenticated", "Authentication credentials were not provided."
            )
        if not _REVISION.fullmatch(request.headers.get("revision", "")):
            return _error(HTTPStatus.BAD_REQUEST, "invalid", "A revision must be given.")
        try:
            attributes = _Body.model_validate(await request.json()).data.attributes
        except ValidationError as error:
            place = "/" + "/".join(str(part) for part in error.errors()[0]["loc"])
            return _error(HTTPStatus.BAD_REQUEST, "invalid", "Invalid input.", place)
        self._record(request, attributes)
        return Response(status_code=HTTPStatus.ACCEPTED)

    def _record(self, request: Request, event: _Attributes) -> None:
        metric, email = event.metric.data.attributes.name, event.profile.data.attributes.email
        key = event.unique_id or str(uuid4())
        known = (self.account_of(request.scope), email, metric, key)
        detail = {"metric": metric, "to": email, "subject": event.properties.get("subject")}
        self.record(request, "event.create", key=key, applied=known not in self._known, detail=detail)
        self._known.add(known)


def _is_authorized(request: Request) -> bool:
    sent = request.headers.get("authorization", "")
    return sent.lower().startswith(_SCHEME) and bool(_KEY.fullmatch(sent[len(_SCHEME) :]))


def _error(status: int, code: str, detail: str, pointer: str = "/data/") -> JSONResponse:
    """An error in the format of JSON:API."""
    error = {
        "id": str(uuid4()),
        "status": status,
        "code": code,
        "title": "Invalid input." if code == "invalid" else detail,
        "detail": detail,
        "source": {"pointer": pointer},
        "meta": {},
    }
    return JSONResponse({"errors": [error]}, status)
