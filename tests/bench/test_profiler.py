import pytest

import domain.timeline
from bench.call_sites import NO_PYTHON, package_of, short_name
from bench.profiler import evaluate

OURS = (domain.timeline.__file__, "phase")
LIBRARY = ("/v/lib/python3.11/site-packages/sqlalchemy/engine/base.py", "Connection.execute")
STANDARD = ("/usr/lib/python3.11/enum.py", "Enum.__new__")


def test_time_in_the_standard_library_counts_for_its_caller() -> None:
    assert package_of([STANDARD, LIBRARY, OURS]) == "sqlalchemy"
    assert package_of([STANDARD, OURS]) == "domain"
    assert package_of([]) == NO_PYTHON


def test_names_are_short() -> None:
    assert short_name(OURS) == "domain/timeline.py phase"
    assert short_name(LIBRARY) == "sqlalchemy/engine/base.py Connection.execute"
    assert short_name(STANDARD) == "python3.11/enum.py Enum.__new__"


def test_cpu_time_is_divided_in_proportion_to_the_samples() -> None:
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
    assert profile.by_package == {"sqlalchemy": pytest.approx(15.0), NO_PYTHON: pytest.approx(5.0)}
    assert profile.within == {"domain/timeline.py phase": pytest.approx(15.0)}
