"""`python -m api.grpc`: serve gRPC; `… token` makes a token for a service, `… check` asks whether it serves."""

import argparse
import asyncio
import gc
import signal
import sys

from runtime import logging
from runtime.privacy import keep_files_private
from runtime.settings import Settings, settings


def main(argv: list[str] | None = None) -> int:
    """Serve until told to stop; 1 with one line on stderr when the configuration is unusable."""
    argv = sys.argv[1:] if argv is None else argv
    if argv[:1] == ["token"]:
        from api.grpc import token_command  # noqa: PLC0415  # serving does not need it

        return token_command.main(argv[1:])
    if argv[:1] == ["check"]:
        from api.grpc import check_command  # noqa: PLC0415

        return check_command.main(argv[1:], settings())
    # Imports create long-lived objects: collecting garbage among them takes a tenth of the start time.
    gc.disable()
    config = settings()
    parser = argparse.ArgumentParser(
        prog="python -m api.grpc",
        description="Holdfast's gRPC API.",
        epilog="`python -m api.grpc token --help`: make a token for a service. `python -m api.grpc check`: ask "
        "whether the server serves.",
    )
    parser.add_argument("--host", default=config.api_host, help="HOLDFAST_API_HOST (%(default)s)")
    parser.add_argument("--port", type=int, default=config.grpc_port, help="HOLDFAST_GRPC_PORT (%(default)s)")
    args = parser.parse_args(argv)
    keep_files_private()
    logging.configure(config, service="grpc")
    return _serve(config, args.host, args.port)


def _serve(config: Settings, host: str, port: int) -> int:
    import structlog  # noqa: PLC0415  # slow imports
    import uvloop  # noqa: PLC0415

    from api.grpc.server import ServerStartError, running_server  # noqa: PLC0415
    from api.identity.signing_keys import SigningKeyError  # noqa: PLC0415

    if config.grpc_metrics_port:
        from prometheus_client import start_http_server  # noqa: PLC0415

        start_http_server(config.grpc_metrics_port, config.api_metrics_host)  # in threads of its own
    gc.freeze()  # what is loaded now stays
    gc.enable()

    async def serve() -> None:
        stopping = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stopping.set)
        async with running_server(config, host, port) as bound:
            structlog.get_logger().info("grpc_serving", host=host, port=bound)
            await stopping.wait()

    try:
        uvloop.run(serve())
    except (SigningKeyError, ServerStartError) as error:
        sys.stderr.write(f"grpc: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
