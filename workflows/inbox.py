"""Commands between the message handlers, which enqueue them and wait, and the main loop, which applies them."""

import asyncio
from collections import deque

from temporalio.exceptions import ApplicationError

from domain.booking import BookingState
from domain.commands import BookingCommand
from domain.errors import HoldfastError


def refused(error: HoldfastError) -> ApplicationError:
    """An expected refusal as the failure of an update: `type` is the code, the details are its members."""
    return ApplicationError(error.detail, error.extra, type=error.code, non_retryable=True)


class Inbox:
    """A queue of commands, each with the answer that its sender waits for."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[BookingCommand, asyncio.Future[BookingState]]] = deque()

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def put(self, command: BookingCommand) -> asyncio.Future[BookingState]:
        """Enqueue a command; the future brings the state after it, or the refusal."""
        answer: asyncio.Future[BookingState] = asyncio.Future()
        # A signal's sender waits for no answer: a refusal that nobody reads is not an error.
        answer.add_done_callback(lambda done: done.cancelled() or done.exception())
        self._waiting.append((command, answer))
        return answer

    def first(self) -> BookingCommand:
        """The command whose turn it is. It stays until it is answered, so that a new decision finds it again."""
        return self._waiting[0][0]

    def answer(self, outcome: BookingState | HoldfastError) -> None:
        """Answer the first command and take it out."""
        _, answer = self._waiting.popleft()
        if answer.done():
            return
        if isinstance(outcome, HoldfastError):
            answer.set_exception(refused(outcome))
        else:
            answer.set_result(outcome)
