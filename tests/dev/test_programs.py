import os
from pathlib import Path

import pytest

from dev.errors import DevError
from dev.ports import LOOPBACK, free_port
from dev.programs import migrate
from dev.run_state import RunJournal


async def test_migrations_that_fail_show_their_last_words(home: Path) -> None:
    away = {"HOLDFAST_DATABASE_URL": f"postgresql://nobody@{LOOPBACK}:{free_port()}/none"}
    with pytest.raises(DevError, match="migrations ended with exit code") as failure:
        await migrate(home / "logs", os.environ | away, RunJournal(home / "run.json"))
    assert failure.value.detail
