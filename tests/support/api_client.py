"""An HTTP client for the API that authenticates as one user."""

from contextlib import AbstractAsyncContextManager
from typing import Any
from uuid import uuid4

import httpx

from api.identity.tokens import Tokens, load_tokens
from domain.callers import Principal
from runtime.settings import Settings
from tests.support.factories import Tenant

_NEEDING_IF_MATCH = ("reschedule", "override")


class ApiClient:
    """Calls the API as one principal; `as_` returns a client for another one."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        tokens: Tokens,
        principal: Principal | None = None,
        token: str | None = None,
    ) -> None:
        self._http = http
        self._tokens = tokens
        self._principal = principal
        self._token = token

    @classmethod
    def over(cls, http: httpx.AsyncClient, settings: Settings) -> "ApiClient":
        """A client without credentials."""
        return cls(http, load_tokens(settings))

    def as_(self, principal: Principal) -> "ApiClient":
        """A client with the same connection for another principal."""
        return ApiClient(self._http, self._tokens, principal)

    def with_token(self, token: str) -> "ApiClient":
        """A client with the same connection and this token: an API key, or the token of a manage link."""
        return ApiClient(self._http, self._tokens, token=token)

    def headers(self, **extra: str) -> dict[str, str]:
        """The headers that authenticate the caller."""
        token = self._token
        if self._principal is not None:
            token = self._tokens.issue(self._principal.user_id, self._principal.user_id)
        return extra if token is None else {"Authorization": f"Bearer {token}"} | extra

    async def get(self, path: str, **params: Any) -> httpx.Response:
        return await self._http.get(path, params=params, headers=self.headers())

    async def post(self, path: str, body: Any = None, **headers: str) -> httpx.Response:
        return await self._http.post(path, json=body, headers=self.headers(**headers))

    async def upload(
        self, path: str, content: Any, params: dict[str, str] | None = None, **headers: str
    ) -> httpx.Response:
        """`POST` a raw body."""
        return await self._http.post(path, content=content, params=params, headers=self.headers(**headers))

    async def send(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        return await self._http.request(method, path, json=body, headers=self.headers(**headers))

    def stream(self, path: str, **headers: str) -> AbstractAsyncContextManager[httpx.Response]:
        """`GET` an answer that is read while it is sent."""
        return self._http.stream("GET", path, headers=self.headers(**headers), timeout=None)

    async def book(self, tenant: Tenant, *, key: str | None = None, **body: Any) -> httpx.Response:
        """`POST /v1/bookings` for `repair`; `starts_at` is required."""
        filled = {"business_id": tenant.slug, "service_id": "repair"} | _jsonable(body)
        return await self.post("/v1/bookings", filled, **{"Idempotency-Key": key or str(uuid4())})

    async def command(self, booking_id: Any, command: str, **body: Any) -> httpx.Response:
        """`POST /v1/bookings/{id}/{command}`, whatever the booking's version."""
        headers = {"If-Match": "*"} if command in _NEEDING_IF_MATCH else {}
        return await self.post(f"/v1/bookings/{booking_id}/{command}", _jsonable(body) or None, **headers)


def _jsonable(body: dict[str, Any]) -> dict[str, Any]:
    plain = (str, int, bool, float, dict, list, type(None))
    return {name: value if isinstance(value, plain) else _text(value) for name, value in body.items()}


def _text(value: Any) -> str:
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
