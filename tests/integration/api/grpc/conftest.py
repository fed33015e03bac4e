"""One gRPC server beside the HTTP API of the run, with a worker behind both."""

from collections.abc import AsyncIterator

import pytest

from runtime.settings import Settings
from tests.support.grpc_client import GrpcClient, entry, grpc_client, with_tokens

READER = "the-token-of-a-reader"
ROTATED = "the-next-token-of-the-same-service"


@pytest.fixture(scope="session")
async def rpc(settings: Settings, worker: None) -> AsyncIterator[GrpcClient]:
    """A client without a user; its service may do everything."""
    tokens = (entry(), entry(ROTATED), entry(READER, "reader", ["read_bookings"]))
    async with grpc_client(with_tokens(settings, *tokens)) as client:
        yield client
