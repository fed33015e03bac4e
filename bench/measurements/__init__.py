"""The measurements, in the order of the run. Each is independent and returns rows of the report."""

from collections.abc import Awaitable, Callable

from bench.measurements import (
    accept,
    bursts,
    cpu,
    effects,
    grpc,
    hanging_vendor,
    holds,
    limits,
    memory,
    outages,
    paced,
    races,
    reads,
    recovery,
    slots,
    statements,
    streams,
)
from bench.results import Row
from bench.testbed import Testbed
from bench.workload import Workload

Measurement = Callable[[Testbed, Workload], Awaitable[list[Row]]]

MEASUREMENTS: dict[str, tuple[str, Measurement]] = {
    "memory": ("memory and idle CPU with few open bookings", memory.measure_few),
    "paced": ("creating at 20/s and 50/s, until assigned", paced.measure),
    "burst": ("bursts, until drained", bursts.measure),
    "grpc": ("creating over gRPC and over HTTP", grpc.measure),
    "accept": ("a provider's accept", accept.measure),
    "reads": ("reads", reads.measure),
    "limits": ("creating and reading with and without rate limits", limits.measure),
    "race": ("32 clients on one slot", races.measure),
    "holds": ("holds from 16 clients", holds.measure),
    "statements": ("statements per request", statements.measure),
    "streams": ("live streams, with up to a thousand clients", streams.measure),
    "slots": ("free slots, with up to a million bookings", slots.measure),
    "effects": ("effects, compared with bare activities", effects.measure),
    "hanging": ("creating and accepting while a vendor hangs", hanging_vendor.measure),
    "outage": ("the backlog after a vendor's outage", outages.measure),
    "recovery": ("recovery after faults, on a separate stack", recovery.measure),
    "cpu": ("CPU per booking", cpu.measure),
    "many": ("memory and idle CPU with many open bookings", memory.measure_many),
}
"""By name: the title shown while it runs, and the function."""
