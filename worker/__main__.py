"""`python -m worker`: run bookings."""

import argparse
import gc
import sys

from runtime import logging
from runtime.privacy import keep_files_private
from runtime.settings import settings


def main(argv: list[str] | None = None) -> int:
    """Run the worker until it is told to stop."""
    parser = argparse.ArgumentParser(
        prog="python -m worker",
        description="Holdfast's Temporal worker. It is configured by HOLDFAST_* and TEMPORAL_* alone.",
    )
    parser.parse_args(argv)
    keep_files_private()
    logging.configure(settings(), service="worker")
    # What imports create stays: collecting garbage meanwhile takes a tenth of the start.
    gc.disable()
    import uvloop  # noqa: PLC0415

    from worker.main import run  # noqa: PLC0415  # takes long to import

    gc.freeze()
    gc.enable()
    uvloop.run(run(settings()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
