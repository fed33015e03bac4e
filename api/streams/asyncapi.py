"""The AsyncAPI 3 document of what can be heard, made from the catalogue of events."""

from collections.abc import Sequence
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from api.streams.socket_messages import FROM_CLIENT, TO_CLIENT
from domain.event_catalogue import CATALOGUE, EventSpec, schema_of

Json = dict[str, Any]

_ENVELOPE: Final[Json] = {
    "type": "object",
    "description": "CloudEvents 1.0. Members without a value are left out.",
    "required": ["specversion", "id", "source", "type", "subject", "time", "sequence", "tenant", "data"],
    "properties": {
        "specversion": {"const": "1.0"},
        "id": {"type": "string", "format": "uuid", "description": "The same in every way out."},
        "source": {"type": "string", "description": "Where it comes from, within one business."},
        "type": {"type": "string"},
        "subject": {"type": "string", "description": "The id of what it is about."},
        "time": {"type": "string", "format": "date-time"},
        "datacontenttype": {"const": "application/json"},
        "sequence": {
            "type": "string",
            "description": "Position among the business's events, gapless from 1, padded.",
        },
        "tenant": {"type": "string", "format": "uuid", "description": "The business."},
        "correlationid": {"type": "string", "description": "The id of the request that led to it."},
        "actorrole": {"type": "string"},
        "actorid": {"type": "string", "format": "uuid"},
        "dataversion": {"type": "string"},
        "data": {"type": "object"},
    },
}
_STREAMS: Final = {
    "business": ("/v1/events", "Everything that happens in a business, for its managers and for API keys."),
    "booking": ("/v1/bookings/{booking_id}/events", "What happens to a booking, for whoever may see it."),
    "mine": ("/v1/me/events", "All that a user may hear, over their businesses."),
}


_SOCKET: Final = "websocket"
_REFERENCE: Final = "#/components/schemas/{model}"
_ENDED: Final = "stream.ended"
_ENDING: Final[Json] = {
    "name": _ENDED,
    "title": _ENDED,
    "summary": "The last event of a stream that we end. The `id` resumes.",
    "contentType": "application/json",
    "payload": {
        "type": "object",
        "required": ["reason"],
        "properties": {"reason": {"$ref": "#/components/schemas/Ending"}},
    },
}


def asyncapi_document(version: str) -> Json:
    """The document: a message for each type of event, a channel for each stream, and the WebSocket."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Holdfast events",
            "version": version,
            "description": "Events as CloudEvents 1.0, over server-sent events, WebSocket and webhooks. `id` of a"
            " server-sent event resumes behind it, sent as `Last-Event-ID`; over WebSocket it is `resume`, sent as"
            " `after`. Data holds ids, times, amounts and codes.",
        },
        "defaultContentType": "application/json",
        "channels": {name: _channel(name, *described) for name, described in _STREAMS.items()}
        | {_SOCKET: _socket_channel()},
        "operations": {
            f"hear_{name}": {
                "action": "send",
                "channel": {"$ref": f"#/channels/{name}"},
                "summary": summary,
            }
            for name, (_, summary) in _STREAMS.items()
        }
        | {
            "ask": _socket_operation("receive", FROM_CLIENT, "What a client may send; `authenticate` first."),
            "answer": _socket_operation("send", TO_CLIENT, "Answers, and events of the client's subscriptions."),
        },
        "components": {
            "schemas": _socket_schemas() | {"CloudEvent": _ENVELOPE},
            "messages": {name: _message(spec) for name, spec in CATALOGUE.items()}
            | {_ENDED: _ENDING}
            | {_name_of(model): _socket_message(model) for model in (*FROM_CLIENT, *TO_CLIENT)},
        },
    }


def _channel(name: str, address: str, summary: str) -> Json:
    heard = [
        spec.name for spec in CATALOGUE.values() if name == "business" or spec.for_customers or spec.for_providers
    ]
    channel: Json = {
        "address": address,
        "summary": summary,
        "messages": {one: {"$ref": f"#/components/messages/{one}"} for one in (*heard, _ENDED)},
    }
    if "{booking_id}" in address:
        channel["parameters"] = {"booking_id": {"description": "The booking's id."}}
    return channel


def _message(spec: EventSpec) -> Json:
    return {
        "name": spec.name,
        "title": spec.name,
        "summary": spec.summary,
        "contentType": "application/json",
        "payload": {
            "allOf": [
                {"$ref": "#/components/schemas/CloudEvent"},
                {"type": "object", "properties": {"type": {"const": spec.name}, "data": schema_of(spec)}},
            ]
        },
    }


# --- the WebSocket --------------------------------------------------------------------------------------------


def _socket_channel() -> Json:
    names = [_name_of(model) for model in (*FROM_CLIENT, *TO_CLIENT)]
    return {
        "address": "/v1/ws",
        "summary": "Subscriptions to bookings, businesses, or all that a caller may hear, over one connection.",
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in names},
        "bindings": {"ws": {"method": "GET"}},
    }


def _socket_operation(action: str, models: Sequence[type[BaseModel]], summary: str) -> Json:
    channel = f"#/channels/{_SOCKET}"
    return {
        "action": action,
        "channel": {"$ref": channel},
        "summary": summary,
        "messages": [{"$ref": f"{channel}/messages/{_name_of(model)}"} for model in models],
    }


def _socket_message(model: type[BaseModel]) -> Json:
    return {
        "name": _name_of(model),
        "title": model.__name__,
        "summary": (model.__doc__ or "").strip(),
        "contentType": "application/json",
        "payload": {"$ref": _REFERENCE.format(model=model.__name__)},
    }


def _socket_schemas() -> Json:
    models = [(model, "validation") for model in (*FROM_CLIENT, *TO_CLIENT)]
    _, found = models_json_schema(models, ref_template=_REFERENCE)  # type: ignore[arg-type]
    schemas: Json = found["$defs"]
    return schemas


def _name_of(model: type[BaseModel]) -> str:
    """The message's name in the document: types of events have names too."""
    return f"ws.{model.model_fields['type'].annotation.__args__[0]}"  # type: ignore[union-attr]
