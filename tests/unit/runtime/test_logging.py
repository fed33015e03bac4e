"""A log record is one line, whatever input it contains."""

import json
import subprocess
import sys

NASTY = "\r\n\x1b[2J\x1b[31m{}\x00\x7f\x9b\u2028\u2029 end"
SCRIPT = f"""
import logging
import structlog
from runtime import logging as ours
from runtime.settings import Settings
ours.configure(Settings(log_format=FORMAT), service="test")
nasty = {NASTY!r}
with structlog.contextvars.bound_contextvars(request_id="r", trace_id="t"):
    structlog.get_logger().info("said" + nasty, what=nasty, **{{"key" + nasty: [nasty]}})
    logging.getLogger("library").warning("said %s", nasty)
    try:
        raise ValueError(nasty)
    except ValueError:
        logging.getLogger("library").exception("failed")
structlog.get_logger().info("odd", data=b"\\xff\\n", name="\\ud800")
"""


def logged(log_format: str) -> bytes:
    script = SCRIPT.replace("FORMAT", repr(log_format))
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    assert ran.stderr == b""
    return ran.stdout


def test_what_is_logged_cannot_begin_another_line_or_steer_a_terminal() -> None:
    lines = logged("json").decode().split("\n")
    assert lines.pop() == ""
    records = [json.loads(line) for line in lines]
    assert [record["level"] for record in records] == ["info", "warning", "error", "info"]
    assert records[0]["what"] == NASTY
    assert {(r["service"], r.get("request_id"), r.get("trace_id")) for r in records[:3]} == {("test", "r", "t")}
    assert not [line for line in lines if any(ord(character) < 32 or ord(character) == 127 for character in line)]


def test_nor_can_it_where_people_read_along() -> None:
    text = logged("console").decode()
    assert "said" in text
    assert not {character for character in text if ord(character) < 32 or 127 <= ord(character) < 160} - {"\n"}
    assert "\n " not in text.partition("Traceback")[0]
