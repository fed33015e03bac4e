"""Interruptions: a task that is cancelled at each of its awaits, and a database that stops answering."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Coroutine, Generator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import coroutine
from typing import Any


@dataclass(frozen=True, slots=True)
class Attempt:
    """The outcome of a task that should be cancelled at one of its awaits."""

    is_interrupted: bool
    """Whether it reached that await; else it ended before."""
    result: Any = None


async def cancelled_at(work: Coroutine[Any, Any, Any], place: int) -> Attempt:
    """Run the work in a task that is cancelled during its `place`th await, counted from 1."""
    reached: list[int] = []
    task = asyncio.create_task(_cancelling(work, place, reached))
    try:
        return Attempt(is_interrupted=bool(reached), result=await task)
    except asyncio.CancelledError:
        return Attempt(is_interrupted=True)


async def _cancelling(work: Coroutine[Any, Any, Any], place: int, reached: list[int]) -> Any:
    return await _counted(work, place, reached)


@coroutine
def _counted(work: Coroutine[Any, Any, Any], place: int, reached: list[int]) -> Generator[Any, Any, Any]:
    task = asyncio.current_task()
    assert task is not None
    waits, resume, value = 0, work.send, None
    while True:
        try:
            future = resume(value)
        except StopIteration as done:
            return done.value
        waits += 1
        if waits == place:
            reached.append(place)
            asyncio.get_running_loop().call_soon(task.cancel)
        try:
            value = yield future
            resume = work.send
        except BaseException as error:  # a cancellation, or what the future failed with
            resume, value = work.throw, error


class SilentDatabase:
    """A proxy for a real PostgreSQL that can drop a message or its answer."""

    def __init__(self, target: Path) -> None:
        self._target = target
        self._messages_left: int | None = None
        self._loses_answer = False
        self.is_silent = False
        """Whether the message has been reached."""
        self._copies: set[asyncio.Task[None]] = set()

    def fall_silent_at(self, message: int, *, answer: bool) -> None:
        """Drop this message (1: the next one) or only its answer, and everything after it on its connection."""
        self._messages_left, self._loses_answer, self.is_silent = message, answer, False

    def speak(self) -> None:
        """Drop nothing more on other connections."""
        self._messages_left = None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        server_reader, server_writer = await asyncio.open_unix_connection(str(self._target))
        lost = asyncio.Event()
        answers = asyncio.create_task(self._answers(server_reader, writer, lost))
        self._copies.add(answers)
        try:
            await self._messages(reader, server_writer, lost)
        finally:
            answers.cancel()
            for one in (writer, server_writer):
                one.close()

    async def _messages(
        self, reader: asyncio.StreamReader, server: asyncio.StreamWriter, lost: asyncio.Event
    ) -> None:
        with suppress(OSError):
            while data := await reader.read(65_536):
                if self._is_the_one():
                    lost.set()
                    if not self._loses_answer:
                        continue
                elif lost.is_set():
                    continue
                server.write(data)
                await server.drain()

    def _is_the_one(self) -> bool:
        if self._messages_left is None:
            return False
        self._messages_left -= 1
        if self._messages_left:
            return False
        self._messages_left, self.is_silent = None, True
        return True

    @staticmethod
    async def _answers(reader: asyncio.StreamReader, client: asyncio.StreamWriter, lost: asyncio.Event) -> None:
        with suppress(OSError):
            while data := await reader.read(65_536):
                if not lost.is_set():
                    client.write(data)
                    await client.drain()


@asynccontextmanager
async def silent_database(folder: Path, target: Path) -> AsyncIterator[SilentDatabase]:
    """Listen in `folder` like PostgreSQL, and forward to the server that listens at `target`."""
    await asyncio.to_thread(folder.mkdir, exist_ok=True)
    database = SilentDatabase(target)
    server = await asyncio.start_unix_server(database.serve, str(folder / target.name))
    try:
        yield database
    finally:
        server.close()


async def ended(work: Awaitable[Any]) -> Any:
    """The result of the work, or None if it failed."""
    with suppress(Exception):
        return await work
    return None
