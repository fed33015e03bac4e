"""Which bookings a caller may see."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from api.deps import AppState
from api.request_context import RequestContext
from db.engine import autocommit
from db.repositories import bookings
from db.repositories.bookings import Filters, Page, Reach
from db.repositories.rows import Row
from domain.callers import Caller, CallerKind, Guest, Principal, businesses_run_by, providers_acted_as_by
from domain.errors import HiddenError, NotFoundError


def reach_of(caller: Caller) -> Reach:
    """Whose bookings they may see."""
    return Reach(
        business_ids=businesses_run_by(caller),
        provider_ids=providers_acted_as_by(caller),
        user_id=caller.user_id if isinstance(caller, Principal) else None,
        booking_id=caller.booking_id if isinstance(caller, Guest) else None,
    )


async def find_booking(app: AppState, context: RequestContext, booking_id: UUID) -> Row:
    """The booking, if the caller may see it.

    Raises:
        NotFoundError: there is none.
        HiddenError: it is somebody else's. The answer is the same; the denial goes into that business's audit log.
    """
    async with autocommit(app.engine) as conn:
        row = await bookings.find(conn, reach_of(context.caller), booking_id)
        owner = await bookings.find_owner(conn, booking_id) if row is None else row["business_id"]
    context.about(owner, booking_id)
    if row is None:
        missing = f"There is no booking {booking_id}."
        raise NotFoundError(missing) if owner is None else HiddenError(missing)
    return row


@dataclass(frozen=True, slots=True)
class BookingsPage:
    """A page of bookings, by start."""

    rows: Sequence[Row]
    next_cursor: str | None
    """Where the next page begins; none: this was the last."""


async def list_page(
    app: AppState, context: RequestContext, filters: Filters, *, limit: int, cursor: str | None
) -> BookingsPage:
    """Bookings that the caller may see, by start.

    Raises:
        InvalidCursorError: the cursor is not one of this listing.
    """
    listing = f"bookings/{context.caller_name}"
    after = app.cursors.decode(listing, cursor) if cursor is not None else ()
    page = Page(limit=limit + 1, after=(after[0], after[1]) if after else None)
    async with autocommit(app.engine) as conn:
        rows = await bookings.list_page(conn, reach_of(context.caller), filters, page)
    if context.caller.kind is not CallerKind.USER and rows:  # every other caller belongs to one business
        context.about(rows[0]["business_id"])
    shown = rows[:limit]
    is_more = len(rows) > limit
    more = app.cursors.encode(listing, shown[-1]["starts_at"], shown[-1]["id"]) if is_more else None
    return BookingsPage(shown, more)
