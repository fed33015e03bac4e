"""The AsyncAPI 3 document of what can be heard, made from the catalogue of events."""

from typing import Any, Final

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


def asyncapi_document(version: str) -> Json:
    """The document: a message for each type of event, and a channel for each stream."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Holdfast events",
            "version": version,
            "description": "Events as CloudEvents 1.0, over server-sent events and webhooks. `id` of a server-sent"
            " event resumes behind it, sent as `Last-Event-ID`. Data holds ids, times, amounts and codes.",
        },
        "defaultContentType": "application/json",
        "channels": {name: _channel(name, *described) for name, described in _STREAMS.items()},
        "operations": {
            f"hear_{name}": {
                "action": "send",
                "channel": {"$ref": f"#/channels/{name}"},
                "summary": summary,
            }
            for name, (_, summary) in _STREAMS.items()
        },
        "components": {
            "schemas": {"CloudEvent": _ENVELOPE},
            "messages": {name: _message(spec) for name, spec in CATALOGUE.items()},
        },
    }


def _channel(name: str, address: str, summary: str) -> Json:
    heard = [
        spec.name for spec in CATALOGUE.values() if name == "business" or spec.for_customers or spec.for_providers
    ]
    channel: Json = {
        "address": address,
        "summary": summary,
        "messages": {one: {"$ref": f"#/components/messages/{one}"} for one in heard},
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
