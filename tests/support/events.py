"""Events as tests write them, and a check of those that the servers have written."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final, Literal, get_args, get_origin
from uuid import UUID

import jsonschema_rs
import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from api.streams.asyncapi import asyncapi_document
from db.engine import autocommit, unpooled_engine
from db.repositories import events
from domain.event_catalogue import CATALOGUE, schema_of
from domain.events import SCHEMA_VERSION, SOURCE, cloud_event
from runtime.ids import new_id
from runtime.json import to_json, to_json_text
from tests.support.stage import Json

_DOCUMENT: Final = asyncapi_document("tests")
_MOST_SHOWN: Final = 20

_ADD = text("""
INSERT INTO events (id, business_id, type, source, subject, time, actor, data, schema_version)
VALUES (:id, :business_id, :type, :source, :subject, :time, '{"role": "system"}', CAST(:data AS jsonb), :version)
""")
_ADD_MANY = text("""
INSERT INTO events (id, business_id, type, source, subject, time, actor, data, schema_version)
SELECT gen_random_uuid(), :business_id, :type, :source, :subject, clock_timestamp(), '{"role": "system"}',
       CAST(:data AS jsonb), :version
FROM generate_series(1, :count)
""")
_UNPLACED = text("SELECT EXISTS (SELECT 1 FROM events WHERE position IS NULL)")
_TURN = text("SELECT pg_advisory_xact_lock(0x4576656E)")
_PLACE_UNTOLD = text("""
WITH fresh AS (
    SELECT id, row_number() OVER (ORDER BY written) AS nth FROM events
    WHERE business_id = :business AND position IS NULL
), moved AS (
    INSERT INTO event_positions AS known (business_id, last)
    SELECT CAST(:business AS uuid), count(*) FROM fresh HAVING count(*) > 0
    ON CONFLICT (business_id) DO UPDATE SET last = known.last + excluded.last
    RETURNING last
)
UPDATE events e SET position = moved.last - (SELECT count(*) FROM fresh) + fresh.nth
FROM fresh, moved WHERE e.id = fresh.id
""")
_NEXT = text("SELECT * FROM events WHERE id > :after ORDER BY id LIMIT 5000")


# --- written by tests -----------------------------------------------------------------------------------------


def example_data(type_: str, **members: object) -> Json:
    """Data of a type: these members, as far as the type has them, and examples of the others that it needs."""
    model = CATALOGUE[type_].data
    filled = {
        name: members[name] if name in members else _example(field.annotation)
        for name, field in model.model_fields.items()
        if name in members or field.is_required()
    }
    made = model.model_validate(filled, by_name=True)
    return made.model_dump(mode="json", by_alias=True, exclude_unset=True)


def _example(annotation: Any) -> object:
    if get_origin(annotation) is Literal:
        return get_args(annotation)[0]
    examples: dict[Any, object] = {UUID: new_id(), datetime: datetime.now(UTC), int: 1, str: "example"}
    return examples.get(annotation)


async def add_event(
    conn: AsyncConnection, business_id: UUID, type_: str, *, at: datetime | None = None, **members: object
) -> UUID:
    """An event of this type, as its cause writes it: without a position. Returns its id."""
    event_id = new_id()
    values = _values(business_id, type_, members) | {"id": event_id, "time": at or datetime.now(UTC)}
    await conn.execute(_ADD, values)
    return event_id


async def add_events(conn: AsyncConnection, business_id: UUID, type_: str, count: int, **members: object) -> None:
    """So many events of this type, all alike."""
    await conn.execute(_ADD_MANY, _values(business_id, type_, members) | {"count": count})


def _values(business_id: UUID, type_: str, members: Mapping[str, object]) -> dict[str, Any]:
    return {
        "business_id": business_id,
        "type": type_,
        "source": SOURCE,
        "subject": str(members.get("booking_id", business_id)),
        "data": to_json_text(example_data(type_, **members)),
        "version": SCHEMA_VERSION,
    }


async def place_all(engine: AsyncEngine) -> None:
    """Rounds until nothing is left to place; a worker of the same run may be at it in between."""
    async with asyncio.timeout(10), autocommit(engine) as conn:
        while (await conn.execute(_UNPLACED)).scalar_one():
            if await events.number_new(conn) == 0:
                await asyncio.sleep(0.01)


async def place_untold(engine: AsyncEngine, business_id: UUID) -> None:
    """Give a business's events their positions, as if the notification of it got lost."""
    async with engine.begin() as conn:
        await conn.execute(_TURN)
        await conn.execute(_PLACE_UNTOLD, {"business": business_id})


# --- written by the servers -----------------------------------------------------------------------------------


async def assert_all_events_fit(database_url: str) -> None:
    """Check every event of a database against the published AsyncAPI document; no member may be undocumented."""
    wrong: list[str] = []
    engine, after = unpooled_engine(database_url), UUID(int=0)
    async with autocommit(engine) as conn:
        while page := (await conn.execute(_NEXT, {"after": after})).mappings().all():
            wrong += [problem for row in page for problem in problems_of(dict(row))]
            after = page[-1]["id"]
    await engine.dispose()
    assert not wrong, "\n".join([f"{len(wrong)} events do not fit their schema:", *wrong[:_MOST_SHOWN]])


def problems_of(event: Json) -> list[str]:
    """What is wrong with a row of `events`, by its type's published schema."""
    type_ = event["type"]
    if type_ not in CATALOGUE:
        return [f"{type_} is in no catalogue: {event['data']}"]
    shown = orjson.loads(to_json(cloud_event(event)))
    found = [f"{type_}: {error.message} in {shown}" for error in _validator(type_).iter_errors(shown)]
    undocumented = shown["data"].keys() - _documented(type_)
    return [*found, *(f"{type_}: {name} is not documented in {shown}" for name in undocumented)]


@cache
def _documented(type_: str) -> frozenset[str]:
    return frozenset(schema_of(CATALOGUE[type_])["properties"])


@cache
def _validator(type_: str) -> Any:
    # A position is given afterwards: what has none yet is an event as well.
    envelope = dict(_DOCUMENT["components"]["schemas"]["CloudEvent"])
    envelope["required"] = [name for name in envelope["required"] if name != "sequence"]
    message = _DOCUMENT["components"]["messages"][type_]["payload"]["allOf"][1]
    return jsonschema_rs.validator_for({"allOf": [envelope, message]}, validate_formats=True)
