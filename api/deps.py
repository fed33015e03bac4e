"""The state of the running application, as routes get it."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy.ext.asyncio import AsyncEngine

from api.allowed_origins import Origins
from api.cursors import Cursors
from api.engine.account_messages import MessageStarter
from api.engine.gateway import EngineGateway
from api.engine.starter import Starter
from api.identity.credentials import Credentials
from api.identity.tokens import Tokens
from api.limits import Limiter
from api.streams.hub import EventHub
from api.streams.open_streams import OpenStreams
from api.streams.rights import RightsWatch
from runtime.metrics import Exposition
from runtime.settings import Settings
from runtime.storage import Storages


@dataclass(frozen=True, slots=True)
class AppState:
    """Everything a request may need, created once at startup."""

    settings: Settings
    engine: AsyncEngine
    tokens: Tokens
    credentials: Credentials
    gateway: EngineGateway
    starter: Starter
    messages: MessageStarter
    cursors: Cursors
    limiter: Limiter
    origins: Origins
    storages: Storages
    metrics: Exposition
    hub: EventHub
    stream_rights: RightsWatch
    open_streams: OpenStreams

    @staticmethod
    def now() -> datetime:
        """The present moment, in UTC."""
        return datetime.now(UTC)


# A coroutine, although it awaits nothing: FastAPI would run a plain function in a thread.
async def _app_state(request: Request) -> AppState:
    app: AppState = request.app.state.holdfast
    return app


AppStateDep = Annotated[AppState, Depends(_app_state)]
