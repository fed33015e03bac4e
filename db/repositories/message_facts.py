"""Everything that a message mentions or depends on, as committed at the moment of sending."""

from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from db.repositories.rows import Row, row_or_none
from domain.customers import LatestConsent, consent_for_booking
from domain.lifecycle import Status
from domain.messages import (
    SENT_STATES,
    WITH_ENTRY,
    Announcement,
    BookingSnapshot,
    Channel,
    Facts,
    MessageState,
    Occasion,
    Template,
    display_name,
    has_lost_it,
)
from domain.notifications import Audience, NoticeKind

_ASKED = """
SELECT id, booking_id, kind, audience, channel, state, minutes_before, starts_at, booking_version, provider_id,
       language, body
FROM messages WHERE business_id = :business_id AND id = :message_id
"""
_PRETENDED = """
SELECT CAST(NULL AS uuid) AS id, CAST(:booking_id AS uuid) AS booking_id, CAST(:kind AS text) AS kind,
       CAST(:audience AS text) AS audience, CAST(:channel AS text) AS channel, 'queued' AS state,
       CAST(:minutes_before AS integer) AS minutes_before, CAST(NULL AS timestamptz) AS starts_at,
       CAST(NULL AS integer) AS booking_version, CAST(NULL AS uuid) AS provider_id,
       CAST(NULL AS text) AS language, CAST(NULL AS text) AS body
"""
# The booking's own contact comes first, then the customer's record. A customer's account has the verified address;
# so does the account of a provider without an address.
_WITH_ENTRY = ", ".join(f"'{kind}'" for kind in WITH_ENTRY)
_SENT_STATES = ", ".join(f"'{state}'" for state in SENT_STATES)
_REST = f"""
SELECT asked.id, asked.booking_id, asked.kind, asked.audience, asked.channel, asked.state AS message_state,
       asked.minutes_before, asked.starts_at AS told_starts_at, asked.booking_version,
       asked.provider_id AS told_provider_id, asked.language, asked.body,
       b.reference, b.status, b.starts_at, b.ends_at, b.timezone AS booking_timezone, b.needs_attention,
       b.provider_id, b.version, b.customer_id,
       biz.approved_at IS NOT NULL AS is_approved,
       biz.name AS business_name, biz.locale AS business_locale, biz.timezone AS business_timezone,
       s.name AS service_name, p.name AS provider_name, p.timezone AS provider_timezone,
       coalesce(b.contact ->> 'name', c.name) AS customer_name,
       coalesce(b.contact ->> 'locale', c.locale) AS customer_locale,
       coalesce(b.contact ->> 'timezone', c.timezone) AS customer_timezone,
       CASE asked.audience WHEN 'customer' THEN coalesce(b.contact ->> 'email', c.email, account.email)
                           WHEN 'provider' THEN coalesce(p.email, staff.email) ELSE staff.email END AS email,
       CASE asked.audience WHEN 'customer' THEN coalesce(b.contact ->> 'phone', c.phone)
                           WHEN 'provider' THEN p.phone END AS phone,
       CASE asked.audience WHEN 'customer' THEN coalesce(b.contact ->> 'name', c.name)
                           WHEN 'provider' THEN p.name ELSE staff.name END AS to_name,
       b.created_at AS booked_at, said.granted, said.given_at,
       asked.channel = 'sms' AND (b.contact ->> 'sms_opt_in' = 'true') IS TRUE AS opted_in,
       CASE asked.channel WHEN 'sms' THEN b.contact ->> 'phone' ELSE b.contact ->> 'email' END IS NOT NULL
           AS is_own_address,
       EXISTS (SELECT FROM messages before
               WHERE before.business_id = b.business_id AND before.booking_id = b.id
                 AND before.audience = 'customer' AND before.channel = 'email'
                 AND before.kind IN ({_WITH_ENTRY}) AND before.state IN ({_SENT_STATES})) AS has_entry,
       (SELECT jsonb_agg(jsonb_build_object('language', t.language, 'subject', t.subject, 'body', t.body,
                                            'html', t.html))
        FROM message_templates t
        WHERE t.business_id = b.business_id AND t.kind = asked.kind AND t.audience = asked.audience
          AND t.channel = asked.channel) AS templates
FROM asked
JOIN bookings b ON b.business_id = :business_id AND b.id = asked.booking_id
JOIN businesses biz ON biz.id = b.business_id
JOIN services s ON s.business_id = b.business_id AND s.id = b.service_id
JOIN customers c ON c.business_id = b.business_id AND c.id = b.customer_id
LEFT JOIN LATERAL (
    SELECT granted, given_at FROM consents
    WHERE business_id = b.business_id AND customer_id = b.customer_id AND purpose = asked.channel
    ORDER BY given_at DESC, id DESC LIMIT 1
) AS said ON true
LEFT JOIN users account ON account.id = c.user_id AND account.active
LEFT JOIN providers p ON p.business_id = b.business_id AND p.id = coalesce(asked.provider_id, b.provider_id)
LEFT JOIN LATERAL (
    SELECT u.email, u.name FROM memberships m JOIN users u ON u.id = m.user_id AND u.active
    WHERE m.business_id = b.business_id
      AND (asked.audience = 'owner' AND m.role = 'owner'
           OR asked.audience = 'provider' AND m.role = 'provider' AND m.provider_id = p.id)
    ORDER BY m.created_at, m.user_id LIMIT 1
) AS staff ON true
"""  # noqa: S608
_OF_MESSAGE = text(f"WITH asked AS ({_ASKED}) {_REST}")
_OF_BOOKING = text(f"WITH asked AS ({_PRETENDED}) {_REST}")


@dataclass(frozen=True, slots=True)
class Draft:
    """The text that an earlier attempt was about to send."""

    language: str
    body: str


@dataclass(frozen=True, slots=True)
class MessageContext:
    """A message to be rendered, with everything that decides whether it may be sent."""

    occasion: Occasion
    facts: Facts
    announcement: Announcement
    booking: BookingSnapshot
    own: tuple[Template, ...]
    """The business's templates for this occasion."""
    state: MessageState
    draft: Draft | None
    booking_id: UUID
    booking_version: int
    ends_at: datetime
    customer_id: UUID
    email: str | None
    phone: str | None
    to_name: str
    consent: bool | None
    """To messages through this channel about this booking; None: neither given nor refused."""
    has_entry: bool
    """Whether an earlier e-mail added the appointment to the customer's calendar."""
    is_own_address: bool
    """Whether the customer's address was given for this booking only."""
    is_approved: bool
    """Whether an operator allows the business's own templates through the installation's mail server."""

    def by_installation(self) -> "MessageContext":
        """As sent through the installation's own mail server; see `domain.installation_mail`."""
        if self.is_approved:
            return self
        return replace(self, own=(), facts=self.facts.without_own_links())


async def of_message(conn: AsyncConnection, business_id: UUID, message_id: UUID) -> MessageContext | None:
    """The context of a planned message."""
    found = await row_or_none(conn, _OF_MESSAGE, {"business_id": business_id, "message_id": message_id})
    return None if found is None else _message_context(found)


async def of_booking(
    conn: AsyncConnection, business_id: UUID, booking_id: UUID, occasion: Occasion, *, minutes_before: int | None
) -> MessageContext | None:
    """The context of a message that could be sent about a booking."""
    parameters = {
        "business_id": business_id,
        "booking_id": booking_id,
        "kind": occasion.kind,
        "audience": occasion.audience,
        "channel": occasion.channel,
        "minutes_before": minutes_before,
    }
    found = await row_or_none(conn, _OF_BOOKING, parameters)
    return None if found is None else _message_context(found)


def _message_context(found: Row) -> MessageContext:
    occasion = Occasion(NoticeKind(found["kind"]), Audience(found["audience"]), Channel(found["channel"]))
    status = Status(found["status"])
    announcement = Announcement(
        occasion.kind, occasion.audience, found["told_starts_at"], found["told_provider_id"]
    )
    booking = BookingSnapshot(status, found["starts_at"], found["provider_id"], found["needs_attention"])
    return MessageContext(
        occasion=occasion,
        facts=_facts(found, announcement, booking),
        announcement=announcement,
        booking=booking,
        own=tuple(Template(**template) for template in found["templates"] or ()),
        state=MessageState(found["message_state"]),
        draft=None if found["body"] is None else Draft(found["language"], found["body"]),
        booking_id=found["booking_id"],
        booking_version=found["booking_version"] or found["version"],
        ends_at=found["ends_at"],
        customer_id=found["customer_id"],
        email=found["email"],
        phone=found["phone"],
        to_name=display_name(found["to_name"] or ""),
        consent=_consent(found),
        has_entry=found["has_entry"],
        is_own_address=found["is_own_address"],
        is_approved=found["is_approved"],
    )


def _consent(found: Row) -> bool | None:
    said = None if found["granted"] is None else LatestConsent(found["granted"], found["given_at"])
    own = {"opted_in": found["opted_in"], "is_own": found["is_own_address"]}
    return consent_for_booking(said, **own, booked_at=found["booked_at"])


def _facts(found: Row, announcement: Announcement, booking: BookingSnapshot) -> Facts:
    named = {name: found[name] for name in Facts.__dataclass_fields__ if name not in ("audience", "status")}
    if (
        announcement.kind is NoticeKind.CANCELLED
        and announcement.starts_at is not None
        and has_lost_it(announcement, booking)
    ):
        # Tell them the time at which they had it, even if it was moved when another provider got it.
        moved_by = booking.starts_at - announcement.starts_at
        named |= {"starts_at": announcement.starts_at, "ends_at": found["ends_at"] - moved_by}
    return Facts(audience=announcement.audience, status=booking.status, **named)
