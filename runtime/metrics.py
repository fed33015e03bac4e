"""Prometheus metrics of all processes, in one place so that their names stay consistent."""

import asyncio
import time
from typing import Final

from prometheus_client import CONTENT_TYPE_LATEST, Counter, Gauge, Histogram, generate_latest

REQUEST_SECONDS = Histogram(
    "holdfast_request_seconds",
    "Time to answer a request.",
    ("method", "route", "status"),
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10),
)
GRPC_SECONDS = Histogram(
    "holdfast_grpc_seconds",
    "Time of a gRPC call; of a stream, until it ended.",
    ("method", "code"),
    buckets=(0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10),
)
CONNECTIONS_DISCARDED = Counter(
    "holdfast_database_connections_discarded_total",
    "Connections to PostgreSQL that were closed because their state was not known, by why.",
    ("reason",),
)
BOOKINGS_CREATED = Counter("holdfast_bookings_created_total", "Bookings created.")
STARTS_WAITING = Gauge("holdfast_starts_waiting", "Bookings of this process that wait for their workflow.")
STARTS = Counter("holdfast_workflow_starts_total", "Workflow starts, by who and how it ended.", ("by", "outcome"))
COMMANDS = Counter(
    "holdfast_commands_total", "Commands sent to bookings, by how they ended.", ("command", "outcome")
)
TAKEN_OVER = Counter(
    "holdfast_bookings_taken_over_total",
    "Workflows that read from the database a step that Temporal had lost.",
)
CAUGHT_UP = Counter(
    "holdfast_catch_ups_total", "Workflows that were told to read their booking again, by who told them.", ("by",)
)
SWEEPS = Counter("holdfast_sweeps_total", "Rounds of the sweep, by how they ended.", ("outcome",))
MESSAGES = Counter(
    "holdfast_messages_total", "Messages, by channel and what became of them.", ("channel", "state")
)
EFFECTS = Counter(
    "holdfast_effects_total", "Attempts at effects, by what came of them.", ("vendor", "kind", "state")
)
EFFECT_SECONDS = Histogram(
    "holdfast_effect_seconds",
    "Time of one attempt at an effect.",
    ("vendor", "kind"),
    buckets=(0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 45),
)
RELAYED = Counter("holdfast_relayed_total", "Effects handed to Temporal, by how that ended.", ("outcome",))
EVENTS_PLACED = Counter("holdfast_events_placed_total", "Events that were given their place in the stream.")
STREAMS_OPEN = Gauge("holdfast_streams_open", "Live streams that are open in this process, by way.", ("way",))
STREAM_ENDS = Counter(
    "holdfast_stream_ends_total", "Live streams that this process ended, by way and reason.", ("way", "reason")
)
EXTERNAL_CHECKS = Counter(
    "holdfast_external_checks_total", "Checks of outside calendars, by how they ended.", ("outcome",)
)
FINDINGS = Counter(
    "holdfast_findings_total",
    "Differences between vendors and bookings, by what became of them.",
    ("vendor", "state"),
)

METRICS_TYPE: Final = CONTENT_TYPE_LATEST
_FRESH_SECONDS: Final = 1.0
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def method_label(method: str) -> str:
    """The method, or `other`: clients may invent methods, and each label value creates its own time series."""
    return method if method in _METHODS else "other"


class Exposition:
    """This process's metrics in Prometheus format, generated in a thread at most once a second."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._text = b""
        self._fresh_until = 0.0

    async def text(self) -> bytes:
        """The metrics, at most a second old."""
        async with self._lock:
            if time.monotonic() >= self._fresh_until:
                self._text = await asyncio.to_thread(generate_latest)
                self._fresh_until = time.monotonic() + _FRESH_SECONDS
            return self._text
