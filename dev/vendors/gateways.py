"""What the simulated payment gateways have in common: a clock to move on, keys that run out, and calls back."""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from fastapi import Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from dev.vendors.callbacks import Call, Callbacks, Manner
from dev.vendors.ledger import Entry, Json, Ledger
from dev.vendors.simulated import Simulated

KEYS_LAST: Final = timedelta(hours=24)
PROMISES_LAST: Final = timedelta(days=7)


class Endpoint(BaseModel):
    """Where an account is told of its events, and what proves who tells."""

    url: str
    secret: str


class Ahead(BaseModel):
    """How far the gateway's clock is moved on."""

    hours: float


@dataclass(slots=True)
class Answered:
    """An answer that was given to a key."""

    asked: str
    response: Response
    at: datetime


@dataclass(slots=True)
class Books:
    """What the gateway keeps for one account."""

    keys: dict[str, Answered] = field(default_factory=dict)
    clock: timedelta = timedelta()

    def now(self) -> datetime:
        """The account's time."""
        return datetime.now(UTC) + self.clock

    def answered(self, key: str) -> Answered | None:
        """What the key was answered, if that is still known."""
        found = self.keys.get(key)
        if found is not None and self.now() - found.at > KEYS_LAST:
            del self.keys[key]
            return None
        return found


class Refused(Exception):  # noqa: N818 - an answer, not an error of ours
    """What a gateway answers to what it does not do."""

    def __init__(self, status: int, body: Json, media_type: str = "application/json") -> None:
        self.answer = JSONResponse(body, status, media_type=media_type)


Handle = Callable[[Request, str, Json], Awaitable[Json]]
"""Does what a request of an account asks for, with what its body says."""


class SimulatedGateway(Simulated, ABC):
    """Base of both.

    PUT /control/endpoint?account=…    where the account is called: `{url, secret}`
    PUT /control/callbacks?account=…&manner=…   how it is called
    POST /control/release?account=…    make the calls that were kept back
    POST /control/clock?account=…      move its clock on: `{hours}`
    """

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger)
        self.callbacks = Callbacks()
        self.endpoints: dict[str, Endpoint] = {}
        self._books: dict[str, Books] = {}
        self.api.exception_handler(Refused)(_refusal)
        self.api.put("/control/endpoint", status_code=204)(self.set_endpoint)
        self.api.put("/control/callbacks", status_code=204)(self._behave)
        self.api.post("/control/release", status_code=204)(self._release)
        self.api.post("/control/clock", status_code=204)(self.move_clock)

    def books(self, account: str) -> Books:
        """The account's."""
        return self._books.setdefault(account, Books())

    async def set_endpoint(self, account: str, endpoint: Endpoint) -> None:
        """Tell the account of its events there from now on."""
        self.endpoints[account] = endpoint

    async def move_clock(self, account: str, ahead: Ahead) -> None:
        """Let time pass for one account: keys are forgotten, promises lapse."""
        self.books(account).clock += timedelta(hours=ahead.hours)

    async def _behave(self, account: str, manner: Manner) -> None:
        self.callbacks.behave(account, manner)

    async def _release(self, account: str) -> None:
        self.callbacks.release(account)

    def enter(self, account: str, action: str, *, key: str | None, detail: Json) -> None:
        """Write into the ledger what has happened to somebody's money, whoever asked for it."""
        self.ledger.add(Entry(self.name, account, action, key, detail=detail))

    def tell(self, account: str, event: Json) -> None:
        """Call the account's endpoint, if it has one."""
        endpoint = self.endpoints.get(account)
        if endpoint is not None:
            body, headers = self.signed(endpoint.secret, event)
            self.callbacks.make(account, Call(endpoint.url, body, headers))

    def once(self, handle: Handle) -> Callable[[Request], Awaitable[Response]]:
        """The first answer to a key, also one of refusal, for as long as `KEYS_LAST`."""

        async def answer(request: Request) -> Response:
            account = self.admitted(request)
            body = (await request.body()).decode()
            key = request.headers.get("idempotency-key")
            self.check_key(key)
            asked, books = f"{request.url.path} {body}", self.books(account)
            known = books.answered(key) if key else None
            if known is not None:
                if known.asked != asked:
                    raise self.conflict()
                self.note(request, "replay", key=key, applied=False)
                return known.response
            try:
                response: Response = JSONResponse(await handle(request, account, self.parsed(body)))
            except Refused as refused:
                response = refused.answer
            if key:
                books.keys[key] = Answered(asked, response, books.now())
            return response

        return answer

    def check_key(self, key: str | None) -> None:
        """Refuse an idempotency key that is none; any will do unless the gateway says otherwise."""

    @abstractmethod
    def admitted(self, request: Request) -> str:
        """The account that asks, or `Refused`."""

    @abstractmethod
    def parsed(self, body: str) -> Json:
        """What a request's body says."""

    @abstractmethod
    def conflict(self) -> Refused:
        """The answer to a key that was used for something else."""

    @abstractmethod
    def signed(self, secret: str, event: Json) -> tuple[bytes, Mapping[str, str]]:
        """The event as it is sent, with what proves where it comes from."""


async def _refusal(_request: Request, refused: Exception) -> Response:
    assert isinstance(refused, Refused)
    return refused.answer
