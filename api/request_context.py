"""What is known of one request: who asks, from where, and what it is about."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Annotated, Final
from uuid import UUID

from fastapi import Depends, Request
from starlette.requests import HTTPConnection

from domain.callers import ANONYMOUS, Caller, CallerKind, Principal
from domain.errors import HiddenError, UnauthenticatedError
from runtime.ids import new_id

_ACCEPTABLE_ID: Final = re.compile(rb"[A-Za-z0-9._-]{1,64}")


@dataclass(slots=True)
class RequestContext:
    """Made by the outermost middleware, filled in by inner middleware, access checks and handlers.

    The audit log learns what the request is about by `about` alone, and that it needs no line by `settle_audit`.
    """

    request_id: str
    address: str
    """The client's, behind any configured proxies."""
    caller: Caller = ANONYMOUS
    refusal: UnauthenticatedError | None = None
    """Why the credentials that were sent are refused."""
    credential_ends_at: float | None = None
    """When the caller's token ends, in seconds since the epoch; none: not by itself."""
    headers: dict[str, str] = field(default_factory=dict)
    """Further headers of the answer, whatever the answer is."""
    confined_to: UUID | None = None
    """The one business that the request may be about; none: any."""
    _business_id: UUID | None = field(default=None, init=False)
    _object_id: str | None = field(default=None, init=False)
    _needs_audit: bool = field(default=True, init=False)

    @property
    def business_id(self) -> UUID | None:
        """Whose data the request is about; none: not known yet, or nobody's."""
        return self._business_id

    @property
    def object_id(self) -> str | None:
        """What the request is done to; none: what its path names."""
        return self._object_id

    @property
    def needs_audit(self) -> bool:
        """Whether its line in the audit log is still to be written."""
        return self._needs_audit

    def about(self, business_id: UUID | None = None, object_id: object = None) -> None:
        """Say what the request is about, as far as it is known now; what is not named stays as it is.

        Raises:
            HiddenError: the business is another than the one to which the request is confined.
        """
        self._business_id = business_id or self._business_id
        self._object_id = self._object_id if object_id is None else str(object_id)
        if self.confined_to is not None and business_id not in {None, self.confined_to}:
            raise HiddenError

    def settle_audit(self) -> None:
        """The line is committed, or none is needed: the request changes nothing, or repeats an audited one."""
        self._needs_audit = False

    def log_in(self, principal: Principal) -> None:
        """The caller has proved who they are with this request itself."""
        self.caller = principal

    @property
    def caller_name(self) -> str:
        """The caller in one word: it separates the idempotency keys and counters of different callers."""
        caller = self.caller
        return f"{caller.kind}:{self.address if caller.kind is CallerKind.ANONYMOUS else caller.id}"


def context_of(request: HTTPConnection) -> RequestContext:
    """The context of a request."""
    context: RequestContext = request.state.context
    return context


async def _context(request: Request) -> RequestContext:
    return context_of(request)


RequestContextDep = Annotated[RequestContext, Depends(_context)]


def request_id_from(sent: Iterable[bytes]) -> str:
    """The caller's id if it is safe for logs and headers, else a new one."""
    return next((value.decode() for value in sent if _ACCEPTABLE_ID.fullmatch(value)), None) or new_request_id()


def new_request_id() -> str:
    """An id for a request whose caller sent none."""
    return str(new_id())
