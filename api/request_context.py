"""What is known of one request as it goes along: who asks from where, and what it turned out to be about."""

from dataclasses import dataclass, field
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request

from domain.callers import ANONYMOUS, Caller, CallerKind
from domain.errors import UnauthenticatedError
from runtime.ids import new_id


@dataclass(slots=True)
class RequestContext:
    """Made by the outermost middleware, filled in by those inside it, read when it is answered."""

    request_id: str
    address: str
    """The client's, with configured proxies seen through."""
    caller: Caller = ANONYMOUS
    refusal: UnauthenticatedError | None = None
    """Why the credentials that were sent are not taken."""
    business_id: UUID | None = None
    """Whose data it is about."""
    object_id: str | None = None
    """What it is done to."""
    is_audited: bool = False
    """Its line in the audit log is written, or it needs none."""
    headers: dict[str, str] = field(default_factory=dict)
    """Further headers of the answer, whatever the answer is."""

    @property
    def caller_name(self) -> str:
        """The caller in one word, by which keys and counters of different callers are told apart."""
        caller = self.caller
        return f"{caller.kind}:{self.address if caller.kind is CallerKind.ANONYMOUS else caller.id}"


def context_of(request: Request) -> RequestContext:
    """The context of a request."""
    context: RequestContext = request.state.context
    return context


async def _context(request: Request) -> RequestContext:
    return context_of(request)


RequestContextDep = Annotated[RequestContext, Depends(_context)]


def new_request_id() -> str:
    """An id for a request whose caller gave none."""
    return str(new_id())
