"""Which changes of the .proto files break generated clients, and which do not."""

import json
from pathlib import Path

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.json_format import MessageToDict

from dev.grpc_code import FOLDER, ROOT, main, run
from dev.grpc_contract import Json, as_json, contract, find_breaks
from dev.grpc_contract import run as publish

BASE = """
syntax = "proto3";
package test.v1;
service Desk {
  rpc Get(Asked) returns (Thing);
  rpc Watch(Asked) returns (stream Thing);
}
message Asked { string id = 1; }
message Thing {
  string name = 1;
  optional int32 size = 2;
  Colour colour = 3;
  repeated string tags = 4;
  oneof kind { string round = 5; string square = 6; }
  message Part { string name = 1; }
  Part part = 7;
}
enum Colour { COLOUR_UNSPECIFIED = 0; COLOUR_RED = 1; COLOUR_BLUE = 2; }
"""


def compiled(folder: Path, source: str) -> Json:
    (folder / FOLDER).mkdir(parents=True, exist_ok=True)
    (folder / FOLDER / "test.proto").write_text(source)
    out = folder / "descriptors"
    assert run(folder, f"--descriptor_set_out={out}") == 0
    return MessageToDict(FileDescriptorSet.FromString(out.read_bytes()))


BREAKING = [
    ("rpc Get(Asked) returns (Thing);", "", "test.v1.Desk.Get: removed"),
    ("rpc Get(Asked)", "rpc Get(Thing)", "test.v1.Desk.Get: inputType .test.v1.Asked is now .test.v1.Thing"),
    ("returns (stream Thing)", "returns (Thing)", "test.v1.Desk.Watch: serverStreaming True is now none"),
    ("string name = 1;\n  optional", "optional", "test.v1.Thing.name: removed"),
    ("string name = 1;\n", "string title = 1;\n", "test.v1.Thing.name: is now title"),
    ("string name = 1;\n", "string name = 9;\n", "test.v1.Thing.name: number 1 is now 9"),
    ("string name = 1;\n", "bytes name = 1;\n", "test.v1.Thing.name: type TYPE_STRING is now TYPE_BYTES"),
    ("optional int32", "int32", "test.v1.Thing.size: optional True is now none"),
    ("repeated string", "string", "test.v1.Thing.tags: label LABEL_REPEATED is now LABEL_OPTIONAL"),
    (
        "oneof kind { string round = 5; string square = 6; }",
        "string round = 5; oneof kind { string square = 6; }",
        "test.v1.Thing.round: oneof kind is now none",
    ),
    ("Colour colour", "int32 colour", "test.v1.Thing.colour: type .test.v1.Colour is now TYPE_INT32"),
    ("COLOUR_BLUE = 2;", "", "test.v1.Colour.COLOUR_BLUE: removed"),
    ("COLOUR_BLUE = 2;", "COLOUR_BLUE = 3;", "test.v1.Colour.COLOUR_BLUE: number 2 is now 3"),
    ("message Part { string name = 1; }", "message Part { }", "test.v1.Thing.Part.name: removed"),
    ("package test.v1;", "package test.v2;", "test.v1.Asked: removed"),
]


@pytest.mark.parametrize(("old", "new", "expected"), BREAKING)
def test_a_break_is_named(tmp_path: Path, old: str, new: str, expected: str) -> None:
    assert BASE.count(old) == 1
    before, now = compiled(tmp_path, BASE), compiled(tmp_path, BASE.replace(old, new))
    assert expected in find_breaks(before, now)


def test_what_is_only_added_breaks_nobody(tmp_path: Path) -> None:
    grown = (
        BASE.replace("rpc Get(", "rpc List(Asked) returns (Thing);\n  rpc Get(")
        .replace("Part part = 7;", "Part part = 7; string more = 8;")
        .replace("COLOUR_BLUE = 2;", "COLOUR_BLUE = 2; COLOUR_GREEN = 3;")
        + "message Other {}"
    )
    assert find_breaks(compiled(tmp_path, BASE), compiled(tmp_path, grown)) == []


def test_the_published_contract_is_that_of_the_code() -> None:
    assert contract() == json.loads((ROOT / "docs/holdfast.v1.json").read_text())


def test_a_contract_is_published_unless_it_breaks_somebody(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    published, now = tmp_path / "published.json", compiled(tmp_path, BASE)
    assert publish("check", published, now) == 1
    assert publish("write", published, now) == 0
    assert publish("check", published, now) == 0
    broken = compiled(tmp_path, BASE.replace("COLOUR_BLUE = 2;", ""))
    assert publish("write", published, broken) == 1
    assert "breaking: test.v1.Colour.COLOUR_BLUE: removed" in capsys.readouterr().err
    assert publish("write", published, broken, despite_breaks=True) == 0


def test_generated_code_that_is_stale_missing_or_left_over_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    compiled(tmp_path, BASE)
    arguments = ["--root", str(tmp_path)]
    assert main(["check", *arguments]) == 1
    assert main(["write", *arguments]) == 0
    assert main(["check", *arguments]) == 0
    (tmp_path / FOLDER / "old_pb2.py").write_text("")
    compiled(tmp_path, BASE.replace("COLOUR_BLUE = 2;", ""))
    assert main(["check", *arguments]) == 1
    assert "old_pb2.py" in capsys.readouterr().err
    assert main(["write", *arguments]) == 0
    assert not (tmp_path / FOLDER / "old_pb2.py").exists()


def test_the_generated_code_is_current() -> None:
    assert main(["check"]) == 0


def test_descriptors_are_without_comments() -> None:
    assert "sourceCodeInfo" not in json.dumps(as_json([]) | contract())
