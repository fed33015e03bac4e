"""Charging expensive requests: a route may count one request as several."""

from collections.abc import Awaitable, Callable

from starlette.requests import Request

Charge = Callable[[int], Awaitable[None]]


async def charge(request: Request, requests: int) -> None:
    """Count so many further requests for this one, before the expensive work.

    Raises:
        RateLimitedError: the caller's quota does not cover them.
    """
    counted: Charge | None = getattr(request.state, "charge", None)
    if counted is not None and requests > 0:
        await counted(requests)
