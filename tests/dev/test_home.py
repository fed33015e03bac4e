import os
import stat
from pathlib import Path

import pytest
from pydantic import SecretStr

from dev.errors import DevError
from dev.home import Home
from dev.keys import ensure_secrets_key, ensure_signing_key
from dev.run_state import RunJournal
from runtime.settings import Settings


def test_a_second_stack_in_the_same_home_is_refused_with_the_pid_of_the_first(home: Path) -> None:
    with (
        Home(home).locked(),
        pytest.raises(DevError, match=rf"runs in {home} already \(pid {os.getpid()}\)"),
        Home(home).locked(),
    ):
        pass


def test_the_lock_can_be_taken_again_after_it_was_given_back(home: Path) -> None:
    with Home(home).locked():
        pass
    with Home(home).locked():
        pass


def test_a_home_that_cannot_be_written_to_is_named(home: Path) -> None:
    (home / "file").touch()
    with pytest.raises(DevError, match=r"cannot be written to .* set HOLDFAST_HOME"), Home(home / "file").locked():
        pass


def test_only_a_stack_that_holds_the_lock_is_running(home: Path) -> None:
    with Home(home).locked():
        RunJournal(Home(home).run_state).record_urls({"api": "http://127.0.0.1:1"})
        running = Home(home).running()
        assert running
        assert (running.pid, running.urls) == (os.getpid(), {"api": "http://127.0.0.1:1"})
    assert Home(home).running() is None


def test_deleting_the_data_keeps_what_is_not_ours(home: Path) -> None:
    (home / "postgres").mkdir()
    (home / "temporal.db-wal").touch()
    (home / "notes.txt").touch()
    Home(home).delete_data()
    assert [path.name for path in home.iterdir()] == ["notes.txt"]


def test_the_signing_key_is_private_and_made_once(home: Path) -> None:
    path = Home(home).jwt_key
    ensure_signing_key(path)
    first = path.read_bytes()
    ensure_signing_key(path)
    assert path.read_bytes() == first
    assert first.startswith(b"-----BEGIN PRIVATE KEY-----")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_key_for_secrets_is_private_and_made_once(home: Path) -> None:
    path = Home(home).secrets_key
    first = ensure_secrets_key(path)
    assert ensure_secrets_key(path) == first
    assert Settings(secrets_key=SecretStr(first)).secrets_key is not None
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
