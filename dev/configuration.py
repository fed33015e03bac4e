"""The settings' documentation, `docs/configuration.md`: `python -m dev.configuration check` or `write`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

from dev.settings import DevSettings, variable
from runtime.settings import Settings

DOCUMENT: Final = Path(__file__).parent.parent / "docs" / "configuration.md"

_HEAD: Final = "| variable | default | description |\n|---|---|---|\n"
_INTRODUCTION: Final = """\
# Configuration

<!-- Written by `make configuration` from runtime/settings.py and dev/settings.py. Do not edit. -->

All settings are environment variables, read once at the start of a process. A process does
not start with an invalid value.

Temporal's connection has no settings here. All processes connect through `temporalio.envconfig`, that is by
`TEMPORAL_*` variables or by a profile in a TOML file ([examples](deployment.md#temporal)).
"""
_PRODUCT: Final = """\
## API, worker and migrations

`python -m api`, `python -m api.grpc`, `python -m worker` and `python -m db` read these. Further reading:
[keys](operations.md#keys-and-tokens), [database roles](operations.md#two-database-roles),
[rate limits](operations.md#rate-limits), [gRPC](grpc.md), [effects](effects.md),
[outside calendars](external-calendars.md), [reconciliation](reconciliation.md),
[the installation's mail server](messages.md#the-installations-mail-server).
"""
_DEV: Final = """\
## Development stack

`make run` and `python -m dev` read these as well. Stacks with different folders and ports run side by side.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Check or write the document; 1 when it is not current."""
    parser = argparse.ArgumentParser(prog="python -m dev.configuration", description=__doc__)
    parser.add_argument("command", choices=("check", "write"))
    parser.add_argument("--file", type=Path, default=DOCUMENT, help="the document")
    options = parser.parse_args(arguments)
    if options.command == "check":
        return check(options.file)
    options.file.write_text(render())
    return 0


def check(document: Path) -> int:
    """Compare the document with the settings; 0 when they are equal, to the letter."""
    if document.exists() and document.read_text() == render():
        return 0
    print(f"error: {document.name} is out of date: run `make configuration`", file=sys.stderr)
    return 1


def render() -> str:
    """The whole document, in Markdown."""
    tables = ((_PRODUCT, Settings), (_DEV, DevSettings))
    return "\n".join([_INTRODUCTION, *(f"{text}\n{table(settings)}" for text, settings in tables)])


def table(settings: type[BaseSettings]) -> str:
    """One row for each setting of a class, in its order.

    Raises:
        ValueError: a setting has no description.
    """
    return _HEAD + "".join(_row(name, field) for name, field in settings.model_fields.items())


def _row(name: str, field: FieldInfo) -> str:
    if not field.description:
        raise ValueError(f"{variable(name, field)} has no description: add a docstring below it")
    description = " ".join(field.description.split()).replace("|", r"\|")
    return f"| `{variable(name, field)}` | {_shown(field.default)} | {description} |\n"


def _shown(default: object) -> str:
    return "\N{EN DASH}" if default in {None, ""} else f"`{default}`"


if __name__ == "__main__":
    sys.exit(main())
