"""The product's processes as in production, each with its log lines."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx

from dev.ports import free_port
from runtime.settings import Settings


@asynccontextmanager
async def api_process(settings: Settings) -> AsyncIterator[tuple[httpx.AsyncClient, list[str]]]:
    """`python -m api` as a separate process, and its log lines."""
    port = free_port()
    async with (
        process(settings, "api", "--port", str(port)) as lines,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as http,
    ):
        await until_alive(http)
        yield http, lines


@asynccontextmanager
async def process(settings: Settings, package: str, *arguments: str) -> AsyncIterator[list[str]]:
    """Run `python -m package` during the block; yields its log lines."""
    started = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", package, *arguments),
        env=os.environ | _variables(settings),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    lines: list[str] = []
    reading = asyncio.create_task(_collect(started, lines))
    try:
        yield lines
    finally:
        started.terminate()
        await started.wait()
        await reading


def _variables(settings: Settings) -> dict[str, str]:
    secret = settings.secrets_key.get_secret_value() if settings.secrets_key else ""
    return {
        "HOLDFAST_DATABASE_URL": settings.database_url,
        "HOLDFAST_JWT_KEY_FILE": str(settings.jwt_key_file),
        "HOLDFAST_MAIL_FOLDER": settings.mail_folder,
        "HOLDFAST_STORAGE_FOLDER": settings.storage_folder,
        "HOLDFAST_SECRETS_KEY": secret,
        "HOLDFAST_RATE_LIMIT_PER_MINUTE": "0",
        "HOLDFAST_STREAMS_PER_CALLER": str(settings.streams_per_caller),
        "HOLDFAST_STREAMS_PER_ADDRESS": str(settings.streams_per_address),
        "HOLDFAST_STREAM_SEND_SECONDS": str(settings.stream_send_seconds),
        "HOLDFAST_WEBSOCKET_MESSAGES_PER_MINUTE": str(settings.websocket_messages_per_minute),
        "HOLDFAST_WORKER_GRACEFUL_SECONDS": "1",
        "HOLDFAST_LOG_LEVEL": "DEBUG",
        "PYTHONUNBUFFERED": "1",
    }


async def _collect(started: asyncio.subprocess.Process, lines: list[str]) -> None:
    assert started.stdout is not None
    while line := await started.stdout.readline():
        lines.append(line.decode().rstrip())


async def until_alive(http: httpx.AsyncClient) -> None:
    """Wait until the API answers."""
    async with asyncio.timeout(30):
        while True:
            try:
                await http.get("/livez")
            except httpx.TransportError:
                await asyncio.sleep(0.02)
            else:
                return
