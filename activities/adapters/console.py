"""A message channel that goes no further than our own database, and says in the log that it did.

Writing the message is all there is to sending it, so it happens in the transaction of the step itself.
"""

from collections.abc import Sequence

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from db.repositories import messages
from domain.notices import Notice, NoticeKind
from domain.steps import BookingRef
from runtime.metrics import MESSAGES

_log = structlog.get_logger()

_CHANNEL = "console"

_TEMPLATES = {
    NoticeKind.RECEIVED: "%1$s: we have your booking %2$s for %3$s on %4$s.",
    NoticeKind.OFFERED: "%1$s: new offer %2$s, %3$s on %4$s. Accept or reject it.",
    NoticeKind.CONFIRMED: "%1$s: your booking %2$s for %3$s on %4$s is confirmed.",
    NoticeKind.RESCHEDULED: "%1$s: booking %2$s for %3$s has moved to %4$s.",
    NoticeKind.COMPLETED: "%1$s: booking %2$s is completed. Thank you.",
    NoticeKind.CANCELLED: "%1$s: booking %2$s for %3$s on %4$s is cancelled.",
    NoticeKind.NEEDS_ATTENTION: "%1$s: booking %2$s for %3$s on %4$s needs attention.",
    NoticeKind.REMINDER: "%1$s: reminder of booking %2$s, %3$s on %4$s.",
}


class ConsoleMessages:
    async def post(self, conn: AsyncConnection, booking: BookingRef, notices: Sequence[Notice]) -> None:
        """Write the messages; the log gets their keys, which hold ids only."""
        if not notices:
            return
        lines = [messages.new_line(n.key, n.kind, n.audience, _TEMPLATES[n.kind]) for n in notices]
        written = await messages.add(conn, booking.business_id, booking.booking_id, channel=_CHANNEL, lines=lines)
        MESSAGES.labels(_CHANNEL, "sent").inc(len(written))
        _log.info("messages_sent", channel=_CHANNEL, keys=written)
