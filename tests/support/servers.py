"""An ASGI application on a real socket, in the test's event loop."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import uvicorn

from api.protocol import Protocol
from api.server import Server
from api.websocket_protocol import SERVER_OPTIONS, WebSocketProtocol


@asynccontextmanager
async def served(app: Any, protocol: type[Protocol] = Protocol) -> AsyncIterator[str]:
    """Serve on a free loopback port; yields the base URL when it listens."""
    config = uvicorn.Config(
        app,
        host="127.0.0.1",
        port=0,
        log_config=None,
        access_log=False,
        timeout_keep_alive=300,
        proxy_headers=False,
        ws=WebSocketProtocol,
        http=protocol,
        **SERVER_OPTIONS,
    )
    server = _Server(config)
    serving = asyncio.create_task(server.serve())
    try:
        await _either(server.listening.wait(), serving)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        await serving


class _Server(Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        self.listening.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Do not handle signals: they belong to the test process."""
        yield


async def _either(serving: Any, failing: asyncio.Task[Any]) -> None:
    """Wait for `serving`, or raise the error of `failing`."""
    waiting = asyncio.ensure_future(serving)
    await asyncio.wait({waiting, failing}, return_when=asyncio.FIRST_COMPLETED)
    if not waiting.done():
        waiting.cancel()
        failing.result()
        raise RuntimeError("the server ended before it listened")
