"""No connection is held during other waits. The exceptions are listed here, with reasons.

A process that is stopped in such a wait, or a vendor that hangs, would keep its locks and its place in the pool.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[3]
PACKAGES = ("activities", "api", "db/repositories", "worker", "workflows")
THE_DRIVER = "db/repositories/rows.py"
WITH_A_CONNECTION = {
    "api/transfer/people.py asyncio.to_thread": "an import compares what is stored with what was sent",
    "api/limits.py self._is_needed.wait": "the counter keeps a connection, and no transaction",
}
OF_A_CONNECTION = ("writer.",)
"""Objects that wrap one: every method is a statement."""


def _is_held(node: ast.AST) -> bool:
    """Whether a connection is held in this block or function."""
    if isinstance(node, ast.AsyncWith):
        opened = " ".join(ast.unparse(item.context_expr) for item in node.items)
        return any(how in opened for how in (".begin()", "autocommit(", "engine.connect("))
    return isinstance(node, ast.AsyncFunctionDef) and any(arg.arg == "conn" for arg in node.args.args)


def _asks_the_connection(call: ast.Call) -> bool:
    given = [ast.unparse(one) for one in (*call.args, *(keyword.value for keyword in call.keywords))]
    name = ast.unparse(call.func)
    return any("conn" in one for one in given) or name.startswith(("conn.", "transaction.", *OF_A_CONNECTION))


def waits_with_a_connection() -> Iterator[str]:
    """File and name of every call that is awaited while a connection is held, and is not given it."""
    for path in (path for package in PACKAGES for path in (ROOT / package).rglob("*.py")):
        name = path.relative_to(ROOT).as_posix()
        if name != THE_DRIVER:
            for block in filter(_is_held, ast.walk(ast.parse(path.read_text()))):
                waits = (one.value for one in ast.walk(block) if isinstance(one, ast.Await))
                calls = (one for one in waits if isinstance(one, ast.Call))
                yield from (f"{name} {ast.unparse(one.func)}" for one in calls if not _asks_the_connection(one))


def test_whoever_holds_a_connection_waits_for_the_database_only() -> None:
    assert set(waits_with_a_connection()) - set(WITH_A_CONNECTION) == set()
