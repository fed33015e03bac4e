"""The planted bugs still apply to the code."""

import pytest

from dev.programs import ROOT
from tests.chaos import cell_run
from tests.chaos.cells import cell_named
from tests.chaos.invariants import INVARIANTS
from tests.chaos.planted_bugs import Bug, apply, bugs

assert cell_run.CHECKERS  # importing them registers their invariants
_LEAST = 12


@pytest.mark.parametrize("bug", bugs(), ids=[bug.name for bug in bugs()])
def test_a_planted_bug_still_applies_to_the_code(bug: Bug) -> None:
    assert apply(bug, ROOT, check=True) == ""
    assert [cell_named(name).name for name in bug.cells]
    assert bug.detected_by
    assert bug.detected_by <= INVARIANTS.keys()


def test_there_are_as_many_planted_bugs_as_were_asked_for() -> None:
    assert len(bugs()) >= _LEAST
