"""The application: its state, routers and middleware are wired together here."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta

from fastapi import FastAPI
from starlette.routing import BaseRoute

from api import errors
from api.access import require_declarations
from api.allowed_origins import Origins
from api.cursors import Cursors
from api.deps import AppState
from api.engine.account_messages import MessageStarter
from api.engine.gateway import EngineGateway
from api.engine.starter import Starter
from api.health import app_version
from api.identity.credentials import Credentials
from api.identity.tokens import load_tokens
from api.limits import Limiter
from api.middleware.authentication import AuthMiddleware
from api.middleware.cors import Cors
from api.middleware.deadlines import Deadline
from api.middleware.proxies import TrustedProxies
from api.middleware.request_context import RequestContextMiddleware
from api.openapi.document import describe
from api.openapi.pages import add_pages
from api.routes import ROUTERS
from api.streams.hub import EventHub
from api.streams.open_streams import OpenStreams
from api.streams.rights import RightsWatch
from db.engine import create_engine, warm
from runtime import temporal
from runtime.metrics import Exposition
from runtime.settings import Settings
from runtime.storage import Storages

_DRAIN_SECONDS = 5.0
_RETRY_FOR = timedelta(seconds=1)
"""How long a request waits for a Temporal that does not answer."""


def create_app(settings: Settings, pages: Sequence[BaseRoute] = ()) -> FastAPI:
    """The API for these settings, and pages beside it. It connects at startup, and starts without Temporal too."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with running_app(settings) as state:
            app.state.holdfast = state
            yield

    app = FastAPI(
        title="Holdfast",
        version=app_version(),
        summary="A durable booking engine.",
        lifespan=lifespan,
        openapi_url=None,  # api.openapi.pages serves it
        redirect_slashes=False,  # a redirect would trust the request's Host
        # Not `include_router`: it builds each route a second time, a tenth of the start time.
        routes=[*(route for router in ROUTERS for route in router.routes), *pages],
    )
    require_declarations(app.routes)
    describe(app)
    add_pages(app)
    errors.install(app)
    # The last one added sees a request first.
    app.add_middleware(AuthMiddleware)
    app.add_middleware(Deadline, seconds=settings.request_timeout_seconds)
    app.add_middleware(Cors)
    app.add_middleware(RequestContextMiddleware)
    app.add_middleware(TrustedProxies, trusted=settings.trusted_proxy_networks)
    return app


@asynccontextmanager
async def running_app(settings: Settings, *, application_name: str = "holdfast-api") -> AsyncIterator[AppState]:
    """The state of a running API, whose connections to PostgreSQL have this name; parts close in reverse order."""
    tokens = load_tokens(settings)
    engine = create_engine(settings, application_name=application_name)
    client = await temporal.connect(lazy=True, retry_for=_RETRY_FOR)
    gateway = EngineGateway(client, timedelta(seconds=settings.command_timeout_seconds))
    starter = Starter(
        client, engine, concurrency=settings.start_concurrency, backlog_limit=settings.start_backlog_limit
    )
    limiter = Limiter(settings)
    hub, stream_rights = EventHub(engine, settings.database_url), RightsWatch(engine)
    await warm(engine, settings.database_pool_min)
    starter.start()
    limiter.start()
    listening = [asyncio.create_task(hub.run()), asyncio.create_task(stream_rights.run())]
    try:
        yield AppState(
            settings=settings,
            engine=engine,
            tokens=tokens,
            credentials=Credentials(tokens, engine),
            gateway=gateway,
            starter=starter,
            messages=MessageStarter(client),
            cursors=Cursors(tokens.keys.derive("cursors")),
            limiter=limiter,
            origins=Origins(engine, settings.own_origins),
            storages=Storages(settings),
            metrics=Exposition(),
            hub=hub,
            stream_rights=stream_rights,
            open_streams=OpenStreams(settings),
        )
    finally:
        hub.close()
        for task in listening:
            task.cancel()
        await starter.stop(within_seconds=_DRAIN_SECONDS)
        await limiter.stop()
        await engine.dispose()
