import json
from pathlib import Path

import pytest

from bench.noise import Noise
from bench.report import table, write_json
from bench.results import Goal, Row, at_most, below, times_baseline_at_least, times_baseline_at_most


@pytest.mark.parametrize(
    ("goal", "holdfast", "baseline", "ok"),
    [
        (None, 1.0, 1.0, None),
        (at_most(15), 15.0, None, True),
        (below(15), 15.0, None, False),
        (times_baseline_at_most(2), 4.0, 2.0, True),
        (times_baseline_at_most(2), 4.1, 2.0, False),
        (times_baseline_at_least(0.5), 800.0, 1600.0, True),
        (times_baseline_at_least(0.5), 700.0, 1600.0, False),
        (times_baseline_at_most(2), 4.0, None, False),
    ],
)
def test_a_goal_is_evaluated(goal: Goal | None, holdfast: float, baseline: float | None, ok: bool | None) -> None:
    assert Row("x", "ms", holdfast, baseline, goal=goal).ok is ok


def test_a_goal_is_formatted_as_in_the_budget() -> None:
    assert below(50).text("ms") == "< 50 ms"
    assert times_baseline_at_most(1.3).text("ms") == "≤ 1.3\N{MULTIPLICATION SIGN}"


def test_the_json_contains_what_the_table_shows(tmp_path: Path) -> None:
    rows = [Row("create", "ms", 4.0, 2.0, "bare handler", times_baseline_at_most(2), [3.0, 4.0])]
    path = tmp_path / "results" / "run.json"
    write_json(path, rows, Noise(1.5), quick=True)
    document = json.loads(path.read_text())
    assert document["quick"] is True
    assert document["others_cpu_percent"] == 1.5
    assert document["rows"][0] | {"ratio": 2.0, "ok": True, "rounds": [3.0, 4.0]} == document["rows"][0]
    assert table(rows).row_count == 1
