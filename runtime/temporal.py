"""The one way to a Temporal client: profiles and `TEMPORAL_*` through `temporalio.envconfig`."""

from datetime import timedelta
from typing import Any

from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.envconfig import ClientConfig
from temporalio.runtime import Runtime
from temporalio.service import RetryConfig, RPCError, RPCStatusCode

_UNREACHABLE = frozenset(
    {
        RPCStatusCode.UNAVAILABLE,
        RPCStatusCode.DEADLINE_EXCEEDED,
        RPCStatusCode.CANCELLED,
        RPCStatusCode.RESOURCE_EXHAUSTED,
        RPCStatusCode.UNKNOWN,
    }
)


async def connect(
    *, lazy: bool = False, retry_for: timedelta = timedelta(seconds=10), runtime: Runtime | None = None
) -> Client:
    """A client for the profile in force.

    Args:
        lazy: Connect at the first call, so that a process can start while Temporal is away.
        retry_for: How long the client goes on trying by itself when a call meets no server.
        runtime: Carries the metrics that the SDK exports.

    Raises:
        RuntimeError: not lazy, and the server cannot be reached.
    """
    config: dict[str, Any] = dict(ClientConfig.load_client_connect_config())
    config.setdefault("target_host", "127.0.0.1:7233")
    return await Client.connect(
        **config,
        lazy=lazy,
        runtime=runtime,
        data_converter=pydantic_data_converter,
        retry_config=RetryConfig(max_elapsed_time_millis=int(retry_for.total_seconds() * 1000)),
    )


def is_outage(error: BaseException) -> bool:
    """Whether the error says that Temporal cannot be reached, or not in time."""
    if isinstance(error, RPCError):
        return error.status in _UNREACHABLE
    # The bridge says a failed connection as a RuntimeError of its own.
    return isinstance(error, RuntimeError | TimeoutError | OSError)
