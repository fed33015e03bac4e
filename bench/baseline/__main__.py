"""`python -m bench.baseline api|worker`: one process of the baseline, started by the benchmarks."""

import argparse
import os

import uvicorn
import uvloop

from bench.baseline import worker
from bench.baseline.api import create_app
from runtime.settings import Settings


def main() -> None:
    """Run the API or the worker until a signal stops it."""
    parser = argparse.ArgumentParser(prog="python -m bench.baseline")
    parser.add_argument("part", choices=("api", "worker"))
    parser.add_argument("--port", type=int, default=0)
    options = parser.parse_args()
    settings = Settings()
    if options.part == "worker":
        uvloop.run(worker.run(os.environ["TEMPORAL_ADDRESS"], settings.database_url, settings))
    else:
        _serve(options.port, settings)


def _serve(port: int, settings: Settings) -> None:
    """Serve with the same server and options as `python -m api`."""
    app = create_app(
        settings.database_url, pool_min=settings.database_pool_min, pool_max=settings.database_pool_max
    )
    uvicorn.run(
        app, port=port, loop="uvloop", http="httptools", log_config=None, access_log=False, server_header=False
    )


if __name__ == "__main__":
    main()
