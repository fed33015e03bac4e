"""`python -m api.grpc token`: a new token for a service, and the entry for `HOLDFAST_GRPC_TOKENS`."""

import argparse
import sys
from collections.abc import Sequence
from uuid import UUID

from pydantic import ValidationError

from api.grpc.operations import OPERATIONS
from api.grpc.services import service_id
from runtime.ids import new_token
from runtime.service_tokens import ServiceToken


def main(arguments: Sequence[str]) -> int:
    """Print the token and its entry; 1 when the entry would not be valid."""
    options, token = _parser().parse_args(arguments), new_token()
    try:
        entry = ServiceToken.for_token(token, options.name, options.permission, options.business)
    except ValidationError as error:
        sys.stderr.write(f"grpc: {error.errors()[0]['msg']}\n")
        return 1
    sys.stdout.write(f"token: {token}\nentry: {entry.as_json()}\nid in the audit log: {service_id(entry.name)}\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    known = sorted({str(operation.permission) for operation in OPERATIONS.values()})
    parser = argparse.ArgumentParser(prog="python -m api.grpc token", description=__doc__)
    parser.add_argument("--name", required=True, help="the service's name")
    parser.add_argument(
        "--permission", required=True, action="append", choices=known, help="what it may do; repeat the option"
    )
    parser.add_argument("--business", type=UUID, help="the id of the one business that its calls may be about")
    return parser
