"""`python -m worker`: run bookings."""

import argparse
import sys

import uvloop

from runtime import logging
from runtime.privacy import keep_files_private
from runtime.settings import settings
from worker.main import run


def main(argv: list[str] | None = None) -> int:
    """Work until told to stop."""
    parser = argparse.ArgumentParser(
        prog="python -m worker",
        description="Holdfast's Temporal worker. It is configured by HOLDFAST_* and TEMPORAL_* alone.",
    )
    parser.parse_args(argv)
    keep_files_private()
    logging.configure(settings(), service="worker")
    uvloop.run(run(settings()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
