"""`python -m api.grpc check`: whether the server on this machine serves, for health checks of containers."""

import argparse
import socket
import sys
from collections.abc import Sequence

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from runtime.settings import Settings

_TIMEOUT_SECONDS = 4.0


def main(arguments: Sequence[str], settings: Settings) -> int:
    """0 when it serves. A server with TLS answers its own clients alone: of that one, whether it listens."""
    parser = argparse.ArgumentParser(prog="python -m api.grpc check", description=__doc__)
    parser.add_argument("--port", type=int, default=settings.grpc_port, help="HOLDFAST_GRPC_PORT (%(default)s)")
    port = parser.parse_args(arguments).port
    found = _listens(port) if settings.grpc_tls_certificate_file else _serves(port)
    if not found:
        sys.stderr.write(f"grpc: the server on port {port} does not serve\n")
    return int(not found)


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), _TIMEOUT_SECONDS).close()
    except OSError:
        return False
    return True


def _serves(port: int) -> bool:
    request = health_pb2.HealthCheckRequest()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        try:
            answer = health_pb2_grpc.HealthStub(channel).Check(request, timeout=_TIMEOUT_SECONDS)
        except grpc.RpcError:
            return False
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)
