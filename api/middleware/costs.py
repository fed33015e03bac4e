"""What a request costs beyond one: a route that does much for one request says how much."""

from collections.abc import Awaitable, Callable

from starlette.requests import Request

Charge = Callable[[int], Awaitable[None]]


async def charge(request: Request, requests: int) -> None:
    """Count so many requests more for the caller of this one, before it does what costs as much.

    Raises:
        RateLimitedError: they have not so many left.
    """
    counted: Charge | None = getattr(request.state, "charge", None)
    if counted is not None and requests > 0:
        await counted(requests)
