from datetime import UTC, datetime, time, timedelta
from typing import Any

from dev.demo_output import job_line, next_line, row_line
from dev.demo_stream import heard_line
from dev.demo_vendors import SimulatorUrls, accounts
from dev.vendors.s3 import REGION
from dev.welcome import booking_command, next_opening
from domain.effects import PORT_OF, Port, Vendor
from domain.integrations import CONNECTIONS

_SATURDAY_NIGHT = datetime(2026, 11, 22, 4, tzinfo=UTC)  # still Saturday in New York


def test_the_next_opening_is_at_ten_and_never_on_a_sunday() -> None:
    openings = [next_opening(_SATURDAY_NIGHT + timedelta(days=day)) for day in range(7)]
    assert {opening.time() for opening in openings} == {time(10)}
    assert openings[0].isoformat() == "2026-11-23T10:00:00-05:00"
    assert all(opening.weekday() < 6 for opening in openings)


def test_the_booking_command_logs_in_and_books() -> None:
    command = booking_command("http://127.0.0.1:8000", next_opening(_SATURDAY_NIGHT))
    for part in ("/v1/auth/login", "/v1/bookings", "Idempotency-Key", "2026-11-23T10:00:00-05:00"):
        assert part in command
    assert max(len(line) for line in command.splitlines()) < 120


def test_a_history_row_in_one_line() -> None:
    row: dict[str, Any] = {
        "sequence": 3,
        "kind": "transition",
        "old_status": "assigned",
        "new_status": "rejected",
        "actor": {"role": "provider", "id": "p1"},
        "reason": "the van is in repair",
        "provider_id": "p1",
        "occurred_at": "2026-11-20T10:00:00.123456+00:00",
    }
    words = row_line(row, {"p1": "Ana Ruiz"}).split(maxsplit=1)[1]
    assert " ".join(words.split()) == (
        "#3 transition assigned -> rejected by provider Ana Ruiz, the van is in repair"
    )


def test_a_heard_event_in_one_line() -> None:
    event: dict[str, Any] = {
        "type": "scheduling.booking.accepted",
        "time": "2026-11-20T10:00:00.123456+00:00",
        "sequence": "00000000000000000042",
    }
    assert heard_line(event).split(maxsplit=1)[1] == "heard scheduling.booking.accepted, event 42"


def test_a_job_in_one_line() -> None:
    job: dict[str, Any] = {
        "kind": "send_email",
        "vendor": "sendgrid",
        "priority": "high",
        "state": "retrying",
        "attempts": 3,
        "last_error": "rate_limited",
        "vendor_ref": None,
    }
    assert job_line(job).split() == [
        "send_email",
        "sendgrid",
        "high",
        "retrying",
        "3",
        "attempts,",
        "rate_limited",
    ]
    done = job | {"state": "done", "attempts": 1, "last_error": None, "vendor_ref": "m-1"}
    assert job_line(done).split() == ["send_email", "sendgrid", "high", "done", "m-1"]


def test_the_demo_has_accounts_that_the_api_takes_at_every_vendor_it_names() -> None:
    made = accounts(SimulatorUrls("http://127.0.0.1:8090", "http://127.0.0.1:8091"))
    for vendor, account in made.items():
        connection = CONNECTIONS[Vendor(vendor)]
        connection.settings.model_validate(account["settings"])
        assert connection.required <= account["secrets"].keys() <= connection.secrets
    assert {PORT_OF[Vendor(vendor)] for vendor in made} == set(Port) - {Port.WEBHOOKS}
    assert made["s3"]["settings"]["region"] == REGION


def test_what_comes_next_in_one_line() -> None:
    upcoming: dict[str, Any] = {
        "phase": "assigning",
        "deadline": {"kind": "next_attempt", "at": "2026-11-20T10:00:02+00:00"},
        "attempt": 1,
        "max_attempts": 4,
        "next_attempt_at": "2026-11-20T10:00:02+00:00",
        "refused_provider_ids": ["p1"],
        "choice": {"because": "highest rating, 4.70; one of 2 who were free"},
    }
    line = next_line(upcoming, {"p1": "Ana Ruiz"})
    assert "next: assigning, next attempt " in line
    assert ":02, attempt 2 of 4, " in line
    assert line.endswith("refused by Ana Ruiz")
    assert "highest rating" not in line
    offered = upcoming | {"phase": "awaiting_answer", "next_attempt_at": None}
    assert "highest rating, 4.70; one of 2 who were free" in next_line(offered, {"p1": "Ana Ruiz"})
