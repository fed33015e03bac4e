"""Known holes in what Holdfast is built from: `python -m dev.vulnerabilities requirements.txt`.

The requirements are pinned with hashes, so nothing is resolved or installed: each is looked up. Where the service
that knows of holes cannot be reached, that is said, and it is no failure: a machine without a network checks too.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

_SOCKET_SECONDS: Final = 5
_ALL_SECONDS: Final = 30.0
"""For a service that answers, but slowly: it is asked about each requirement in turn."""
_AWAY: Final = ("requests.exceptions", "ServiceError", "network may be blocking")
"""What pip-audit ends with when it cannot ask; anything else that it ends with is a fault of ours."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A hole in one requirement."""

    requirement: str
    id: str
    fixed_in: tuple[str, ...]

    def __str__(self) -> str:
        remedy = f"fixed in {', '.join(self.fixed_in)}" if self.fixed_in else "not fixed yet"
        return f"{self.requirement}: {self.id}, {remedy}"


@dataclass(frozen=True, slots=True)
class Report:
    """What came of looking."""

    looked_up: int = 0
    unknown: tuple[str, ...] = ()
    """Requirements that the service did not answer for."""
    findings: tuple[Finding, ...] = field(default=())


def main(arguments: Sequence[str]) -> int:
    """Print what was found in the requirement files; 1 when there is a hole."""
    command = [sys.executable, "-m", "pip_audit", "--format=json", "--progress-spinner=off", "--disable-pip"]
    command += ["--require-hashes", f"--timeout={_SOCKET_SECONDS}"]
    command += [part for name in arguments for part in ("--requirement", name)]
    return tell(output_of(command, _ALL_SECONDS))


def tell(output: str | None) -> int:
    """Say what pip-audit's JSON means, a line for each hole; none: it could not ask. 1 when there is a hole."""
    report = read(output) if output else Report()
    for finding in report.findings:
        print(finding)
    if report.findings:
        print(f"error: {len(report.findings)} known vulnerabilities in the requirements: raise those, `make lock`")
        return 1
    if not report.looked_up:
        print("skipped: the vulnerability service cannot be reached from here")
        return 0
    left = f"; {len(report.unknown)} that it does not know: {', '.join(report.unknown)}" if report.unknown else ""
    print(f"No known vulnerabilities in {report.looked_up} requirements{left}")
    return 0


def read(output: str) -> Report:
    """The report in pip-audit's JSON."""
    listed: list[dict[str, Any]] = json.loads(output)["dependencies"]
    known = [one for one in listed if "skip_reason" not in one]
    unknown = tuple(one["name"] for one in listed if "skip_reason" in one)
    return Report(len(known), unknown, tuple(finding for one in known for finding in _findings(one)))


def _findings(one: dict[str, Any]) -> list[Finding]:
    requirement = f"{one['name']} {one['version']}"
    return [Finding(requirement, hole["id"], tuple(hole["fix_versions"])) for hole in one["vulns"]]


def output_of(command: list[str], within_seconds: float) -> str | None:
    """What it prints; nothing when it cannot ask, or takes too long."""
    try:
        run = subprocess.run(command, capture_output=True, text=True, timeout=within_seconds, check=False)
    except subprocess.TimeoutExpired:
        return None
    if not run.stdout and not any(sign in run.stderr for sign in _AWAY):
        raise SystemExit(f"error: pip-audit failed: {run.stderr.strip()[-500:]}")
    return run.stdout or None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
