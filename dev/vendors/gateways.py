"""Base of the simulated payment gateways: idempotency keys, a clock that tests can move, and signed events."""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from fastapi import Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from dev.vendors.base import SimulatedVendor
from dev.vendors.callbacks import Call, CallbackMode, Callbacks
from dev.vendors.ledger import Entry, Json, Ledger

KEY_LIFETIME: Final = timedelta(hours=24)
AUTHORIZATION_LIFETIME: Final = timedelta(days=7)


class Endpoint(BaseModel):
    """The URL that receives an account's events, and the secret that signs them."""

    url: str
    secret: str


class ClockShift(BaseModel):
    """By how much the gateway's clock is moved forward."""

    hours: float


@dataclass(slots=True)
class StoredAnswer:
    """The answer stored under an idempotency key."""

    request: str
    response: Response
    at: datetime


@dataclass(slots=True)
class AccountState:
    """Idempotency keys and clock of one account."""

    keys: dict[str, StoredAnswer] = field(default_factory=dict)
    clock: timedelta = timedelta()

    def now(self) -> datetime:
        """The account's current time."""
        return datetime.now(UTC) + self.clock

    def answer_for(self, key: str) -> StoredAnswer | None:
        """The answer stored under the key, unless it has expired."""
        found = self.keys.get(key)
        if found is not None and self.now() - found.at > KEY_LIFETIME:
            del self.keys[key]
            return None
        return found


class Refusal(Exception):  # noqa: N818 - an answer, not an error of ours
    """The gateway's answer to a request that it refuses."""

    def __init__(self, status: int, body: Json, media_type: str = "application/json") -> None:
        self.answer = JSONResponse(body, status, media_type=media_type)


Handle = Callable[[Request, str, Json], Awaitable[Json]]
"""Carries out a request of an account with this body; returns the body of the answer."""


class SimulatedGateway(SimulatedVendor, ABC):
    """Base of both gateways.

    PUT /control/endpoint?account=…             set where the account's events go: `{url, secret}`
    PUT /control/callbacks?account=…&mode=…     set how the events are sent
    POST /control/release?account=…             send the events that were held back
    POST /control/clock?account=…               move the clock forward: `{hours}`
    """

    def __init__(self, ledger: Ledger) -> None:
        super().__init__(ledger)
        self.callbacks = Callbacks()
        self.endpoints: dict[str, Endpoint] = {}
        self._accounts: dict[str, AccountState] = {}
        self.api.exception_handler(Refusal)(_answer_refusal)
        self.api.put("/control/endpoint", status_code=204)(self.set_endpoint)
        self.api.put("/control/callbacks", status_code=204)(self._set_callback_mode)
        self.api.post("/control/release", status_code=204)(self._release)
        self.api.post("/control/clock", status_code=204)(self.move_clock)

    def account(self, account: str) -> AccountState:
        """The state of one account."""
        return self._accounts.setdefault(account, AccountState())

    async def set_endpoint(self, account: str, endpoint: Endpoint) -> None:
        """Send the account's events to this endpoint from now on."""
        self.endpoints[account] = endpoint

    async def move_clock(self, account: str, shift: ClockShift) -> None:
        """Move one account's clock forward: keys and authorizations expire."""
        self.account(account).clock += timedelta(hours=shift.hours)

    async def _set_callback_mode(self, account: str, mode: CallbackMode) -> None:
        self.callbacks.set_mode(account, mode)

    async def _release(self, account: str) -> None:
        self.callbacks.release(account)

    def record_money(self, account: str, action: str, *, key: str | None, detail: Json) -> None:
        """Add an entry for a movement of money to the ledger; not every one is caused by a request."""
        self.ledger.add(Entry(self.name, account, action, key, detail=detail))

    def send_event(self, account: str, event: Json) -> None:
        """Send an event to the account's endpoint, if it has one."""
        endpoint = self.endpoints.get(account)
        if endpoint is not None:
            body, headers = self.sign(endpoint.secret, event)
            self.callbacks.send(account, Call(endpoint.url, body, headers))

    def idempotent(self, handle: Handle) -> Callable[[Request], Awaitable[Response]]:
        """Wrap a handler: the first answer to a key, even a refusal, is repeated for `KEY_LIFETIME`."""

        async def answer(request: Request) -> Response:
            account = self.authorized_account(request)
            body = (await request.body()).decode()
            key = request.headers.get("idempotency-key")
            self.check_key(key)
            sent, state = f"{request.url.path} {body}", self.account(account)
            stored = state.answer_for(key) if key else None
            if stored is not None:
                if stored.request != sent:
                    raise self.key_conflict()
                self.record(request, "replay", key=key, applied=False)
                return stored.response
            try:
                response: Response = JSONResponse(await handle(request, account, self.parse(body)))
            except Refusal as refusal:
                response = refusal.answer
            if key:
                state.keys[key] = StoredAnswer(sent, response, state.now())
            return response

        return answer

    def check_key(self, key: str | None) -> None:
        """Refuse an invalid idempotency key; the default accepts every key."""

    @abstractmethod
    def authorized_account(self, request: Request) -> str:
        """The account of a request; raises `Refusal` for invalid credentials."""

    @abstractmethod
    def parse(self, body: str) -> Json:
        """The content of a request's body."""

    @abstractmethod
    def key_conflict(self) -> Refusal:
        """The answer to a key that was used for another request."""

    @abstractmethod
    def sign(self, secret: str, event: Json) -> tuple[bytes, Mapping[str, str]]:
        """The event's body, and headers that prove its origin."""


async def _answer_refusal(_request: Request, refusal: Exception) -> Response:
    assert isinstance(refusal, Refusal)
    return refusal.answer
