"""The HTTP server: uvicorn, which ends live streams and WebSockets before it waits for answers under way."""

import socket

import structlog
import uvicorn
from fastapi import FastAPI

_log = structlog.get_logger()


class Server(uvicorn.Server):
    """Stops in time although streams have no end of their own."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen."""
        await super().startup(sockets)
        if self.started:
            _log.info("listening", host=self.config.host, port=self.config.port)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Tell every stream's client to come back, then stop as uvicorn does."""
        _log.info("stopping")
        app = self.config.app
        if isinstance(app, FastAPI) and (state := getattr(app.state, "holdfast", None)) is not None:
            state.hub.close()
        await super().shutdown(sockets)
