"""Connecting to Temporal, with profiles and `TEMPORAL_*` variables through `temporalio.envconfig`."""

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
    """A client for the active profile.

    Args:
        lazy: Connect at the first call, so that a process can start while Temporal is down.
        retry_for: How long the client retries a call that reaches no server.
        runtime: Holds the SDK's exported metrics.

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
    """Whether the error means that Temporal cannot be reached, or not in time."""
    if isinstance(error, RPCError):
        return error.status in _UNREACHABLE
    # The SDK's bridge reports a failed connection as a plain RuntimeError.
    return isinstance(error, RuntimeError | TimeoutError | OSError)
