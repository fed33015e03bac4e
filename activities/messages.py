"""The effects `send_email` and `send_sms`: check that the message may still be sent, render it, and send it."""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parseaddr
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from temporalio import activity

from activities.calendar_entry import entry_for
from activities.effects import Done, EffectRunner
from activities.ports import Email, Mailer, RecipientOptedOutError, SmsSender, TextMessage
from activities.vendor_calls import Account, Call
from db.engine import autocommit
from db.repositories import consents, installation_mails, message_facts, messages
from db.repositories.consents import Consent
from db.repositories.effect_attempts import Claimed
from db.repositories.message_facts import MessageContext
from db.repositories.messages import SentContent
from domain.customers import Purpose
from domain.effects import EffectKind, EffectRef, EffectState, ObsoleteError, Vendor, VendorError
from domain.installation_mail import QUOTA_REACHED, is_within_quota, sender_name, until_next_day
from domain.messages import Channel, MessageState, Suppressed, is_still_true, one_line, suppression_reason
from domain.notifications import Audience
from runtime.messages.rendering import Rendered, render
from runtime.metrics import MESSAGES
from runtime.outbound import with_ascii_domain

_WAS_SENT = frozenset({MessageState.SENT, MessageState.DELIVERED, MessageState.OPENED, MessageState.BOUNCED})


class MessageActivities:
    """Sends messages through the vendor that the effect names."""

    def __init__(
        self,
        engine: AsyncEngine,
        runner: EffectRunner,
        *,
        mailers: Mapping[Vendor, Mailer],
        sms_senders: Mapping[Vendor, SmsSender],
        mail_from: str,
        daily_quota: int,
    ) -> None:
        """`mail_from` is the sender of e-mails through the installation's own mail server.

        `daily_quota` is how many of these one business may send on one day (UTC); 0: no limit.
        """
        self._engine = engine
        self._runner = runner
        self._mailers = mailers
        self._sms_senders = sms_senders
        self._installation_name, self._installation_sender = parseaddr(mail_from)
        self._daily_quota = daily_quota

    @activity.defn(name=EffectKind.SEND_EMAIL)
    async def send_email(self, ref: EffectRef) -> str:
        """Send an e-mail about a booking, if it is still true and the recipient has not refused."""
        return await self._runner.run(ref, self._email, _record_unsent)

    @activity.defn(name=EffectKind.SEND_SMS)
    async def send_sms(self, ref: EffectRef) -> str:
        """Send a text about a booking, if it is still true and the recipient has consented."""
        return await self._runner.run(ref, self._sms, _record_unsent)

    async def _email(self, claimed: Claimed, call: Call) -> Done:
        message = await self._message(claimed)
        if call.account.is_shared:
            message = message.by_installation()
        if call.may_have_happened and message.state in _WAS_SENT:  # the vendor reported it meanwhile
            return _sent(claimed, message, _rendered(message), None)
        _require_sendable(message, message.email)
        if call.account.is_shared:
            await self._require_quota(claimed.business_id)
        rendered = _rendered(message)
        email = self._as_email(claimed, call.account, message, rendered)
        vendor_ref = await self._mailers[claimed.vendor].send(call, email)
        return _sent(claimed, message, rendered, vendor_ref, is_counted=call.account.is_shared)

    async def _require_quota(self, business_id: UUID) -> None:
        """Postpone the e-mail to the next day when the business has used up its quota.

        E-mails that are being sent at this moment are not counted yet: a few more than the quota do no harm.

        Raises:
            VendorError: the quota is used up; `retry_after` is the time until the next day.
        """
        async with autocommit(self._engine) as conn:
            sent = await installation_mails.sent_today(conn, business_id)
        if not is_within_quota(sent, self._daily_quota):
            raise VendorError(QUOTA_REACHED, retry_after=until_next_day(datetime.now(UTC)))

    async def _sms(self, claimed: Claimed, call: Call) -> Done:
        message = await self._message(claimed)
        if call.may_have_happened and message.state in _WAS_SENT:
            return _sent(claimed, message, _rendered(message), None)
        _require_sendable(message, message.phone)
        rendered = await self._drafted(claimed, message)
        text = TextMessage(to=message.phone or "", body=rendered.text)
        try:
            vendor_ref = await self._sms_senders[claimed.vendor].send(call, text)
        except RecipientOptedOutError:
            await self._record_opt_out(claimed, message)
            raise ObsoleteError(Suppressed.OPTED_OUT) from None
        return _sent(claimed, message, rendered, vendor_ref)

    async def _drafted(self, claimed: Claimed, message: MessageContext) -> Rendered:
        """The same text for every attempt: a vendor without idempotency keys finds a sent message by its text."""
        if message.draft is not None:
            return Rendered(message.draft.language, None, message.draft.body, None)
        rendered = _rendered(message)
        async with autocommit(self._engine) as conn:
            await messages.draft(
                conn, claimed.business_id, _message_id(claimed), language=rendered.language, body=rendered.text
            )
        return rendered

    async def _message(self, claimed: Claimed) -> MessageContext:
        async with autocommit(self._engine) as conn:
            message = await message_facts.of_message(conn, claimed.business_id, _message_id(claimed))
        if message is None:
            raise VendorError("message_missing", permanent=True)
        return message

    def _as_email(self, claimed: Claimed, account: Account, message: MessageContext, rendered: Rendered) -> Email:
        sender = account.settings.get("sender") or self._installation_sender
        business = one_line(message.facts.business_name)
        if account.is_shared:
            business = sender_name(business, self._installation_name, is_approved=message.is_approved)
        entry = entry_for(message, sender=sender, now=datetime.now(UTC))
        return Email(
            message_id=str(_message_id(claimed)),
            kind=message.occasion.kind,
            to=with_ascii_domain(message.email or ""),
            to_name=message.to_name,
            sender_name=business,
            reply_to=None,
            subject=rendered.subject or "",
            text=rendered.text,
            html=rendered.html or "",
            calendar=entry.content if entry else None,
            calendar_method=entry.method if entry else None,
        )

    async def _record_opt_out(self, claimed: Claimed, message: MessageContext) -> None:
        """Withdraw the customer's consent: nothing more is sent until they consent again.

        A number that was given for one booking only is left to the vendor: it may not be the customer's.
        """
        if message.occasion.audience is not Audience.CUSTOMER or message.is_own_address:
            return
        refusal = Consent(Purpose.SMS, granted=False, source=f"{claimed.vendor}_stop", text="")
        async with self._engine.begin() as conn:
            if await consents.lock_customer(conn, claimed.business_id, message.customer_id):
                await consents.record(conn, claimed.business_id, message.customer_id, refusal)


def _require_sendable(message: MessageContext, address: str | None) -> None:
    """Raises ObsoleteError when the message is no longer true, or must not be sent to this recipient."""
    if not is_still_true(message.announcement, message.booking, datetime.now(UTC)):
        raise ObsoleteError(Suppressed.NO_LONGER_TRUE)
    occasion = message.occasion
    reason = suppression_reason(occasion.channel, occasion.audience, address, message.consent)
    if reason is not None:
        raise ObsoleteError(reason)


def _rendered(message: MessageContext) -> Rendered:
    return render(message.occasion, message.facts, message.own)


def _sent(
    claimed: Claimed,
    message: MessageContext,
    rendered: Rendered,
    vendor_ref: str | None,
    *,
    is_counted: bool = False,
) -> Done:
    async def write(conn: AsyncConnection) -> None:
        content = SentContent(rendered.language, rendered.subject, rendered.text)
        await messages.record_sent(conn, claimed.business_id, _message_id(claimed), content, vendor_ref)
        if is_counted:
            await installation_mails.count(conn, claimed.business_id)
        MESSAGES.labels(message.occasion.channel, MessageState.SENT).inc()

    return Done(vendor_ref=vendor_ref, write=write)


async def _record_unsent(conn: AsyncConnection, claimed: Claimed, state: EffectState, error: str) -> None:
    message_state = MessageState.FAILED if state is EffectState.FAILED else MessageState.SUPPRESSED
    await messages.record_unsent(conn, claimed.business_id, _message_id(claimed), message_state, error)
    channel = Channel.EMAIL if claimed.kind is EffectKind.SEND_EMAIL else Channel.SMS
    MESSAGES.labels(channel, message_state).inc()


def _message_id(claimed: Claimed) -> UUID:
    return UUID(claimed.subject["message_id"])
