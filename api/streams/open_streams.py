"""How many streams one caller, and one address, may have open in this process."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from api.addresses import network_of
from domain.errors import TooManyStreamsError
from runtime.settings import Settings

_RETRY_AFTER_SECONDS: Final = 10


class OpenStreams:
    """Counts event streams and WebSockets alike."""

    def __init__(self, settings: Settings) -> None:
        self._per_caller = settings.streams_per_caller
        self._per_address = settings.streams_per_address
        self._open: Counter[str] = Counter()

    @contextmanager
    def of_caller(self, name: str) -> Iterator[None]:
        """One more stream of a caller, during the block.

        Raises:
            TooManyStreamsError: they have as many as they may.
        """
        with self._counted(f"caller/{name}", self._per_caller):
            yield

    @contextmanager
    def of_address(self, address: str) -> Iterator[None]:
        """One more stream from an address, or its IPv6 network, during the block.

        Raises:
            TooManyStreamsError: it has as many as it may.
        """
        with self._counted(f"address/{network_of(address)}", self._per_address):
            yield

    @contextmanager
    def _counted(self, name: str, most: int) -> Iterator[None]:
        if most and self._open[name] >= most:
            raise TooManyStreamsError(retry_after=_RETRY_AFTER_SECONDS)
        self._open[name] += 1
        try:
            yield
        finally:
            self._open[name] -= 1
            if not self._open[name]:
                del self._open[name]
