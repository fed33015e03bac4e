"""Invariants of the vendors' ledgers: mails, jobs, payments and webhooks agree with the stored data."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from tests.chaos.invariants import Evidence, invariant

Json = dict[str, Any]
_Found = Iterator[tuple[str | None, str]]
_OPEN: Final = frozenset({"pending", "running", "retrying"})

_NOTICE_OF: Final = {
    "assigned": ("offered", "provider"),
    "accepted": ("confirmed", "customer"),
    "completed": ("completed", "customer"),
    "cancelled": ("cancelled", "customer"),
}
"""The message that a step to a status must cause, and its audience."""


def _applied(evidence: Evidence, vendor: str, *actions: str) -> Iterator[Json]:
    for entry in evidence.facts.ledger:
        if entry["vendor"] == vendor and entry["applied"] and (not actions or entry["action"] in actions):
            yield entry


@invariant("messages", "each step has written its required messages once")
def messages(evidence: Evidence) -> _Found:
    counts = Counter(
        (row["booking_id"], row["booking_version"], row["kind"], row["audience"])
        for row in evidence.facts.messages
        if row["channel"] != "sms"
    )
    for step in evidence.facts.steps:
        if step["kind"] in ("transition", "override") and step["new_status"] in _NOTICE_OF:
            kind, audience = _NOTICE_OF[step["new_status"]]
            count = counts[step["booking_id"], step["sequence"], kind, audience]
            if count != 1:
                yield (
                    step["booking_id"],
                    f"step {step['sequence']} wrote {count} messages ({kind} to the {audience})",
                )


@invariant("mails", "each mail belongs to an effect and was sent once")
def mails(evidence: Evidence) -> _Found:
    effects = {row["key"]: row for row in evidence.facts.effects if row["vendor"] == "sendgrid"}
    sent = Counter(str(entry["key"]) for entry in _applied(evidence, "sendgrid", "mail.send"))
    for key, count in sent.items():
        if key not in effects:
            yield None, f"a mail was sent without a stored effect: {key}"
        elif count > 1:
            yield effects[key]["booking_id"], f"a mail was sent {count} times: {key}"
    for key, effect in effects.items():
        if effect["state"] == "done" and not sent[key]:
            yield effect["booking_id"], f"a mail is recorded as sent and was not: {key}"


@invariant("jobs", "each accepted booking has one job, which is cancelled with the booking")
def jobs(evidence: Evidence) -> _Found:
    made = Counter(str(entry["key"]) for entry in _applied(evidence, "servicetitan", "job.create"))
    last: dict[str, str] = {}
    for entry in _applied(evidence, "servicetitan", "job.create", "job.cancel", "job.remove_cancellation"):
        last[str(entry["key"])] = entry["action"]
    effects = defaultdict(list)
    for row in evidence.facts.effects:
        if row["lane"] == "job":
            effects[row["booking_id"]].append(row["state"])
    accepted = {row["booking_id"] for row in evidence.facts.steps if row["new_status"] == "accepted"}
    for booking in evidence.facts.bookings:
        booking_id, states = booking["id"], set(effects[booking["id"]])
        if booking_id in accepted and not states:
            yield booking_id, "was accepted, and no job was requested"
        if made[booking_id] > 1:
            yield booking_id, f"has {made[booking_id]} jobs"
        if states == {"done"} and (wrong := _wrong_job(booking, last.get(booking_id))):
            yield booking_id, wrong


def _wrong_job(booking: Json, last_action: str | None) -> str | None:
    """The error of a booking whose job effects are all done."""
    is_cancelled = last_action == "job.cancel"
    if last_action is None:
        return "its job is recorded as created and does not exist"
    if is_cancelled == (booking["status"] == "cancelled"):
        return None
    return f"is {booking['status']}, and its job is {'cancelled' if is_cancelled else 'not'}"


@invariant("payments", "each booking is charged once, and failed bookings are refunded")
def payments(evidence: Evidence) -> _Found:
    bookings = {row["id"]: row for row in evidence.facts.bookings}
    stored = {row["booking_id"]: row for row in evidence.facts.payments}
    open_ones = {
        row["booking_id"] for row in evidence.facts.effects if row["lane"] == "payment" and row["state"] in _OPEN
    }
    moved: dict[str, Counter[str]] = defaultdict(Counter)
    for entry in _applied(evidence, "stripe", "authorize", "capture", "void", "refund"):
        moved[str(entry["key"])][entry["action"]] += entry["detail"]["amount"]
    for booking_id in moved:
        if booking_id not in stored:
            yield booking_id, "money was moved for it without a stored payment"
    for booking_id, payment in stored.items():
        if booking_id in bookings and booking_id not in open_ones:
            for wrong in _wrong_payment(bookings[booking_id], payment, moved[booking_id]):
                yield booking_id, wrong


def _wrong_payment(booking: Json, payment: Json, money: Counter[str]) -> Iterator[str]:
    amount, kept = payment["amount_minor"], money["capture"] - money["refund"]
    if kept > amount:
        yield f"{kept} was taken of {amount}"
    if (payment["captured_minor"], payment["refunded_minor"]) != (money["capture"], money["refund"]):
        stored = f"{payment['captured_minor']} taken, {payment['refunded_minor']} refunded"
        yield f"stored: {stored}; at the gateway: {money['capture']}, {money['refund']}"
    if booking["status"] == "cancelled":
        yield from _wrong_end(payment, money, kept)
    is_served = booking["status"] in ("accepted", "in_progress", "completed")
    if (
        is_served
        and booking["payment"] == "authorized"
        and kept != amount
        and not (money["void"] or money["refund"])
    ):
        yield f"is {booking['status']}, and {kept} was taken of {amount}"


def _wrong_end(payment: Json, money: Counter[str], kept: int) -> Iterator[str]:
    promised = money["authorize"] - money["capture"] - money["void"]
    if kept != (payment["keep_minor"] or 0):
        yield f"is cancelled, and {kept} is kept instead of {payment['keep_minor']}"
    if promised > 0:
        yield f"is cancelled, and {promised} is still authorized"


@invariant("webhooks", "exactly the events recorded as delivered were delivered")
def webhooks(evidence: Evidence) -> _Found:
    events = {row["id"]: row for row in evidence.facts.events}
    taken = {str(entry["key"]) for entry in _applied(evidence, "webhook_receiver", "webhook")}
    for event_id in taken - events.keys():
        yield None, f"a webhook was delivered of an event that is not stored: {event_id}"
    deliveries = [row for row in evidence.facts.effects if row["kind"] == "deliver_webhook"]
    for row in deliveries:
        if row["state"] == "done" and row["subject"]["event_id"] not in taken:
            yield row["booking_id"], f"the event {row['subject']['event_id']} is recorded as delivered and was not"
    planned = {row["subject"]["event_id"] for row in deliveries}
    for event_id, event in events.items():
        if deliveries and event["position"] is not None and event_id not in planned:
            yield event["subject"], f"the event {event_id} has its place and no delivery"


@invariant("quiet-after-cancel", "nothing that a cancellation stops is sent after its acknowledgement")
def quiet_after_cancel(evidence: Evidence) -> _Found:
    cancelled = _cancelled_at(evidence)
    kinds = {row["id"]: row for row in evidence.facts.messages}
    for row in evidence.facts.messages:
        since = cancelled.get(row["booking_id"])
        if since and row["kind"] == "reminder" and row["created_at"] > since:
            yield row["booking_id"], f"a reminder was written at {row['created_at']}, cancelled by {since}"
    effects = {row["key"]: row for row in evidence.facts.effects if row["vendor"] == "sendgrid"}
    for entry in _applied(evidence, "sendgrid", "mail.send"):
        effect = effects.get(str(entry["key"]))
        since = cancelled.get(effect["booking_id"]) if effect else None
        if effect is None or since is None or kinds[effect["subject"]["message_id"]]["kind"] == "cancelled":
            continue
        if _begun(effect, datetime.fromisoformat(entry["at"])) > since:
            yield effect["booking_id"], f"a mail was sent at {entry['at']}, cancelled by {since}: {entry['key']}"


def _cancelled_at(evidence: Evidence) -> dict[str, datetime]:
    """The times at which clients knew that a booking was cancelled, without reopened bookings."""
    reopened = {row["booking_id"] for row in evidence.facts.steps if row["old_status"] == "cancelled"}
    found: dict[str, datetime] = {}
    for call in evidence.of("cancel"):
        if call.successes and call.booking_id not in reopened:
            assert call.booking_id is not None
            found[call.booking_id] = min(a.answered_at for a in call.successes if a.answered_at is not None)
    return found


def _begun(effect: Json, sent_at: datetime) -> datetime:
    """The earliest time at which the attempt that sent it can have begun."""
    last: datetime = effect["last_attempt_at"]
    first: datetime = effect["first_attempt_at"]
    return last if last <= sent_at else first
