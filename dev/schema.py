"""Whether the embedded database has the schema of this source tree, so that a start can skip the migrations."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import asyncpg

from dev.programs import ROOT

_SOURCES: Final = ROOT / "db"


@dataclass(frozen=True, slots=True)
class SchemaStamp:
    """A file with the fingerprint of the last applied migrations and their version."""

    path: Path

    async def is_current(self, database_url: str) -> bool:
        """Whether migrating would change nothing; False if that is unknown."""
        try:
            return self.path.read_text() == await _state(database_url)
        except (OSError, asyncpg.PostgresError):
            return False

    async def update(self, database_url: str) -> None:
        """Record the migrations that have just been applied."""
        self.path.write_text(await _state(database_url))


async def _state(database_url: str) -> str:
    connection = await asyncpg.connect(database_url)
    try:
        versions = await connection.fetch("SELECT version_num FROM alembic_version ORDER BY 1")
    finally:
        await connection.close()
    return " ".join([_fingerprint(), *(row["version_num"] for row in versions)])


def _fingerprint() -> str:
    """The digest of all files that define migrations and the application's rights."""
    digest = hashlib.sha256()
    for path in sorted((*_SOURCES.glob("*.py"), *_SOURCES.glob("migrations/**/*.py"))):
        digest.update(f"{path.relative_to(_SOURCES)}\0".encode() + path.read_bytes())
    return digest.hexdigest()
