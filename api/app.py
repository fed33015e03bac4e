"""The application: parts wired together once, routers by resource, one shape of error."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from fastapi import FastAPI

from api import errors
from api.access import require_declarations
from api.api_keys.routes import router as api_keys
from api.areas.routes import router as areas
from api.attachments.routes import router as attachments
from api.audit.routes import router as audit_log
from api.auth.credentials import Credentials
from api.auth.messages import MessageStarter
from api.auth.routes import router as auth
from api.auth.tokens import load_tokens
from api.bookings.command_routes import router as commands
from api.bookings.routes import router as bookings
from api.businesses.routes import router as businesses
from api.cursors import Cursors
from api.customers.consent_routes import router as consents
from api.customers.routes import router as customers
from api.deps import Parts
from api.engine.gateway import EngineGateway
from api.engine.starter import Starter
from api.events.routes import router as events
from api.exports.routes import router as exports
from api.external_source.routes import router as external_source
from api.findings.routes import router as findings
from api.health.routes import app_version
from api.health.routes import router as health
from api.holds.routes import router as holds
from api.hooks.routes import router as hooks
from api.integrations.routes import router as integrations
from api.jobs.routes import router as jobs
from api.limits import Limiter
from api.members.routes import router as members
from api.messages.routes import router as messages
from api.messages.template_routes import router as message_templates
from api.middleware.context import RequestContext
from api.middleware.cors import Cors
from api.middleware.deadlines import Deadline
from api.middleware.gate import Gate
from api.middleware.proxies import SeenThrough
from api.openapi.document import describe
from api.origins.known import Origins
from api.origins.routes import router as origins
from api.payments.routes import router as payments
from api.providers.routes import router as providers
from api.reports.routes import router as reports
from api.schedule.routes import router as schedule
from api.services.routes import router as services
from api.slots.routes import router as slots
from api.transfer.routes import router as transfer
from api.webhooks.delivery_routes import router as webhook_deliveries
from api.webhooks.routes import router as webhooks
from db.engine import create_engine, warm
from runtime import temporal
from runtime.settings import Settings
from runtime.storage import Storages

_DRAIN_SECONDS = 5.0
_RETRY_FOR = timedelta(seconds=1)
"""How long a request waits for a Temporal that does not answer before it is told to come back."""


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
        redoc_url=None,
        swagger_ui_oauth2_redirect_url=None,
        redirect_slashes=False,  # a redirect would go to whatever host the request names
    )
    for router in (
        # The first that fits is taken, so what is asked most often comes first.
        bookings,
        commands,
        attachments,
        payments,
        slots,
        holds,
        auth,
        businesses,
        services,
        providers,
        members,
        schedule,
        areas,
        origins,
        customers,
        consents,
        transfer,
        exports,
        external_source,
        webhooks,
        webhook_deliveries,
        events,
        reports,
        message_templates,
        messages,
        integrations,
        jobs,
        findings,
        api_keys,
        audit_log,
        hooks,
        health,
    ):
        app.include_router(router)
    require_declarations(app.routes)
    describe(app)
    errors.install(app)
    # The last one added is the first to see a request.
    app.add_middleware(Gate)
    app.add_middleware(Deadline, seconds=settings.request_timeout_seconds)
    app.add_middleware(Cors)
    app.add_middleware(RequestContext)
    app.add_middleware(SeenThrough, trusted=settings.trusted_proxy_networks)
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
    limiter = Limiter(settings)
    storages = Storages(settings)
    await warm(engine, settings.database_pool_min)
    starter.start()
    limiter.start()
    try:
        yield Parts(
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
            storages=storages,
        )
    finally:
        await starter.stop(within_seconds=_DRAIN_SECONDS)
        await limiter.stop()
        await storages.close()
        await engine.dispose()
