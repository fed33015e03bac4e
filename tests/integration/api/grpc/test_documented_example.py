"""The first example of docs/grpc.md runs as it is written, but for the address, the token and the business."""

import asyncio
import re
import sys
from pathlib import Path

from api.grpc.server import running_server
from runtime.settings import Settings
from tests.support.grpc_client import TOKEN, entry, with_tokens
from tests.support.repository_files import ROOT, read
from tests.support.stage import Stage


async def test_the_example_books_and_reads(settings: Settings, patient_stage: Stage, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(TOKEN)
    example = re.findall(r"```python\n(.*?)```", read("docs/grpc.md"), re.DOTALL)[0]
    async with running_server(with_tokens(settings, entry()), "127.0.0.1", 0) as port:
        replaced = {
            "127.0.0.1:50051": f"127.0.0.1:{port}",
            ".holdfast/keys/grpc.token": str(tmp_path / "token"),
            "demo-garage": patient_stage.tenant.slug,
        }
        for old, new in replaced.items():
            assert old in example
            example = example.replace(old, new)
        started = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", example), cwd=ROOT, stdout=asyncio.subprocess.PIPE
        )
        printed, _ = await started.communicate()
    assert started.returncode == 0
    assert re.search(r'^[A-Z0-9]{7} "1"$', printed.decode(), re.MULTILINE)
    assert "BOOKING_STATUS_PENDING" in printed.decode() or "BOOKING_STATUS_ASSIGNED" in printed.decode()
