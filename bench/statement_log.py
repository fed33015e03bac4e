"""The number of statements sent to PostgreSQL, from its log."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg
from sqlalchemy.engine import make_url

from bench.database import administrator_url
from dev.stack import Stack

_SWITCHES = {"log_statement": "all", "log_line_prefix": "%a@%d "}
_POLL_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class StatementLog:
    """The statements that one program has sent to one database since logging was switched on."""

    path: Path
    sender: bytes

    def count(self) -> int:
        """The statements up to now, including BEGIN and COMMIT; answered ones are always in the log."""
        return sum(_is_statement(line) for line in self.path.read_bytes().splitlines() if self._is_ours(line))

    def _is_ours(self, line: bytes) -> bool:
        return line.startswith(self.sender)


def _is_statement(line: bytes) -> bool:
    return b" LOG:  execute " in line or b" LOG:  statement: " in line


@asynccontextmanager
async def logged(stack: Stack, application: str) -> AsyncIterator[StatementLog]:
    """Let the stack's PostgreSQL log every statement inside the context."""
    url = administrator_url(stack.database_url)
    await _configure(url, (f"SET {name} = '{value}'" for name, value in _SWITCHES.items()))
    try:
        while await _setting(url, "log_statement") != _SWITCHES["log_statement"]:  # noqa: ASYNC110
            await asyncio.sleep(_POLL_SECONDS)
        sender = f"{application}@{make_url(stack.database_url).database} "
        yield StatementLog(stack.process("postgres").command.log_path, sender.encode())
    finally:
        await _configure(url, (f"RESET {name}" for name in _SWITCHES))


async def _setting(url: str, name: str) -> str:
    """The value that a new connection sees: the server reloads its configuration asynchronously."""
    connection = await asyncpg.connect(url)
    try:
        return str(await connection.fetchval("SELECT current_setting($1)", name))
    finally:
        await connection.close()


async def _configure(url: str, changes: Iterable[str]) -> None:
    connection = await asyncpg.connect(url)
    try:
        for change in changes:
            await connection.execute(f"ALTER SYSTEM {change}")
        await connection.execute("SELECT pg_reload_conf()")
    finally:
        await connection.close()
