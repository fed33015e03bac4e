"""docs/grpc.md agrees with the code: its tables, and its examples."""

import ast
import re

import grpc
import pytest

from api.grpc.operations import OPERATIONS, operation_of
from api.grpc.server import HANDLERS, SERVICES
from api.grpc.statuses import CODES
from runtime.service_tokens import ServiceToken
from tests.support.repository_files import read

DOCUMENT = read("docs/grpc.md")
PYTHON = re.findall(r"```python\n(.*?)```", DOCUMENT, re.DOTALL)


def rows(heading: str, columns: int) -> list[list[str]]:
    section = DOCUMENT.partition(f"\n{heading}\n")[2].partition("\n## ")[0]
    found = [line.strip("|").split("|") for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in cells] for cells in found[2:] if len(cells) == columns]


def codes(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def test_every_rpc_is_listed_with_its_service() -> None:
    before = DOCUMENT.partition("\n## ")[0]
    listed = {
        codes(line)[0]: set(codes(line)[1:]) for line in before.splitlines() if re.match(r"\| `\w+Service`", line)
    }
    assert listed == {service.name: {method.name for method in service.methods} for service in SERVICES}


def test_the_permissions_are_those_of_the_operations() -> None:
    told: dict[str, str] = {}
    for rpcs, permission in (row for row in rows("## Tokens", 2) if re.fullmatch(r"`[a-z_]+`", row[1])):
        told |= dict.fromkeys(codes(rpcs) if "the commands" not in rpcs else [], permission.strip("`"))
    for rpc, permission in told.items():
        if rpc != "Watch":
            assert operation_of(rpc).permission == permission
    commands = {rpc for rpc in HANDLERS if operation_of(rpc).permission == "command_bookings"}
    assert told.keys() | commands == HANDLERS.keys() | {"Watch"}
    assert OPERATIONS["streamEvents"].permission == "read_events"
    assert OPERATIONS["streamBookingEvents"].permission == "read_bookings"
    assert OPERATIONS["streamMyEvents"].permission == told["Watch"] == "manage_account"


def test_every_member_of_a_token_is_explained() -> None:
    explained = [codes(row[0])[0] for row in rows("## Tokens", 2) if codes(row[0])]
    assert set(ServiceToken.model_fields) <= set(explained)


def test_every_code_is_explained() -> None:
    explained = {codes(row[0])[0] for row in rows("## Errors", 3)}
    assert explained == {code.name for code in CODES.values()} | {grpc.StatusCode.INTERNAL.name}


@pytest.mark.parametrize("example", PYTHON)
def test_an_example_imports_what_there_is(example: str) -> None:
    body = ast.parse(example).body
    imports: list[ast.stmt] = [node for node in body if isinstance(node, ast.Import | ast.ImportFrom)]
    exec(compile(ast.Module(imports, []), "docs/grpc.md", "exec"), {})  # its own text
