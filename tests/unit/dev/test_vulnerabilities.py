"""What `make check` reports about known vulnerabilities in the requirements."""

import json
import sys
from typing import Any

import pytest

from dev import vulnerabilities

HOLE = {"id": "CVE-2099-1", "fix_versions": ["2.1"], "aliases": [], "description": "a hole"}


def output(**requirements: Any) -> str:
    """pip-audit's JSON: a list of holes for each requirement, or why it was left out."""
    listed = [
        {"name": name, "skip_reason": said}
        if isinstance(said, str)
        else {"name": name, "version": "2.0", "vulns": said}
        for name, said in requirements.items()
    ]
    return json.dumps({"dependencies": listed, "fixes": []})


def test_a_known_hole_fails_and_says_what_mends_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert vulnerabilities.print_report(output(good=[], bad=[HOLE])) == 1
    assert "bad 2.0: CVE-2099-1, fixed in 2.1" in capsys.readouterr().out


def test_requirements_without_holes_pass_and_those_that_were_not_looked_up_are_named(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert vulnerabilities.print_report(output(good=[], own="not known")) == 0
    assert capsys.readouterr().out == "No known vulnerabilities in 1 requirements; 1 unknown: own\n"


@pytest.mark.parametrize("said", [None, output(good="could not be audited")])
def test_a_service_that_cannot_be_asked_is_said_and_passes(
    said: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    assert vulnerabilities.print_report(said) == 0
    assert capsys.readouterr().out == "skipped: the vulnerability service cannot be reached\n"


def test_a_service_that_never_answers_is_given_up() -> None:
    assert (
        vulnerabilities.output_of(
            [sys.executable, "-c", "import threading; threading.Event().wait()"], within_seconds=0.2
        )
        is None
    )


def test_what_pip_audit_cannot_read_fails() -> None:
    with pytest.raises(SystemExit, match="pip-audit failed"):
        vulnerabilities.main(["no/such/requirements.txt"])
