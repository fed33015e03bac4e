"""The Python code of the gRPC API, made from api/grpc/*.proto: `python -m dev.grpc_code check|write`."""

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Final

from grpc_tools import protoc

ROOT: Final = Path(__file__).parent.parent
FOLDER: Final = Path("api/grpc")
_MADE: Final = ("*_pb2.py", "*_pb2.pyi", "*_pb2_grpc.py")


def main(arguments: Sequence[str] | None = None) -> int:
    """Check whether the committed code is what its sources give, or write it; 1 on failure."""
    parser = argparse.ArgumentParser(prog="python -m dev.grpc_code", description=__doc__)
    parser.add_argument("command", choices=("check", "write"))
    parser.add_argument("--root", type=Path, default=ROOT, help="the folder that contains api/grpc")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        if generate(options.root, Path(folder)):
            return 1
        if options.command == "write":
            write(options.root, Path(folder))
            return 0
        return check(options.root, Path(folder))


def generate(root: Path, target: Path) -> int:
    """Make the code below `target`; protoc's exit code, which has said what is wrong."""
    code = run(root, f"--python_out={target}", f"--pyi_out={target}", f"--grpc_python_out={target}")
    for path in (target / FOLDER).glob("*_pb2_grpc.py"):
        if "\nclass " not in path.read_text():
            path.unlink()  # of a source without a service
    return code


def run(root: Path, *options: str) -> int:
    """Run protoc on all sources; its exit code."""
    sources = [str(path.relative_to(root)) for path in sorted((root / FOLDER).glob("*.proto"))]
    included = files("grpc_tools") / "_proto"
    code: int = protoc.main(["protoc", f"--proto_path={root}", f"--proto_path={included}", *options, *sources])
    return code


def check(root: Path, made: Path) -> int:
    """Compare the committed code with what was made; 0 when it is the same."""
    names = {path.name for folder in (root, made) for path in _code_in(folder)}
    stale = sorted(name for name in names if _text(root / FOLDER / name) != _text(made / FOLDER / name))
    for name in stale:
        print(f"error: {FOLDER / name} is not what its .proto gives: run `make grpc`", file=sys.stderr)
    return int(bool(stale))


def write(root: Path, made: Path) -> None:
    """Replace the committed code by what was made."""
    for path in _code_in(root):
        path.unlink()
    for path in _code_in(made):
        (root / FOLDER / path.name).write_bytes(path.read_bytes())


def _code_in(folder: Path) -> Iterator[Path]:
    for pattern in _MADE:
        yield from (folder / FOLDER).glob(pattern)


def _text(path: Path) -> str | None:
    return path.read_text() if path.exists() else None


if __name__ == "__main__":
    sys.exit(main())
