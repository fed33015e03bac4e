"""Check or publish the API's contracts: `python -m dev.contract check|write`.

`docs/openapi.json` is the HTTP API, `docs/asyncapi.json` the events.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from api.app import create_app
from api.streams.asyncapi import asyncapi_document
from dev.breaking_changes import find_breaks
from runtime.settings import Settings

Json = dict[str, Any]

_DOCS: Final = Path(__file__).parent.parent / "docs"
PUBLISHED: Final = _DOCS / "openapi.json"
PUBLISHED_EVENTS: Final = _DOCS / "asyncapi.json"


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare the application with the published document, or publish it; 1 on failure."""
    options = _parser().parse_args(arguments)
    app = create_app(Settings())
    documents = {options.file: app.openapi(), options.events_file: asyncapi_document(app.version)}
    failed = False
    for published, document in documents.items():
        if options.command == "check":
            failed |= check(published, document) != 0
        else:
            failed |= write(published, document, despite_breaks=options.breaking) != 0
    return int(failed)


def check(published: Path, document: Json) -> int:
    """Compare the document with the published one; 0 if they are identical."""
    if not published.exists():
        return _stale(published)
    before = json.loads(published.read_text())
    if found := _breaks(before, document):
        return _refuse(found)
    return 0 if published.read_text() == _text(document) else _stale(published)


def write(published: Path, document: Json, *, despite_breaks: bool) -> int:
    """Publish the document, unless it breaks clients of the published one."""
    before = json.loads(published.read_text()) if published.exists() else None
    found = _breaks(before, document) if before else []
    if found and not despite_breaks:
        return _refuse(found)
    published.write_text(_text(document))
    return 0


def _breaks(before: Json, now: Json) -> list[str]:
    return find_breaks(_as_answers(before), _as_answers(now))


def _as_answers(document: Json) -> Json:
    """An OpenAPI document as it is; of an AsyncAPI document, each message as the answer of an operation.

    Of an event it is the data, and what clients send is the operation's body.
    """
    if "asyncapi" not in document:
        return document
    asked = document["operations"].get("ask", {}).get("messages", ())
    from_clients = {message["$ref"].rpartition("/")[2] for message in asked}
    paths = {}
    for name, message in document["components"]["messages"].items():
        payload = message["payload"]
        schema = payload["allOf"][1]["properties"]["data"] if "allOf" in payload else payload
        content = {"description": "", "content": {"application/json": {"schema": schema}}}
        said = {"requestBody": content} if name in from_clients else {"responses": {"200": content}}
        paths[name] = {"post": {"operationId": name, "responses": {}} | said}
    return {"paths": paths, "components": {"schemas": document["components"]["schemas"]}}


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
    parser = argparse.ArgumentParser(
        prog="python -m dev.contract", description="Check or publish the API's contracts."
    )
    parser.add_argument("command", choices=("check", "write"))
    parser.add_argument("--file", type=Path, default=PUBLISHED, help="the published document")
    parser.add_argument("--events-file", type=Path, default=PUBLISHED_EVENTS, help="the published events")
    parser.add_argument("--breaking", action="store_true", help="publish even if it breaks clients")
    return parser


if __name__ == "__main__":
    sys.exit(main())
