"""A client for the same Temporal that the stack's children use."""

from collections.abc import Mapping

from temporalio.client import Client
from temporalio.envconfig import ClientConfig


async def connect(environment: Mapping[str, str]) -> Client:
    """Connect as a process with this environment would (`TEMPORAL_*`, TOML profiles).

    Raises:
        RuntimeError: nothing answers there.
    """
    config = ClientConfig.load_client_connect_config(override_env_vars=environment)
    return await Client.connect(**config)
