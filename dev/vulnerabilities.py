"""Check the requirements for known vulnerabilities: `python -m dev.vulnerabilities requirements.txt`.

The requirements are pinned with hashes, so nothing is resolved or installed. If the vulnerability service cannot
be reached, the check is skipped without an error: it must also run without a network.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

_SOCKET_SECONDS: Final = 5
_ALL_SECONDS: Final = 30.0
"""Limit for a slow service: each requirement is one request."""
_AWAY: Final = ("requests.exceptions", "ServiceError", "network may be blocking")
"""Signs in pip-audit's output that the service cannot be reached; other errors are bugs."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A vulnerability of one requirement."""

    requirement: str
    id: str
    fixed_in: tuple[str, ...]

    def __str__(self) -> str:
        remedy = f"fixed in {', '.join(self.fixed_in)}" if self.fixed_in else "not fixed yet"
        return f"{self.requirement}: {self.id}, {remedy}"


@dataclass(frozen=True, slots=True)
class Report:
    """The result of a check."""

    looked_up: int = 0
    unknown: tuple[str, ...] = ()
    """Requirements that the service does not know."""
    findings: tuple[Finding, ...] = field(default=())


def main(arguments: Sequence[str]) -> int:
    """Check the requirement files and print the findings; 1 if there is a vulnerability."""
    command = [sys.executable, "-m", "pip_audit", "--format=json", "--progress-spinner=off", "--disable-pip"]
    command += ["--require-hashes", f"--timeout={_SOCKET_SECONDS}"]
    command += [part for name in arguments for part in ("--requirement", name)]
    return print_report(output_of(command, _ALL_SECONDS))


def print_report(output: str | None) -> int:
    """Print the findings in pip-audit's JSON (None: not available); 1 if there is a vulnerability."""
    report = read(output) if output else Report()
    for finding in report.findings:
        print(finding)
    if report.findings:
        print(f"error: {len(report.findings)} known vulnerabilities: update the requirements with `make lock`")
        return 1
    if not report.looked_up:
        print("skipped: the vulnerability service cannot be reached")
        return 0
    left = f"; {len(report.unknown)} unknown: {', '.join(report.unknown)}" if report.unknown else ""
    print(f"No known vulnerabilities in {report.looked_up} requirements{left}")
    return 0


def read(output: str) -> Report:
    """Parse pip-audit's JSON."""
    listed: list[dict[str, Any]] = json.loads(output)["dependencies"]
    known = [one for one in listed if "skip_reason" not in one]
    unknown = tuple(one["name"] for one in listed if "skip_reason" in one)
    return Report(len(known), unknown, tuple(finding for one in known for finding in _findings(one)))


def _findings(one: dict[str, Any]) -> list[Finding]:
    requirement = f"{one['name']} {one['version']}"
    return [Finding(requirement, found["id"], tuple(found["fix_versions"])) for found in one["vulns"]]


def output_of(command: list[str], within_seconds: float) -> str | None:
    """The command's output; None if the service cannot be reached or the command takes too long."""
    try:
        run = subprocess.run(command, capture_output=True, text=True, timeout=within_seconds, check=False)
    except subprocess.TimeoutExpired:
        return None
    if not run.stdout and not any(sign in run.stderr for sign in _AWAY):
        raise SystemExit(f"error: pip-audit failed: {run.stderr.strip()[-500:]}")
    return run.stdout or None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
