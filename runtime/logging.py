"""Structured logs: one JSON object a line, with the ids that tie a request to its booking and workflow."""

import json
import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any, Final

import orjson
import structlog

from runtime.settings import Settings

_STEERING: Final = re.compile("[\x7f-\x9f\u2028\u2029]")
_UNPRINTABLE: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def configure(settings: Settings, *, service: str) -> None:
    """Send structlog's and the standard library's records to stdout in one format."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(settings.log_level.upper())),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _renderer(settings.log_format),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level.upper())
    structlog.contextvars.bind_contextvars(service=service)
    _quieten()


def _renderer(log_format: str) -> structlog.typing.Processor:
    if log_format != "console":
        return structlog.processors.JSONRenderer(serializer=_json_line)
    console = structlog.dev.ConsoleRenderer(colors=sys.stdout.isatty())

    def harmless(logger: object, name: str, event: MutableMapping[str, Any]) -> str | bytes:
        """Escape control characters in everything that others influence; a traceback keeps its line breaks."""
        values = {_escaped(key): _escaped(value, keep="\n" * (key == "exception")) for key, value in event.items()}
        return console(logger, name, values)

    return harmless


def _json_line(record: Any, **_: Any) -> str:
    """One line of JSON without characters that break a line or control a terminal, even those that JSON allows."""
    try:
        line = orjson.dumps(record, default=str).decode()
    except TypeError:  # a lone surrogate, which orjson does not accept as text
        line = json.dumps(record, default=str)
    return _STEERING.sub(_as_escape, line)


def _escaped(value: Any, keep: str = "") -> Any:
    if not isinstance(value, str):
        return value
    return _UNPRINTABLE.sub(lambda found: found[0] if found[0] in keep else _as_escape(found), value)


def _as_escape(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"


def _quieten() -> None:
    """Silence what says the same as our own lines, what has addresses, and what at DEBUG has tokens."""
    for name in ("uvicorn.access", "uvicorn.error", "websockets", "httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.WARNING)
