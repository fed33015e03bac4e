"""A short part of the chaos matrix with a fixed seed; `make chaos` runs all of it."""

from pathlib import Path

import pytest

from tests.chaos.cell_run import RunOptions
from tests.chaos.cells import SHORT
from tests.chaos.matrix import run_matrix

_SEED = "suite"


@pytest.mark.timeout(600)
async def test_no_invariant_is_violated_in_the_short_part_of_the_matrix(tmp_path: Path) -> None:
    said: list[str] = []
    assert await run_matrix(SHORT, _SEED, tmp_path, RunOptions(rate=3.0), said.append) == 0, "\n".join(said)
