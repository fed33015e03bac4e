"""`python -m api.grpc token`: a new token for a service, and the entry for `HOLDFAST_GRPC_TOKENS`."""

import argparse
import hashlib
import sys
from collections.abc import Sequence
from uuid import UUID

from pydantic import ValidationError

from api.grpc.operations import OPERATIONS
from runtime.ids import new_token
from runtime.service_tokens import ServiceToken


def main(arguments: Sequence[str]) -> int:
    """Print the token and its entry; 1 when the entry would not be valid."""
    options = _parser().parse_args(arguments)
    token = new_token()
    try:
        print(f"token: {token}\nentry: {entry_for(token, options.name, options.permission, options.business)}")  # noqa: T201
    except ValidationError as error:
        sys.stderr.write(f"grpc: {error.errors()[0]['msg']}\n")
        return 1
    return 0


def entry_for(token: str, name: str, permissions: Sequence[str], business_id: UUID | None = None) -> str:
    """The token's entry in the setting, as JSON.

    Raises:
        ValidationError: the name or a permission is not valid.
    """
    entry = ServiceToken.model_validate(
        {
            "name": name,
            "sha256": hashlib.sha256(token.encode()).hexdigest(),
            "permissions": sorted(permissions),
            "business_id": business_id,
        }
    )
    return entry.model_dump_json(exclude_none=True)


def _parser() -> argparse.ArgumentParser:
    known = sorted({str(operation.permission) for operation in OPERATIONS.values()})
    parser = argparse.ArgumentParser(prog="python -m api.grpc token", description=__doc__)
    parser.add_argument("--name", required=True, help="the service's name")
    parser.add_argument(
        "--permission", required=True, action="append", choices=known, help="what it may do; repeat the option"
    )
    parser.add_argument("--business", type=UUID, help="the id of the one business that its calls may be about")
    return parser
