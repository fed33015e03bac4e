"""PostgreSQL as a child process, with binaries from a Python package: no installation and no TCP port."""

import asyncio
import signal
from pathlib import Path
from urllib.parse import quote

import asyncpg

from dev.accounts import postgres_account, run_as
from dev.errors import DevError, ProcessDiedError
from dev.postgres_binaries import binary
from dev.postgres_data import SUPERUSER, DataFolder, server_environment
from dev.process import Command, Journal, ManagedProcess
from dev.service import Service, died
from dev.sockets import PORT, socket_folder

DATABASE = "holdfast"
"""Also the name of the role that owns it."""
APP_ROLE = "holdfast_app"
"""The role of the API and the worker; `db.grants` defines its rights."""

# Durability matters: fsync, full_page_writes and synchronous_commit keep their defaults.
_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "port": str(PORT),
    "max_connections": "200",
    "shared_buffers": "128MB",
    "max_wal_size": "2GB",
    "timezone": "UTC",
    "log_timezone": "UTC",
}

# Errors of a new server while the last processes of a killed one are still ending.
_TEMPORARY_ERRORS = ("shared memory block", "postmaster.pid")
_UNAVAILABLE = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
"""Errors of the driver if the server does not run yet, or is killed during a query."""
_RETRY_SECONDS = 0.2
_RETRIES = 50


class EmbeddedPostgres(Service):
    """A server for `home`; `start` also creates the database `holdfast` and its two roles.

    Raises:
        DevError: from the constructor, if the programs are missing, no socket folder can be created, or the
            account that root runs it under has no access.
    """

    def __init__(self, home: Path, *, journal: Journal | None = None) -> None:
        account = postgres_account()
        self._data = DataFolder(home.absolute() / "postgres", account)
        self._sockets = socket_folder(home, account)
        super().__init__(ManagedProcess(self._command(home.absolute()), journal))

    @property
    def url(self) -> str:
        """The URL of database `holdfast` with role `holdfast`, its owner, which is not a superuser."""
        return self.url_for(DATABASE)

    @property
    def app_url(self) -> str:
        """The URL of the same database with role `holdfast_app`, which owns nothing."""
        return self.url_for(DATABASE, role=APP_ROLE)

    def url_for(self, database: str, *, role: str = DATABASE) -> str:
        """The URL of another database or role; the superuser is `postgres`."""
        return f"postgresql://{role}@/{database}?host={quote(str(self._sockets))}&port={PORT}"

    def _command(self, home: Path) -> Command:
        # The setting is a list of paths: the quotes protect blanks and commas.
        settings = _SETTINGS | {"unix_socket_directories": f'"{self._sockets}"'}
        options = [f"--{name}={value}" for name, value in settings.items()]
        argv = (str(binary("postgres")), "-D", str(self._data.path), *options)
        running = run_as(self._data.account, *argv, to=(binary("postgres"), self._data.path, self._sockets))
        return Command(
            name="postgres",
            argv=running.argv,
            log_path=home / "logs" / "postgres.log",
            environment=server_environment(),
            directory=Path("/"),
            user=running.options,
            stop_signal=signal.SIGINT,  # fast shutdown: ends sessions, writes a checkpoint
            force_signal=signal.SIGQUIT,  # immediate shutdown: the next start replays the log
        )

    async def start(self) -> None:
        """Create the cluster at the first start, run the server and create the database.

        Raises:
            DevError: the data folder is broken, or the server does not start.
        """
        await self._data.prepare()
        await self._start_server()
        try:
            await self._make_database()
        except _UNAVAILABLE as error:
            await self.stop()
            if code := await self.process.wait():
                raise died(self.process, code) from error
            raise DevError(f"PostgreSQL cannot create its database: {error}") from error

    async def _start_server(self) -> None:
        for _ in range(_RETRIES):
            try:
                return await super().start()
            except ProcessDiedError as death:
                if not any(words in death.detail for words in _TEMPORARY_ERRORS):
                    raise
            await asyncio.sleep(_RETRY_SECONDS)
        return await super().start()

    async def is_ready(self) -> bool:
        try:
            connection = await self._connect("postgres")
        except _UNAVAILABLE:
            return False
        await connection.close()
        return True

    async def _connect(self, database: str) -> asyncpg.Connection:
        return await asyncpg.connect(self.url_for(database, role=SUPERUSER))

    async def _make_database(self) -> None:
        connection = await self._connect("postgres")
        try:
            await _make_role(connection, DATABASE, "LOGIN CREATEDB")
            await _make_role(connection, APP_ROLE, "LOGIN")
            if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", DATABASE):
                await connection.execute(f"CREATE DATABASE {DATABASE} OWNER {DATABASE}")
            await connection.execute(f"REVOKE ALL ON DATABASE {DATABASE} FROM PUBLIC")
            await connection.execute(f"GRANT CONNECT ON DATABASE {DATABASE} TO {APP_ROLE}")
        finally:
            await connection.close()
        await self._make_extension()

    async def _make_extension(self) -> None:
        connection = await self._connect(DATABASE)
        try:
            await connection.execute("CREATE EXTENSION IF NOT EXISTS btree_gist")
        finally:
            await connection.close()


async def _make_role(connection: asyncpg.Connection, name: str, options: str) -> None:
    # Checked at every start: older homes do not have the application's role.
    if not await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", name):
        await connection.execute(f"CREATE ROLE {name} {options}")
