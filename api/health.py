"""Liveness, readiness, health and metrics."""

import asyncio
import time
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from fastapi import APIRouter, Response

from api.access import needs
from api.deps import AppState, AppStateDep
from db.engine import ping
from domain.access import Permission
from domain.errors import NotFoundError
from runtime.metrics import METRICS_TYPE

router = APIRouter(tags=["health"])

_TIMEOUT_SECONDS = 2.0
_STARTED = time.monotonic()


def app_version() -> str:
    """The version of the installed package; the source tree's own when it runs from there."""
    try:
        return version("holdfast")
    except PackageNotFoundError:
        return "0.1.0"


@router.get("/livez", operation_id="livez", dependencies=[needs(Permission.PROBE)])
async def livez() -> dict[str, str]:
    """The process answers; nothing else is asked."""
    return {"status": "ok"}


@router.get(
    "/readyz",
    operation_id="readyz",
    dependencies=[needs(Permission.PROBE)],
    responses={503: {"description": "A dependency is away."}},
)
async def readyz(app: AppStateDep, response: Response) -> dict[str, Any]:
    """Whether bookings can be taken. Temporal away does not stop that: commands wait, bookings do not."""
    checks = await _checks(app)
    ready = checks["database"] == "ok"
    response.status_code = 200 if ready else 503
    return {"status": "ok" if ready else "unavailable", "checks": checks}


@router.get(
    "/health",
    operation_id="health",
    dependencies=[needs(Permission.PROBE)],
    responses={503: {"description": "The database is away."}},
)
async def health(app: AppStateDep, response: Response) -> dict[str, Any]:
    """Everything in one answer: `ok`, `degraded` (Temporal is away) or `unavailable`."""
    checks = await _checks(app)
    status = "ok" if set(checks.values()) == {"ok"} else "degraded"
    if checks["database"] != "ok":
        status, response.status_code = "unavailable", 503
    uptime = round(time.monotonic() - _STARTED)
    return {"status": status, "version": app_version(), "uptime_seconds": uptime, "checks": checks}


@router.get("/metrics", operation_id="metrics", dependencies=[needs(Permission.PROBE)], response_class=Response)
async def metrics(app: AppStateDep) -> Response:
    """Prometheus metrics of this process."""
    if app.settings.api_metrics_port:
        raise NotFoundError("The metrics have a port of their own.")
    return Response(await app.metrics.text(), media_type=METRICS_TYPE)


async def can_take_bookings(app: AppState) -> bool:
    """Whether the database answers."""
    return await _try(ping(app.engine)) == "ok"


async def _checks(app: AppState) -> dict[str, str]:
    database, temporal = await asyncio.gather(_try(ping(app.engine)), _try(app.gateway.ping()))
    return {"database": database, "temporal": temporal}


async def _try(check: Any) -> str:
    try:
        await asyncio.wait_for(check, _TIMEOUT_SECONDS)
    except Exception:
        return "unavailable"
    return "ok"
