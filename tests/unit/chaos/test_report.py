"""The report of a cell."""

from datetime import UTC, datetime
from pathlib import Path

from tests.chaos.cell_run import Outcome
from tests.chaos.facts import Facts
from tests.chaos.history import Call, History, calls_of, faults_of, read
from tests.chaos.invariants import Violation
from tests.chaos.report import row_of
from tests.support.chaos_evidence import BOOKING, CUSTOMER, attempt, call, command, create


def _outcome(calls: list[Call], faults: list[tuple[str, float, float]]) -> Outcome:
    facts, found = Facts(at=datetime.now(UTC)), [Violation("answers", "x")]
    return Outcome("cell", "1", Path("x"), calls, faults, facts, found, seconds=1, settled_seconds=2)


def test_availability_is_the_share_that_was_answered_when_it_was_first_sent() -> None:
    calls = [
        create(BOOKING, "1", CUSTOMER),
        call("cancel", [attempt(409)]),
        call("cancel", [attempt(503), attempt(200, number=2, body={"id": BOOKING, "status": "x", "version": 2})]),
        call("cancel", [attempt(None)]),
    ]
    row = row_of(_outcome(calls, []))
    assert (row.requests, row.bookings, row.available, row.violations) == (4, 1, 0.5, 1)


def test_recovery_is_the_longest_wait_from_the_end_of_a_fault_to_the_next_acknowledgement() -> None:
    first, second = create("b-1", "1", CUSTOMER), create("b-2", "2", CUSTOMER)
    first.attempts[0].answered, second.attempts[0].answered = 12.0, 26.5
    accept = command("accept", BOOKING, 2, "accepted", "provider", CUSTOMER)
    accept.attempts[0].answered = 21.0
    row = row_of(_outcome([first, second, accept], [("a", 5.0, 10.0), ("b", 20.0, 20.0)]))
    assert (row.create_seconds, row.command_seconds) == (6.5, 11.0)


def test_a_history_is_read_as_it_was_written(tmp_path: Path) -> None:
    history = History(tmp_path / "h.jsonl")
    history.write("cell", cell="x", seed="1", business_id="b")
    name = {"request": "r", "place": 0, "attempt": 1}
    described = {"operation": "create", "method": "POST", "path": "/v1/bookings", "role": "customer"}
    particulars = {"caller_id": "c", "key": "k", "booking_id": None, "request_body": {"notes": "k"}}
    history.write("request", **name, **described, **particulars)
    history.write("fault", fault="kill api", number=0)
    history.write("healed", fault="kill api", number=0)
    history.write("answer", **name, status=201, code=None, error=None, retry_after=None, body={"id": "b-1"})
    history.close()
    assert read(history.path) == history.lines
    (made,) = calls_of(history.lines)
    assert (made.operation, made.key, made.successes[0].body) == ("create", "k", {"id": "b-1"})
    assert [name for name, _, _ in faults_of(history.lines)] == ["kill api"]


def test_a_request_that_no_place_has_an_answer_to_is_open_and_one_that_all_refuse_is_refused() -> None:
    assert call("cancel", [attempt(503)]).is_open
    assert call("cancel", [attempt(503), attempt(409, number=2)]).is_refused
    assert call("cancel", [attempt(409), attempt(None, place=1)]).is_open
    assert call("cancel", [attempt(409, code="request_in_flight")]).is_open
