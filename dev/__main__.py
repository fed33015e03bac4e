"""Command line of the development stack: `python -m dev --help`."""

import argparse
import asyncio
import sys
from typing import TYPE_CHECKING

from dev.errors import DevError
from dev.settings import DevSettings, variable
from runtime.privacy import keep_files_private

if TYPE_CHECKING:
    from dev.demo import Links


def main() -> int:
    """Run the command; 0 on success, else 1 with one line on stderr."""
    options = _parser().parse_args()
    keep_files_private()
    try:
        return _run(options, DevSettings.from_environment())
    except DevError as error:
        if error.detail:
            print(error.detail, file=sys.stderr)
        print(f"error: {error}", file=sys.stderr)
    except ModuleNotFoundError as error:
        hint = "use .venv/bin/python (`make run` creates it)"
        print(f"error: this Python lacks the package {error.name}: {hint}", file=sys.stderr)
    except KeyboardInterrupt:
        print(file=sys.stderr)
    return 1


def _run(options: argparse.Namespace, settings: DevSettings) -> int:
    # Each command imports only what it needs, so that `--help` and `status` are fast.
    match options.command:
        case "up":
            from dev.up import up  # noqa: PLC0415

            asyncio.run(up(settings, demo_data=options.demo_data))
        case "demo":
            from dev.demo import demo  # noqa: PLC0415

            asyncio.run(demo(_links(options, settings)))
        case command:
            return _run_small_command(command, options, settings)
    return 0


def _links(options: argparse.Namespace, settings: DevSettings) -> "Links":
    from dev.demo import Links  # noqa: PLC0415

    return Links(options.url or settings.api_url, settings.temporal_ui_url, settings.vendors_url)


def _run_small_command(command: str, options: argparse.Namespace, settings: DevSettings) -> int:
    from dev import commands  # noqa: PLC0415

    match command:
        case "status":
            return 0 if commands.status(settings) else 1
        case "stop":
            commands.stop(settings)
        case "psql":
            commands.psql(settings, options.arguments)
        case "reset":
            asyncio.run(commands.reset(settings, confirmed=options.yes))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m dev",
        description="Run Holdfast on this machine: PostgreSQL, Temporal, simulated vendors, API and worker.",
        epilog=_environment(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    up = _add(commands, "up", "start everything in the foreground; Ctrl-C stops it")
    up.add_argument("--no-demo-data", dest="demo_data", action="store_false", help="start without demo data")
    demo = _add(commands, "demo", "run bookings through their lifecycle on a running stack and print every step")
    demo.add_argument("--url", help="URL of the API (default: the stack on this machine)")
    _add(commands, "status", "show the running processes; exit code 1 when there are none")
    _add(commands, "stop", "stop the running stack")
    psql = _add(commands, "psql", "open psql on the running stack's database")
    psql.add_argument("arguments", nargs=argparse.REMAINDER, help="passed to psql")
    reset = _add(commands, "reset", "delete the data of a stopped stack")
    reset.add_argument("--yes", action="store_true", help="skip the confirmation")
    return parser


def _environment() -> str:
    """The settings with their defaults, for `--help`."""
    lines = [
        f"  {variable(name, field)}\n"
        f"      {field.description}{f' Default: {field.default}' if field.default else ''}\n"
        for name, field in DevSettings.model_fields.items()
    ]
    return "environment:\n" + "".join(lines)


def _add(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, text: str
) -> argparse.ArgumentParser:
    return commands.add_parser(
        name,
        help=text,
        description=text[0].upper() + text[1:] + ".",
        epilog=_environment(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


if __name__ == "__main__":
    sys.exit(main())
