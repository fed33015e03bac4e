"""A start skips the migrations only if they would change nothing."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from db.__main__ import main as db_main
from dev.postgres import EmbeddedPostgres
from dev.schema import SchemaStamp


@pytest.fixture
async def url(home: Path) -> AsyncIterator[str]:
    """The URL of an empty database."""
    server = EmbeddedPostgres(home)
    await server.start()
    yield server.url
    await server.stop()


async def _migrate(url: str, *command: str) -> None:
    assert await asyncio.to_thread(db_main, [*command, "--database-url", url]) == 0


async def test_the_schema_is_current_once_migrated_and_until_anything_changes(home: Path, url: str) -> None:
    stamp = SchemaStamp(home / "schema")
    assert not await stamp.is_current(url), "nothing is there"
    await _migrate(url, "upgrade")
    assert not await stamp.is_current(url), "no stamp was written"
    await stamp.update(url)
    assert await stamp.is_current(url)

    await _migrate(url, "downgrade")
    assert not await stamp.is_current(url), "the database has changed"
    await _migrate(url, "upgrade")
    assert await stamp.is_current(url)

    stamp.path.write_text(stamp.path.read_text().replace(stamp.path.read_text()[:8], "00000000"))
    assert not await stamp.is_current(url), "the migrations have changed"
