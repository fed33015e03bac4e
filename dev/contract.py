"""The published contract, `docs/openapi.json`: `python -m dev.contract check`, `python -m dev.contract write`."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from api.app import create_app
from dev.breaking_changes import breaks
from runtime.settings import Settings

Json = dict[str, Any]

PUBLISHED: Final = Path(__file__).parent.parent / "docs" / "openapi.json"


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare the application with what is published, or publish it; 1 when that may not be."""
    options = _parser().parse_args(arguments)
    document = create_app(Settings()).openapi()
    if options.command == "check":
        return check(options.file, document)
    return write(options.file, document, despite_breaks=options.breaking)


def check(published: Path, document: Json) -> int:
    """Say whether the document is the published one; 0 when it is, to the letter."""
    if not published.exists():
        return _stale(published)
    before = json.loads(published.read_text())
    if found := breaks(before, document):
        return _refuse(found)
    return 0 if published.read_text() == _text(document) else _stale(published)


def write(published: Path, document: Json, *, despite_breaks: bool) -> int:
    """Publish the document, unless it breaks clients of the one before."""
    before = json.loads(published.read_text()) if published.exists() else None
    found = breaks(before, document) if before else []
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
    print(f"error: {published.name} is not what the application says: run `make openapi`", file=sys.stderr)
    return 1


def _text(document: Json) -> str:
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m dev.contract", description=__doc__)
    parser.add_argument("command", choices=("check", "write"))
    parser.add_argument("--file", type=Path, default=PUBLISHED, help="the published document")
    parser.add_argument("--breaking", action="store_true", help="publish what breaks clients too")
    return parser


if __name__ == "__main__":
    sys.exit(main())
