"""The evidence of a small correct cell; tests break one thing in it."""

from datetime import UTC, datetime, timedelta
from typing import Any

from tests.chaos.facts import Facts, Workflow
from tests.chaos.history import Attempt, Call, Json
from tests.chaos.invariants import Evidence

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
BEGAN = NOW - timedelta(minutes=1)
STARTS = datetime(2026, 3, 4, 12, tzinfo=UTC)
BOOKING, PROVIDER, CUSTOMER, PROVIDER_USER = "b-1", "p-1", "c-1", "u-1"
MAIL = f"{BOOKING}/3/confirmed/customer/email/sendgrid"
CANCELLED, CANCELLER = "b-2", "c-2"

_STATUSES = {
    BOOKING: ["pending", "pending", "pending", "assigned", "accepted"],
    CANCELLED: ["pending", "assigned", "cancelled"],
}


def sound() -> Evidence:
    """A paid accepted booking, a booking that its customer cancelled, and a released hold."""
    calls = [
        create(BOOKING, "key-1", CUSTOMER),
        command("accept", BOOKING, 5, "accepted", "provider", PROVIDER_USER),
        create(CANCELLED, "key-2", CANCELLER),
        command("cancel", CANCELLED, 3, "cancelled", "customer", CANCELLER),
        read(BOOKING, 5, "accepted"),
        call("release", [attempt(204)], path="/v1/holds/h-1"),
    ]
    return Evidence(calls, _facts())


def _facts() -> Facts:
    facts = Facts(at=NOW)
    facts.bookings = [_booking(BOOKING, "accepted", 5, "key-1"), _booking(CANCELLED, "cancelled", 3, "key-2")]
    facts.bookings[0]["payment"] = "authorized"
    for booking_id, statuses in _STATUSES.items():
        for sequence, status in enumerate(statuses, 1):
            facts.steps.append(step(booking_id, sequence, statuses[max(sequence - 2, 0)], status))
    facts.steps[1]["kind"], facts.steps[2]["kind"] = "payment_asked", "paid"
    facts.steps[4] |= {"actor_role": "provider", "actor_id": PROVIDER_USER, "command_id": "accept-1"}
    facts.steps[7] |= {"actor_role": "customer", "actor_id": CANCELLER, "command_id": "cancel-1"}
    facts.reservations = [_reservation(BOOKING)]
    facts.messages = [
        message(BOOKING, 4, "offered", "provider"),
        message(BOOKING, 5, "confirmed", "customer"),
        message(CANCELLED, 2, "offered", "provider"),
        message(CANCELLED, 3, "cancelled", "customer"),
        message(BOOKING, 5, "reminder", "customer") | {"minutes_before": _minutes_before()},
    ]
    _add_events(facts)
    _add_vendors(facts)
    facts.workflows = {BOOKING: Workflow(True, "accepted", 5), CANCELLED: Workflow(False)}
    return facts


def _minutes_before() -> int:
    return int((STARTS - NOW).total_seconds()) // 60 + 1


def _booking(booking_id: str, status: str, version: int, notes: str) -> Json:
    return {
        "id": booking_id,
        "reference": booking_id.upper(),
        "service_id": "s-1",
        "status": status,
        "version": version,
        "notes": notes,
        "provider_id": PROVIDER,
        "starts_at": STARTS,
        "ends_at": STARTS + timedelta(hours=1),
        "created_at": BEGAN,
        "planned_from": BEGAN - timedelta(minutes=5),
        "phase_since": BEGAN,
        "next_attempt_at": None,
        "needs_attention": False,
        "absent_party": None,
        "payment": None,
        "policy": {"reminder_minutes": [_minutes_before()]},
    }


def step(booking_id: str, sequence: int, old: str, new: str, **members: Any) -> Json:
    kind = "created" if sequence == 1 else "transition"
    return {
        "booking_id": booking_id,
        "sequence": sequence,
        "kind": kind,
        "old_status": None if sequence == 1 else old,
        "new_status": new,
        "actor_role": "system",
        "actor_id": "None",
        "command_id": None,
        "occurred_at": BEGAN,
    } | members


def _reservation(booking_id: str) -> Json:
    return {
        "id": f"r-{booking_id}",
        "provider_id": PROVIDER,
        "booking_id": booking_id,
        "session_id": f"r-{booking_id}",
        "seat": 1,
        "expires_at": None,
        "begins": STARTS,
        "ends": STARTS + timedelta(hours=1),
    }


def message(booking_id: str, version: int, kind: str, audience: str) -> Json:
    return {
        "id": f"m-{booking_id}-{version}-{kind}",
        "booking_id": booking_id,
        "booking_version": version,
        "kind": kind,
        "audience": audience,
        "channel": "email",
        "starts_at": STARTS,
        "minutes_before": None,
        "created_at": BEGAN,
    }


def _add_events(facts: Facts) -> None:
    for place, row in enumerate(facts.steps, 1):
        type_ = "created" if row["kind"] == "created" else row["new_status"]
        facts.events.append(
            {
                "id": f"e-{place}",
                "type": f"scheduling.booking.{type_}",
                "subject": row["booking_id"],
                "time": BEGAN,
                "position": place,
                "data": {"status": row["new_status"]},
            }
        )
        facts.effects.append(effect("deliver_webhook", f"w-{place}", booking_id=row["booking_id"]))
        facts.effects[-1]["subject"] = {"event_id": f"e-{place}"}
        facts.ledger.append(entry("webhook_receiver", "webhook", f"e-{place}"))


def _add_vendors(facts: Facts) -> None:
    mail = effect("send_email", MAIL, vendor="sendgrid")
    mail["subject"] = {"message_id": f"m-{BOOKING}-5-confirmed"}
    facts.effects += [
        mail,
        effect("create_job", f"{BOOKING}/5/create_job", lane="job", vendor="servicetitan"),
        effect("capture_payment", f"{BOOKING}/5/capture", lane="payment", vendor="stripe"),
    ]
    facts.payments = [
        {
            "booking_id": BOOKING,
            "amount_minor": 100,
            "captured_minor": 100,
            "refunded_minor": 0,
            "keep_minor": None,
            "state": "captured",
        }
    ]
    facts.ledger += [
        entry("sendgrid", "mail.send", MAIL),
        entry("servicetitan", "job.create", BOOKING),
        entry("stripe", "authorize", BOOKING, amount=100),
        entry("stripe", "capture", BOOKING, amount=100),
    ]


def effect(
    kind: str, key: str, *, booking_id: str = BOOKING, lane: str | None = None, vendor: str = "webhook"
) -> Json:
    return {
        "booking_id": booking_id,
        "kind": kind,
        "key": key,
        "lane": lane,
        "vendor": vendor,
        "state": "done",
        "subject": {},
        "due_at": BEGAN,
        "first_attempt_at": BEGAN,
        "last_attempt_at": BEGAN,
        "next_attempt_at": None,
        "attempts": 1,
    }


def entry(vendor: str, action: str, key: str, **detail: Any) -> Json:
    at = BEGAN.isoformat()
    return {"vendor": vendor, "action": action, "key": key, "applied": True, "detail": detail, "at": at}


# --- the clients' record ----------------------------------------------------------------------------------


def attempt(status: int | None, *, place: int = 0, number: int = 1, sent: float = 10.0, **members: Any) -> Attempt:
    made = Attempt(place, number, BEGAN, sent, BEGAN, sent + 0.1, status)
    for name, value in members.items():
        setattr(made, name, value)
    return made


def call(
    operation: str,
    attempts: list[Attempt],
    *,
    booking_id: str | None = None,
    caller_id: str = CUSTOMER,
    role: str = "customer",
    key: str | None = None,
    path: str = "/",
) -> Call:
    return Call(f"{operation}-{booking_id}-{key}", operation, path, role, caller_id, key, booking_id, {}, attempts)


def create(booking_id: str, key: str, caller_id: str) -> Call:
    body = {
        "id": booking_id,
        "reference": booking_id.upper(),
        "service_id": "s-1",
        "status": "pending",
        "version": 1,
        "created_at": BEGAN.isoformat(),
    }
    return call("create", [attempt(201, body=body)], caller_id=caller_id, key=key)


def command(
    operation: str, booking_id: str, version: int, status: str, role: str, caller_id: str, key: str = "k"
) -> Call:
    answer = attempt(200, body={"id": booking_id, "status": status, "version": version})
    return call(operation, [answer], booking_id=booking_id, caller_id=caller_id, role=role, key=key)


def read(booking_id: str, version: int, status: str) -> Call:
    body = {"id": booking_id, "status": status, "version": version}
    return call("read", [attempt(200, sent=20.0, body=body)], booking_id=booking_id, role="owner")
