"""`python -m dev.vendors.slot_source`: the scheduling system of a business, with faults on request.

It has any number of named calendars, answers as described in docs/external-calendars.md, and records its requests.
The routes under /control set the calendars' contents and faults.
"""

import argparse
import asyncio
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any

import uvicorn
from fastapi import FastAPI, Header, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel, ConfigDict

from dev.ports import LOOPBACK

Json = dict[str, Any]


class ResponseMode(StrEnum):
    """How a calendar answers a request."""

    WELL = "well"
    LATE = "late"
    """Answers after `seconds`."""
    STATUS = "status"
    """Answers `status` without a body."""
    STALE = "stale"
    """Answers with the fixed time `as_of`."""
    GARBAGE = "garbage"
    """Answers with invalid JSON."""
    HANG = "hang"
    """No answer until the caller disconnects or the mode changes."""
    HALF = "half"
    """Sends half an answer and closes the connection."""
    REDIRECT = "redirect"
    """Redirects to `location`."""


class Behaviour(BaseModel):
    model_config = ConfigDict(extra="forbid")

    mode: ResponseMode = ResponseMode.WELL
    seconds: float = 1.0
    status: int = 500
    as_of: datetime | None = None
    location: str = "/"


class Contents(BaseModel):
    model_config = ConfigDict(extra="forbid")

    providers: list[Json] = []
    token: str | None = None
    """Required in every request, unless it is None."""


@dataclass
class _Calendar:
    contents: Contents = field(default_factory=Contents)
    behaviour: Behaviour = field(default_factory=Behaviour)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the behaviour changes; each behaviour has its own event."""
    ledger: list[Json] = field(default_factory=list)
    waiting: int = 0


class SchedulingVendor:
    """The system as an ASGI application, `app`; tests may also call its methods."""

    def __init__(self) -> None:
        self._calendars: dict[str, _Calendar] = {}
        self.app = FastAPI(title="Simulated scheduling vendor")
        self.app.get("/calendars/{name}", response_model=None)(self._answer)
        self.app.put("/control/calendars/{name}", status_code=204)(self.set_contents)
        self.app.put("/control/calendars/{name}/behaviour", status_code=204)(self.set_behaviour)
        self.app.get("/control/calendars/{name}/ledger")(self.read_ledger)

    async def set_contents(self, name: str, contents: Contents) -> None:
        """Set the calendar's contents: `{providers: [{ref, busy, open}], token}`."""
        self._calendar(name).contents = contents

    async def set_behaviour(self, name: str, behaviour: Behaviour) -> None:
        """Set how the calendar answers; hanging requests are answered."""
        calendar = self._calendar(name)
        calendar.behaviour = behaviour
        calendar.changed.set()
        calendar.changed = asyncio.Event()

    async def read_ledger(self, name: str) -> Json:
        """The requests, oldest first, and the number of requests waiting for an answer."""
        calendar = self._calendar(name)
        return {"asked": calendar.ledger, "waiting": calendar.waiting}

    def _calendar(self, name: str) -> _Calendar:
        return self._calendars.setdefault(name, _Calendar())

    async def _answer(
        self, name: str, request: Request, authorization: Annotated[str | None, Header()] = None
    ) -> Response:
        calendar = self._calendar(name)
        calendar.ledger.append(
            {
                "at": datetime.now(UTC).isoformat(),
                "query": dict(request.query_params),
                "accept": request.headers.get("accept"),
                "authorized": authorization is not None,
            }
        )
        calendar.waiting += 1
        try:
            return await self._respond(calendar, request, authorization)
        finally:
            calendar.waiting -= 1

    async def _respond(self, calendar: _Calendar, request: Request, authorization: str | None) -> Response:
        behaviour = calendar.behaviour
        match behaviour.mode:
            case ResponseMode.LATE:
                await _disconnected_or(request, asyncio.sleep(behaviour.seconds))
            case ResponseMode.HANG:
                await _disconnected_or(request, calendar.changed.wait())
            case ResponseMode.STATUS:
                return Response(status_code=behaviour.status)
            case ResponseMode.GARBAGE:
                return Response(b"<html>Be right back!</html>", media_type="application/json")
            case ResponseMode.HALF:
                return _half(_body(calendar))
            case ResponseMode.REDIRECT:
                return Response(status_code=302, headers={"Location": behaviour.location})
        token = calendar.contents.token
        if token is not None and authorization != f"Bearer {token}":
            return Response(status_code=401)
        return _body(calendar)


def _body(calendar: _Calendar) -> JSONResponse:
    """The answer in the documented format, as of now or of the fixed time."""
    behaviour = calendar.behaviour
    fixed = behaviour.as_of if behaviour.mode is ResponseMode.STALE else None
    as_of = fixed or datetime.now(UTC)
    return JSONResponse({"as_of": as_of.isoformat(), "providers": calendar.contents.providers})


def _half(whole: Response) -> StreamingResponse:
    """Half an answer: the server sees that it is shorter than announced and closes the connection."""
    body = bytes(whole.body)

    async def part() -> AsyncIterator[bytes]:
        yield body[: len(body) // 2]

    return StreamingResponse(part(), headers={"Content-Length": str(len(body))}, media_type="application/json")


async def _disconnected_or(request: Request, wanted: Any) -> None:
    """Wait for `wanted`, or until the caller disconnects."""
    waiting = {asyncio.ensure_future(wanted), asyncio.ensure_future(_disconnected(request))}
    _, pending = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def main(argv: list[str] | None = None) -> int:
    """Serve on loopback until a signal stops it."""
    parser = argparse.ArgumentParser(
        prog="python -m dev.vendors.slot_source",
        description="A simulated scheduling system with faults on request; its routes are listed at /docs.",
    )
    parser.add_argument("--port", type=int, default=8092, help="port on loopback (default: 8092)")
    options = parser.parse_args(argv)
    print(f"calendars: http://{LOOPBACK}:{options.port}/calendars/<name>", flush=True)
    uvicorn.run(SchedulingVendor().app, host=LOOPBACK, port=options.port, access_log=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
