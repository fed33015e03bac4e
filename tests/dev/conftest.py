"""Fixtures for the tests of the development stack: real processes in temporary folders."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@pytest.fixture
def home() -> Iterator[Path]:
    """An empty home; its path is short enough for a socket."""
    with _temporary_home() as folder:
        yield folder


@pytest.fixture(scope="module")
def shared_home() -> Iterator[Path]:
    """An empty home for a module whose tests share a server."""
    with _temporary_home() as folder:
        yield folder


@contextmanager
def _temporary_home() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="holdfast-test-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)
