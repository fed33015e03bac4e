"""The Dockerfile, checked without Docker."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.repository_files import ROOT, read

DOCKERFILE = read("Dockerfile")
FINAL_STAGE = DOCKERFILE[DOCKERFILE.rindex("\nFROM ") :]
COPIED = re.findall(r"^COPY (\w+) \1$", FINAL_STAGE, re.MULTILINE)


def test_base_images_are_pinned_to_a_version_of_python_and_of_the_distribution() -> None:
    bases = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    assert set(bases) == {"python:3.13-slim-trixie"}


def test_it_runs_as_a_fixed_user_that_is_not_root() -> None:
    users = re.findall(r"^USER (\d+):(\d+)$", FINAL_STAGE, re.MULTILINE)
    assert len(users) == 1
    assert all(int(number) >= 10_000 for number in users[0])
    assert FINAL_STAGE.index("\nUSER ") < FINAL_STAGE.index("\nCMD ")


def test_every_installed_file_is_pinned_by_a_hash() -> None:
    assert "--require-hashes" in DOCKERFILE
    lines = read("requirements.txt").replace("\\\n", " ").splitlines()
    requirements = [line for line in lines if line and not line.lstrip().startswith("#")]
    assert requirements
    for requirement in requirements:
        assert "==" in requirement
        assert "--hash=sha256:" in requirement


def test_nothing_is_compiled_or_installed_by_the_distribution() -> None:
    assert "--only-binary=:all:" in DOCKERFILE
    assert "apt-get" not in DOCKERFILE


def test_it_holds_the_product_and_nothing_else() -> None:
    assert sorted(COPIED) == ["activities", "api", "db", "domain", "runtime", "web", "worker", "workflows"]


def test_everything_that_is_copied_passes_dockerignore() -> None:
    ignored = read(".dockerignore").splitlines()
    assert "*" in ignored
    allowed = {line.removeprefix("!") for line in ignored if line.startswith("!")}
    assert allowed == {*COPIED, "requirements.txt"}


def test_the_command_is_a_module_that_exists() -> None:
    command = json.loads(re.findall(r"^CMD (\[.*\])$", FINAL_STAGE, re.MULTILINE)[-1])
    assert command == ["python", "-m", "api"]
    assert (ROOT / "api/__main__.py").is_file()


@pytest.mark.parametrize("module", ["api", "api.grpc", "worker", "db"])
def test_each_program_starts_with_only_what_is_copied(module: str, tmp_path: Path) -> None:
    for folder in COPIED:
        (tmp_path / folder).symlink_to(ROOT / folder)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    completed = subprocess.run(
        [sys.executable, "-m", module, "--help"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"python -m {module}" in completed.stdout
