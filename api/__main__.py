"""`python -m api`: serve the API; `python -m api businesses …`: commands for operators."""

import argparse
import contextlib
import gc
import sys

from runtime import logging
from runtime.privacy import keep_files_private
from runtime.settings import Settings, settings


def main(argv: list[str] | None = None) -> int:
    """Serve until told to stop; 1 with one line on stderr when the configuration is unusable."""
    # Imports create long-lived objects: collecting garbage among them takes a tenth of the start time.
    gc.disable()
    config = settings()
    argv = sys.argv[1:] if argv is None else argv
    if argv[:1] == ["businesses"]:
        from api import operators  # noqa: PLC0415  # serving does not need it

        logging.configure(config, service="operator")
        return operators.main(argv[1:], config)
    parser = argparse.ArgumentParser(
        prog="python -m api",
        description="Holdfast's HTTP API.",
        epilog="`python -m api businesses --help`: commands for operators.",
    )
    parser.add_argument("--host", default=config.api_host, help="HOLDFAST_API_HOST (%(default)s)")
    parser.add_argument("--port", type=int, default=config.api_port, help="HOLDFAST_API_PORT (%(default)s)")
    args = parser.parse_args(argv)
    keep_files_private()
    logging.configure(config, service="api")
    return _serve(config, args.host, args.port)


def _serve(config: Settings, host: str, port: int) -> int:
    import uvicorn  # noqa: PLC0415  # slow imports

    from api.app import create_app  # noqa: PLC0415
    from api.identity.signing_keys import SigningKeyError, load_keys  # noqa: PLC0415
    from api.protocol import Protocol  # noqa: PLC0415
    from api.server import Server  # noqa: PLC0415
    from api.websocket_protocol import SERVER_OPTIONS, WebSocketProtocol  # noqa: PLC0415
    from web.routes import web_routes  # noqa: PLC0415

    try:
        load_keys(config)
    except SigningKeyError as error:
        sys.stderr.write(f"api: {error}\n")
        return 1
    app = create_app(config, web_routes(config))
    if config.api_metrics_port:
        from prometheus_client import start_http_server  # noqa: PLC0415

        start_http_server(config.api_metrics_port, config.api_metrics_host)  # in threads of its own
    # What is loaded now stays. Without this, a full collection would scan it for a tenth of a second in the
    # middle of a request.
    gc.freeze()
    gc.enable()
    server_config = uvicorn.Config(
        app,
        host=host,
        port=port,
        loop="uvloop",
        http=Protocol,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # api.middleware.proxies does it
        ws=WebSocketProtocol,
        **SERVER_OPTIONS,
        timeout_graceful_shutdown=10,
        # Longer than proxies keep idle connections: else one sends a request into a connection that is closing.
        timeout_keep_alive=75,
    )
    server = Server(server_config)
    with contextlib.suppress(KeyboardInterrupt):
        server.run()
    return 0 if server.started else 1


if __name__ == "__main__":
    sys.exit(main())
