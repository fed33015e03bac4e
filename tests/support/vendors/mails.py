"""Mails, texts, and attempts to send them."""

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from activities.ports import Email
from activities.vendor_calls import Account, Call
from runtime.ids import new_id

ICS = b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nMETHOD:REQUEST\r\nEND:VCALENDAR\r\n"


def a_mail(**changes: Any) -> Email:
    """A confirmation to Zoë."""
    values: dict[str, Any] = {
        "message_id": str(uuid4()),
        "kind": "confirmed",
        "to": "zoe@example.com",
        "to_name": "Zoë",
        "sender_name": "Ana's Repairs",
        "reply_to": "desk@ana.example",
        "subject": "Your appointment, Zoë ✓",
        "text": "It is on Monday — 10:00.\n",
        "html": "<p>It is on <b>Monday</b>.</p>",
        "calendar": ICS,
        "calendar_method": "REQUEST",
    }
    return Email(**values | changes)


def a_call(settings: dict[str, Any], secrets: dict[str, str]) -> Call:
    """A first attempt with an account."""
    account = Account(settings=settings, secrets=secrets, integration_id=new_id())
    return Call(account=account, key=f"message/{uuid4()}", attempt=1, first_attempt_at=datetime.now(UTC))


def again(call: Call) -> Call:
    """The next attempt at the same effect."""
    return Call(call.account, call.key, call.attempt + 1, call.first_attempt_at)
