"""Fixtures for the dev stack's tests: real processes in folders of their own."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def home() -> Iterator[Path]:
    """An empty home with a path short enough for a socket."""
    folder = Path(tempfile.mkdtemp(prefix="holdfast-test-"))
    yield folder
    shutil.rmtree(folder)
