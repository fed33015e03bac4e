"""A message channel that goes no further than the log; the record in the database is the message."""

import structlog

from activities.ports import OutgoingMessage

_log = structlog.get_logger()


class ConsoleMessages:
    channel = "console"

    async def send(self, message: OutgoingMessage) -> None:
        """Say in the log that a message went out; never what it says, nor to whom by name."""
        _log.info(
            "message_sent",
            key=message.key,
            kind=message.kind,
            audience=message.audience,
            booking_id=str(message.booking_id),
        )
