"""The application: parts wired together once, routers by resource, one shape of error."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from fastapi import FastAPI

from api import errors
from api.access import require_declarations
from api.areas.routes import router as areas
from api.auth.credentials import Credentials
from api.auth.routes import router as auth
from api.auth.tokens import load_tokens
from api.bookings.command_routes import router as commands
from api.bookings.routes import router as bookings
from api.businesses.routes import router as businesses
from api.customers.consent_routes import router as consents
from api.customers.routes import router as customers
from api.deps import Parts
from api.engine.gateway import EngineGateway
from api.engine.starter import Starter
from api.errors import PROBLEM_JSON, Problem
from api.external_source.routes import router as external_source
from api.gate import Gate
from api.health.routes import app_version
from api.health.routes import router as health
from api.holds.routes import router as holds
from api.members.routes import router as members
from api.middleware import RequestContext
from api.providers.routes import router as providers
from api.schedule.routes import router as schedule
from api.services.routes import router as services
from api.slots.routes import router as slots
from api.transfer.routes import router as transfer
from db.engine import create_engine, warm
from runtime import temporal
from runtime.settings import Settings

_DRAIN_SECONDS = 5.0
_RETRY_FOR = timedelta(seconds=1)
"""How long a request waits for a Temporal that does not answer before it is told to come back."""

_ERRORS: dict[int | str, dict[str, Any]] = {
    "default": {"description": "A problem document.", "content": {PROBLEM_JSON: {}}, "model": Problem}
}


def create_app(settings: Settings) -> FastAPI:
    """The API for these settings; it connects when it starts, and starts while Temporal is away."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with running_parts(settings) as parts:
            app.state.parts = parts
            yield

    app = FastAPI(
        title="Holdfast",
        version=app_version(),
        summary="A durable booking engine.",
        lifespan=lifespan,
        responses=_ERRORS,
    )
    for router in (
        auth,
        businesses,
        services,
        providers,
        members,
        schedule,
        areas,
        customers,
        consents,
        bookings,
        commands,
        holds,
        slots,
        transfer,
        external_source,
        health,
    ):
        app.include_router(router)
    require_declarations(app.routes)
    errors.install(app)
    # The last one added is the first to see a request.
    app.add_middleware(Gate)
    app.add_middleware(RequestContext)
    return app


@asynccontextmanager
async def running_parts(settings: Settings) -> AsyncIterator[Parts]:
    """The parts of a running API, ended in the opposite order."""
    tokens = load_tokens(settings)
    engine = create_engine(settings, application_name="holdfast-api")
    client = await temporal.connect(lazy=True, retry_for=_RETRY_FOR)
    gateway = EngineGateway(client, timedelta(seconds=settings.command_timeout_seconds))
    starter = Starter(
        client, engine, concurrency=settings.start_concurrency, backlog_limit=settings.start_backlog_limit
    )
    await warm(engine, settings.database_pool_min)
    starter.start()
    try:
        yield Parts(
            settings=settings,
            engine=engine,
            tokens=tokens,
            credentials=Credentials(tokens, engine),
            gateway=gateway,
            starter=starter,
        )
    finally:
        await starter.stop(within_seconds=_DRAIN_SECONDS)
        await engine.dispose()
