"""Exported businesses, and importing them over HTTP."""

import json
from typing import Any

import httpx
from sqlalchemy import text

from tests.support.factories import future
from tests.support.stage import Json, Stage, ok

TABLES = (
    "services",
    "providers",
    "weekly_hours",
    "date_exceptions",
    "time_off",
    "service_areas",
    "customers",
    "consents",
)
SERVICE: Json = {"code": "cut", "name": "Hair cut", "duration_minutes": 30, "price": {"amount_minor": 3500}}
ROBIN: Json = {"name": "Robin Roe", "email": "robin@example.com", "phone": "+12125550100"}


def document() -> Json:
    """A document with every section, without default values."""
    away = {"starts_at": future(100).isoformat(), "ends_at": future(200).isoformat()}
    agreed = {
        "purpose": "sms",
        "granted": True,
        "source": "form",
        "text": "Yes",
        "given_at": "2026-01-02T03:04:05.6Z",
    }
    return {
        "version": 1,
        "business": {
            "name": "Moved In",
            "timezone": "Europe/London",
            "currency": "GBP",
            "locale": "en-GB",
            "guest_bookings": False,
            "policy": {"hold_minutes": 5, "cancellation": {"fee_percent": 50}},
        },
        "services": [
            SERVICE,
            SERVICE
            | {
                "code": None,
                "name": 'Perm, "long"\nhair',
                "description": "=SUM(A1)",
                "buffer_before_minutes": 5,
                "buffer_after_minutes": 10,
                "price": {"amount_minor": 0, "currency": "EUR"},
                "capacity": 4,
                "slot_step_minutes": 20,
                "min_notice_minutes": 60,
                "horizon_days": None,
                "daily_limit": 3,
                "required_skills": ["perm", "cut"],
                "active": False,
            },
        ],
        "providers": [
            {"code": "cho", "name": "Cho"},
            {
                "code": "dee",
                "name": "Dée",
                "email": "Dee@Example.com",
                "phone": "+44 20 7946 0958",
                "timezone": "Europe/Paris",
                "skills": ["cut", "perm"],
                "rating": 4.35,
                "available": False,
                "auto_accept": True,
            },
        ],
        "hours": [
            {"day": "mon", "opens": "09:00", "closes": "12:30"},
            {"day": "mon", "opens": "13:30", "closes": "24:00"},
            {"provider": "cho", "day": "sun", "opens": "22:00", "closes": "02:00"},
        ],
        "exceptions": [
            {"date": "2030-12-25", "kind": "closed", "name": "Christmas", "yearly": True},
            {"provider": "cho", "date": "2030-12-24", "kind": "hours", "opens": "08:00", "closes": "10:00"},
            {"provider": "cho", "date": "2030-12-24", "kind": "hours", "opens": "12:00", "closes": "13:00"},
        ],
        "time_off": [{"kind": "block", "note": "Painters"} | away, {"provider": "dee"} | away],
        "areas": [
            {"kind": "prefix", "code": "sw1"},
            {"kind": "range", "from": "10001", "to": "10299"},
            {"provider": "cho", "kind": "exact", "code": "SW1A 1AA"},
        ],
        "customers": [
            ROBIN | {"sms_opt_in": True, "consents": [agreed]},
            {"name": "Alex Roe", "phone": ROBIN["phone"]},
            {"name": "'t Hooft", "email": "thooft@example.com"},
            {"name": "Walk In"},
            {"name": "Walk In"},
            {"name": "Zoë", "phone": "+442079460000", "sms_opt_in": True},
        ],
    }


async def founded(stage: Stage, name: str) -> str:
    """The path of a new business of this owner."""
    body = {"name": name, "slug": f"{stage.tenant.slug}-{name}", "timezone": "UTC", "currency": "USD"}
    return f"/v1/businesses/{ok(await stage.as_('owner').post('/v1/businesses', body), 201)['id']}"


async def send(
    stage: Stage, path: str, content: str | bytes | Json, *, by: str = "owner", key: str = "", **query: Any
) -> httpx.Response:
    """Import JSON, or CSV when a `section` is named; `key` is an Idempotency-Key."""
    client = stage.as_(by)
    kind = "text/csv; charset=utf-8" if "section" in query else "application/json"
    body = json.dumps(content) if isinstance(content, dict) else content
    headers = client.headers(**{"Content-Type": kind, "Idempotency-Key": key})
    return await client._http.post(f"{path}/import", content=body, headers=headers, params=query)


async def bring(stage: Stage, path: str, content: str | bytes | Json, **query: Any) -> Json:
    """Import, which must succeed; returns the counts."""
    counts: Json = ok(await send(stage, path, content, **query))["counts"]
    return counts


async def exported(stage: Stage, path: str) -> Json:
    return ok(await stage.as_("owner").get(f"{path}/export"))


async def sheet(stage: Stage, path: str, section: str) -> str:
    answer = await stage.as_("owner").get(f"{path}/export", format="csv", section=section)
    assert answer.status_code == 200, answer.text
    return str(answer.text)


async def counted(stage: Stage, path: str) -> dict[str, int]:
    """The number of rows of a business in each table, and the time of the last change."""
    queries = " UNION ALL ".join(
        f"SELECT '{table}', count(*) FROM {table} WHERE business_id = :id" for table in TABLES
    )
    changed = (
        "SELECT 'business', CAST(extract(epoch FROM updated_at) * 1e6 AS bigint) FROM businesses WHERE id = :id"
    )
    async with stage.engine.connect() as conn:
        found = await conn.execute(text(f"{queries} UNION ALL {changed}"), {"id": path.rpartition("/")[2]})
        return {name: int(count) for name, count in found}


def home(stage: Stage) -> str:
    """The path of the stage's business, with some content."""
    return f"/v1/businesses/{stage.tenant.business_id}"
