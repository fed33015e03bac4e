"""Telling people: notices are checked against what is committed, sent through the port and recorded."""

from uuid import NAMESPACE_URL, uuid5
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from temporalio import activity

from activities.failures import as_application_errors
from activities.ports import MessagePort, OutgoingMessage
from db.engine import autocommit
from db.repositories import messages
from db.repositories.messages import MessageRecord, Situation
from domain.errors import NotFoundError
from domain.names import SEND_NOTICES
from domain.notices import Notice, NoticeBatch, NoticeKind, still_due

_TEXTS = {
    NoticeKind.RECEIVED: "{business}: we have your booking {reference} for {service} on {when}.",
    NoticeKind.OFFERED: "{business}: new offer {reference}, {service} on {when}. Accept or reject it.",
    NoticeKind.CONFIRMED: "{business}: your booking {reference} for {service} on {when} is confirmed.",
    NoticeKind.RESCHEDULED: "{business}: booking {reference} for {service} has moved to {when}.",
    NoticeKind.COMPLETED: "{business}: booking {reference} is completed. Thank you.",
    NoticeKind.CANCELLED: "{business}: booking {reference} for {service} on {when} is cancelled.",
    NoticeKind.NEEDS_ATTENTION: "{business}: booking {reference} for {service} on {when} needs attention.",
    NoticeKind.REMINDER: "{business}: reminder of booking {reference}, {service} on {when}.",
}


class MessageActivities:
    def __init__(self, engine: AsyncEngine, port: MessagePort) -> None:
        self._engine = engine
        self._port = port

    @activity.defn(name=SEND_NOTICES)
    @as_application_errors
    async def send_notices(self, batch: NoticeBatch) -> None:
        """Send each notice that was not sent before; record those that no longer apply as skipped."""
        for notice in batch.notices:
            message = await self._claim(batch, notice)
            if message is not None:
                await self._port.send(message)
                async with autocommit(self._engine) as conn:
                    await messages.mark_sent(conn, batch.business_id, notice.key)

    async def _claim(self, batch: NoticeBatch, notice: Notice) -> OutgoingMessage | None:
        """Decide, against what is committed, whether to send; the message, or none when there is nothing to do.

        The decision commits before the channel is called: a cancellation comes before it, and is seen, or after
        it, when the message is on its way. No lock is held while a channel hangs.
        """
        async with self._engine.begin() as conn:
            situation = await messages.find_situation(conn, batch.business_id, batch.booking_id)
            if situation is None:
                raise NotFoundError(f"There is no booking {batch.booking_id}.")
            due = still_due(notice, situation.status, situation.starts_at)
            record = self._record(batch, notice, situation, state="sending" if due else "skipped")
            claimed = await messages.claim(conn, batch.business_id, record)
            if not (due and claimed):
                return None
            if notice.kind is NoticeKind.REMINDER:
                await _add_reminder_event(conn, batch, notice, situation)
        return OutgoingMessage(
            key=notice.key,
            business_id=batch.business_id,
            booking_id=batch.booking_id,
            kind=notice.kind,
            audience=notice.audience,
            body=record.body,
        )

    def _record(self, batch: NoticeBatch, notice: Notice, situation: Situation, *, state: str) -> MessageRecord:
        return MessageRecord(
            booking_id=batch.booking_id,
            key=notice.key,
            kind=notice.kind,
            audience=notice.audience,
            channel=self._port.channel,
            state=state,
            body=_text(notice, situation),
        )


async def _add_reminder_event(
    conn: AsyncConnection, batch: NoticeBatch, notice: Notice, situation: Situation
) -> None:
    """One event a reminder, however many people are reminded."""
    reminder = notice.key.rpartition("/")[0]
    await messages.add_reminder_event(
        conn,
        batch.business_id,
        batch.booking_id,
        event_id=uuid5(NAMESPACE_URL, reminder),
        situation=situation,
    )


def _text(notice: Notice, situation: Situation) -> str:
    local = situation.starts_at.astimezone(ZoneInfo(situation.timezone))
    return _TEXTS[notice.kind].format(
        business=situation.business,
        reference=situation.reference,
        service=situation.service,
        when=f"{local:%A, %d %B %Y at %H:%M}",
    )
