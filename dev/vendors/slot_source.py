"""`python -m dev.vendors.slot_source`: a scheduling system of a business, which misbehaves on request.

It keeps any number of calendars by name, answers for each as docs/external-calendars.md says, and remembers what
it was asked. Under /control it is told what to say, and how to fail.
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
    """How a calendar answers."""

    WELL = "well"
    LATE = "late"
    """After `seconds`."""
    STATUS = "status"
    """With that `status` and nothing else."""
    STALE = "stale"
    """As of `as_of`, however late it is."""
    GARBAGE = "garbage"
    """With what is not JSON."""
    HANG = "hang"
    """Not at all, until the caller goes or the mood changes."""
    HALF = "half"
    """With half an answer, and then it hangs up."""
    REDIRECT = "redirect"
    """By pointing to `location`."""


class Behaviour(BaseModel):
    model_config = ConfigDict(extra="forbid")

    mood: ResponseMode = ResponseMode.WELL
    seconds: float = 1.0
    status: int = 500
    as_of: datetime | None = None
    location: str = "/"


class Contents(BaseModel):
    model_config = ConfigDict(extra="forbid")

    providers: list[Json] = []
    token: str | None = None
    """Whoever asks must send it."""


@dataclass
class _Calendar:
    contents: Contents = field(default_factory=Contents)
    behaviour: Behaviour = field(default_factory=Behaviour)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the behaviour has changed; the next one has an event of its own."""
    ledger: list[Json] = field(default_factory=list)
    waiting: int = 0


class SchedulingVendor:
    """The system as an ASGI application, `app`. A test may also set it up by its methods."""

    def __init__(self) -> None:
        self._calendars: dict[str, _Calendar] = {}
        self.app = FastAPI(title="Scheduling vendor, simulated")
        self.app.get("/calendars/{name}", response_model=None)(self._answer)
        self.app.put("/control/calendars/{name}", status_code=204)(self.set_contents)
        self.app.put("/control/calendars/{name}/behaviour", status_code=204)(self.set_behaviour)
        self.app.get("/control/calendars/{name}/ledger")(self.read_ledger)

    async def set_contents(self, name: str, contents: Contents) -> None:
        """What the calendar says from now on: `{providers: [{ref, busy, open}], token}`."""
        self._calendar(name).contents = contents

    async def set_behaviour(self, name: str, behaviour: Behaviour) -> None:
        """How it answers from now on; what hangs is let go."""
        calendar = self._calendar(name)
        calendar.behaviour = behaviour
        calendar.changed.set()
        calendar.changed = asyncio.Event()

    async def read_ledger(self, name: str) -> Json:
        """What it was asked, the first first, and how many askers wait for an answer now."""
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
            return await self._in_its_mood(calendar, request, authorization)
        finally:
            calendar.waiting -= 1

    async def _in_its_mood(self, calendar: _Calendar, request: Request, authorization: str | None) -> Response:
        behaviour = calendar.behaviour
        match behaviour.mood:
            case ResponseMode.LATE:
                await _gone_or(request, asyncio.sleep(behaviour.seconds))
            case ResponseMode.HANG:
                await _gone_or(request, calendar.changed.wait())
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
    """The answer in the documented format, as of now or of the moment at which it stands still."""
    behaviour = calendar.behaviour
    stands_still = behaviour.as_of if behaviour.mood is ResponseMode.STALE else None
    as_of = stands_still or datetime.now(UTC)
    return JSONResponse({"as_of": as_of.isoformat(), "providers": calendar.contents.providers})


def _half(whole: Response) -> StreamingResponse:
    """An answer that ends in the middle: the server finds less than was promised, and closes the connection."""
    body = bytes(whole.body)

    async def part() -> AsyncIterator[bytes]:
        yield body[: len(body) // 2]

    return StreamingResponse(part(), headers={"Content-Length": str(len(body))}, media_type="application/json")


async def _gone_or(request: Request, wanted: Any) -> None:
    """Wait for it, or for the caller to go."""
    waiting = {asyncio.ensure_future(wanted), asyncio.ensure_future(_disconnected(request))}
    _, pending = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def main(argv: list[str] | None = None) -> int:
    """Serve on loopback until told to stop."""
    parser = argparse.ArgumentParser(
        prog="python -m dev.vendors.slot_source",
        description="A scheduling system that misbehaves on request; its routes are at /docs.",
    )
    parser.add_argument("--port", type=int, default=8092, help="port on loopback (default: 8092)")
    options = parser.parse_args(argv)
    print(f"calendars: http://{LOOPBACK}:{options.port}/calendars/<name>", flush=True)
    uvicorn.run(SchedulingVendor().app, host=LOOPBACK, port=options.port, access_log=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
