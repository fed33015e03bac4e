import pytest

import domain.timeline
from bench.profiler import evaluate
from bench.rooms import OUTSIDE, room_of, short_name

OURS = (domain.timeline.__file__, "phase")
LIBRARY = ("/v/lib/python3.11/site-packages/sqlalchemy/engine/base.py", "Connection.execute")
STANDARD = ("/usr/lib/python3.11/enum.py", "Enum.__new__")


def test_the_standard_library_works_for_its_caller() -> None:
    assert room_of([STANDARD, LIBRARY, OURS]) == "sqlalchemy"
    assert room_of([STANDARD, OURS]) == "domain"
    assert room_of([]) == OUTSIDE


def test_names_are_short() -> None:
    assert short_name(OURS) == "domain/timeline.py phase"
    assert short_name(LIBRARY) == "sqlalchemy/engine/base.py Connection.execute"
    assert short_name(STANDARD) == "python3.11/enum.py Enum.__new__"


def test_cpu_is_spread_over_the_samples() -> None:
    found = {
        "process_seconds": 2.0,
        "python_seconds": 1.5,
        "stacks": [
            {"samples": 3, "stack": [list(LIBRARY), list(OURS)]},
            {"samples": 1, "stack": []},
        ],
    }
    profile = evaluate("worker", found, bookings=100)
    assert profile.total == pytest.approx(20.0)
    assert profile.native == pytest.approx(5.0)
    assert profile.by_room == {"sqlalchemy": pytest.approx(15.0), OUTSIDE: pytest.approx(5.0)}
    assert profile.within == {"domain/timeline.py phase": pytest.approx(15.0)}
