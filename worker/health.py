"""The worker's HTTP server for probes (`/livez`, `/readyz`) and Prometheus (`/metrics`)."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import uvicorn
from fastapi import FastAPI, Response
from sqlalchemy.ext.asyncio import AsyncEngine
from temporalio.client import Client

from db.engine import ping
from runtime.metrics import METRICS_TYPE, Exposition
from runtime.settings import Settings

_TIMEOUT_SECONDS = 2.0


class _Server(uvicorn.Server):
    """A server that leaves the signals to the worker."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Install no handlers: signals belong to the worker."""
        yield


def _app(client: Client, engine: AsyncEngine) -> FastAPI:
    app = FastAPI(title="Holdfast worker", docs_url=None, redoc_url=None, openapi_url=None)
    exposition = Exposition()

    @app.get("/livez")
    async def livez() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/readyz")
    async def readyz(response: Response) -> dict[str, str]:
        try:
            async with asyncio.timeout(_TIMEOUT_SECONDS):
                await ping(engine)
                await client.service_client.check_health()
        except Exception as error:
            response.status_code = 503
            return {"status": "unavailable", "error": type(error).__name__}
        return {"status": "ok"}

    @app.get("/metrics")
    async def metrics() -> Response:
        return Response(await exposition.text(), media_type=METRICS_TYPE)

    return app


@asynccontextmanager
async def health_server(client: Client, engine: AsyncEngine, settings: Settings) -> AsyncIterator[None]:
    """Serve while the worker runs, at `settings.worker_health_port`."""
    config = uvicorn.Config(
        _app(client, engine),
        host=settings.worker_health_host,
        port=settings.worker_health_port,
        log_config=None,
        access_log=False,
    )
    server = _Server(config)
    serving = asyncio.create_task(server.serve())
    try:
        yield
    finally:
        server.should_exit = True
        await serving
