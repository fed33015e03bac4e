"""Check or publish the API's contract, `docs/openapi.json`: `python -m dev.contract check|write`."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from api.app import create_app
from dev.breaking_changes import find_breaks
from runtime.settings import Settings

Json = dict[str, Any]

PUBLISHED: Final = Path(__file__).parent.parent / "docs" / "openapi.json"


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare the application with the published document, or publish it; 1 on failure."""
    options = _parser().parse_args(arguments)
    document = create_app(Settings()).openapi()
    if options.command == "check":
        return check(options.file, document)
    return write(options.file, document, despite_breaks=options.breaking)


def check(published: Path, document: Json) -> int:
    """Compare the document with the published one; 0 if they are identical."""
    if not published.exists():
        return _stale(published)
    before = json.loads(published.read_text())
    if found := find_breaks(before, document):
        return _refuse(found)
    return 0 if published.read_text() == _text(document) else _stale(published)


def write(published: Path, document: Json, *, despite_breaks: bool) -> int:
    """Publish the document, unless it breaks clients of the published one."""
    before = json.loads(published.read_text()) if published.exists() else None
    found = find_breaks(before, document) if before else []
    if found and not despite_breaks:
        return _refuse(found)
    published.write_text(_text(document))
    return 0


def _refuse(found: list[str]) -> int:
    for line in found:
        print(f"breaking: {line}", file=sys.stderr)
    print(f"error: {len(found)} changes break the published contract (BREAKING=1 publishes them)", file=sys.stderr)
    return 1


def _stale(published: Path) -> int:
    print(f"error: {published.name} does not match the application: run `make openapi`", file=sys.stderr)
    return 1


def _text(document: Json) -> str:
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m dev.contract", description=__doc__)
    parser.add_argument("command", choices=("check", "write"))
    parser.add_argument("--file", type=Path, default=PUBLISHED, help="the published document")
    parser.add_argument("--breaking", action="store_true", help="publish even if it breaks clients")
    return parser


if __name__ == "__main__":
    sys.exit(main())
