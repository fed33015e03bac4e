"""The published contract and the check that keeps it."""

import json
from pathlib import Path

import pytest

from dev import contract

BEFORE = {"paths": {"/a": {"get": {"operationId": "a", "responses": {}}}}}
MORE = {"paths": BEFORE["paths"] | {"/b": {"get": {"operationId": "b", "responses": {}}}}}
OTHER = {"paths": {"/b": MORE["paths"]["/b"]}}


@pytest.fixture
def published(tmp_path: Path) -> Path:
    path = tmp_path / "openapi.json"
    assert contract.write(path, BEFORE, despite_breaks=False) == 0
    return path


def test_the_published_document_passes(published: Path) -> None:
    assert contract.check(published, BEFORE) == 0


def test_an_addition_must_be_published(published: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert contract.check(published, MORE) == 1
    assert "run `make openapi`" in capsys.readouterr().err
    assert contract.write(published, MORE, despite_breaks=False) == 0
    assert contract.check(published, MORE) == 0


def test_a_break_fails_and_is_published_only_on_purpose(
    published: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert contract.check(published, OTHER) == 1
    assert contract.write(published, OTHER, despite_breaks=False) == 1
    assert capsys.readouterr().err.count("breaking: GET /a: removed") == 2
    assert json.loads(published.read_text()) == BEFORE
    assert contract.write(published, OTHER, despite_breaks=True) == 0
    assert contract.check(published, OTHER) == 0


def test_a_contract_that_was_never_published_is_missed(tmp_path: Path) -> None:
    assert contract.check(tmp_path / "none.json", BEFORE) == 1
