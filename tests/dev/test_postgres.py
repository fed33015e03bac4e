import os
import stat
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from dev.accounts import Account, postgres_account, run_as
from dev.errors import DevError
from dev.postgres import APP_ROLE, DATABASE, EmbeddedPostgres
from dev.postgres_binaries import binary, major_version
from dev.postgres_data import SUPERUSER
from dev.sockets import socket_folder


@pytest.fixture(scope="module")
async def postgres(shared_home: Path) -> AsyncIterator[EmbeddedPostgres]:
    server = EmbeddedPostgres(shared_home)
    await server.start()
    yield server
    await server.stop()


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def _run(url: str, *statements: str) -> None:
    connection = await asyncpg.connect(url)
    for statement in statements:
        await connection.execute(statement)
    await connection.close()


async def _value(url: str, query: str) -> object:
    connection = await asyncpg.connect(url)
    value: object = await connection.fetchval(query)
    await connection.close()
    return value


async def test_its_role_owns_the_database_and_is_no_superuser(postgres: EmbeddedPostgres) -> None:
    await _run(
        postgres.url,
        "CREATE TABLE held (provider int, during tstzrange, EXCLUDE USING gist (provider WITH =, during WITH &&))",
    )
    assert await _value(postgres.url, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user") is False


async def test_the_application_s_role_may_come_in_and_nothing_else(postgres: EmbeddedPostgres) -> None:
    assert await _value(postgres.app_url, "SELECT current_user") == APP_ROLE
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await _run(postgres.app_url, "CREATE TABLE mine (n int)")


async def test_a_home_that_is_older_than_the_application_s_role_gets_it(postgres: EmbeddedPostgres) -> None:
    superuser = postgres.url_for(DATABASE, role=SUPERUSER)
    await _run(superuser, f"DROP OWNED BY {APP_ROLE}", f"DROP ROLE {APP_ROLE}")
    await _run(superuser, f"GRANT ALL ON DATABASE {DATABASE} TO PUBLIC")
    await postgres.stop()
    await postgres.start()
    assert await _value(postgres.app_url, "SELECT current_user") == APP_ROLE


async def test_it_listens_on_a_private_socket_only(postgres: EmbeddedPostgres, shared_home: Path) -> None:
    assert await _value(postgres.url, "SHOW listen_addresses") == ""
    assert mode(shared_home / "socket") == 0o700
    assert mode(shared_home) & stat.S_IRWXO == 0


async def test_it_runs_below_a_closed_folder_and_does_not_open_it(home: Path) -> None:
    """As root it runs under another account, which may not traverse this folder."""
    server = EmbeddedPostgres(home / "inner")
    await server.start()
    try:
        assert await _value(server.url, "SELECT 1") == 1
    finally:
        await server.stop()
    assert mode(home) == 0o700


def test_a_folder_that_the_account_cannot_pass_by_any_means_is_named(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(home))  # no setpriv
    account = Account(name="somebody", uid=os.geteuid() + 1, gid=os.getegid() + 1)
    with pytest.raises(DevError, match=f"somebody may not pass through {home}: run as another user"):
        account.run("true", to=[home / "postgres"])
    assert mode(home) == 0o700


async def test_a_commit_survives_kill_and_stop(postgres: EmbeddedPostgres) -> None:
    await _run(postgres.url, "CREATE TABLE kept (n int)", "INSERT INTO kept VALUES (1)")
    await postgres.kill()
    await postgres.start()
    await _run(postgres.url, "INSERT INTO kept VALUES (2)")
    await postgres.stop()
    await postgres.start()
    assert await _value(postgres.url, "SELECT array_agg(n ORDER BY n) FROM kept") == [1, 2]


async def test_it_restarts_while_processes_of_the_killed_one_still_end(postgres: EmbeddedPostgres) -> None:
    connection = await asyncpg.connect(postgres.url)
    await postgres.kill()
    await postgres.start()
    assert await _value(postgres.url, "SELECT 1") == 1
    connection.terminate()


async def test_durability_is_on(postgres: EmbeddedPostgres) -> None:
    for setting in ("fsync", "synchronous_commit", "full_page_writes"):
        assert await _value(postgres.url, f"SHOW {setting}") == "on"


async def test_a_lock_whose_process_id_another_program_has_now_is_forgotten(
    postgres: EmbeddedPostgres, shared_home: Path
) -> None:
    await postgres.stop()
    (shared_home / "postgres" / "postmaster.pid").write_text(f"{os.getpid()}\n{shared_home / 'postgres'}\n")
    await postgres.start()


async def test_an_interrupted_first_start_leaves_no_broken_folder_and_damage_is_told(home: Path) -> None:
    (home / "postgres.new").mkdir()
    (home / "postgres.new" / "PG_VERSION").write_text("half")
    server = EmbeddedPostgres(home)
    await server.start()
    await server.stop()
    (home / "postgres" / "global" / "pg_control").write_bytes(b"")
    with pytest.raises(DevError, match=r"postgres ended with .*pg_control"):
        await server.start()


@pytest.mark.parametrize(
    ("version", "message"),
    [
        ("garbage", "is broken .PG_VERSION says 'garbage'.: move the folder away"),
        (str(major_version() - 1), f"is of PostgreSQL {major_version() - 1}, this is {major_version()}"),
        (None, "is no PostgreSQL data folder .PG_VERSION: no such file"),
    ],
)
async def test_a_broken_folder_is_named_and_left_as_it_is(home: Path, version: str | None, message: str) -> None:
    folder = home / "postgres"
    folder.mkdir()
    if version:
        (folder / "PG_VERSION").write_text(version)
    server = EmbeddedPostgres(home)
    with pytest.raises(DevError, match=message):
        await server.start()
    assert not server.process.running
    assert len(list(folder.iterdir())) == (1 if version else 0)


def test_a_missing_program_is_named() -> None:
    with pytest.raises(DevError, match=r"no-such-program is missing: install"):
        binary("no-such-program")


def test_a_home_with_a_long_path_has_its_socket_elsewhere(home: Path) -> None:
    folder = socket_folder(home / ("x" * 100), account=None)
    try:
        assert not folder.is_relative_to(home)
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert folder == socket_folder(home / ("x" * 100), account=None)
        assert folder != socket_folder(home / ("y" * 100), account=None)
    finally:
        folder.rmdir()
        socket_folder(home / ("y" * 100), account=None).rmdir()


def test_the_account_finds_programs_below_a_closed_folder(home: Path) -> None:
    program = home / "program"
    program.write_text("#!/bin/sh\necho found\n")
    program.chmod(0o755)
    assert mode(home) == 0o700
    arguments = ("/bin/sh", "-c", '[ -x "$0" ] && exec "$0"', str(program))  # as initdb checks its program
    running = run_as(postgres_account(), *arguments, to=[program])
    assert subprocess.run(running.argv, **running.options, check=True, capture_output=True).stdout == b"found\n"
