"""Only their own user can read the files that the processes write."""

import stat
from pathlib import Path

from runtime.settings import Settings
from tests.support.api_client import ApiClient
from tests.support.processes import api_process
from tests.support.stage import Stage, ok


async def test_an_export_is_for_nobody_else(stage: Stage, settings: Settings, tmp_path: Path) -> None:
    folder = tmp_path / "storage" / "files"
    async with api_process(settings.model_copy(update={"storage_folder": str(folder)})) as (http, _):
        owner = ApiClient.over(http, settings).as_(stage.tenant.principals["owner"])
        ok(await owner.post(f"/v1/businesses/{stage.tenant.slug}/exports"), 201)
    made = [folder, *folder.rglob("*")]
    assert [path for path in made if path.is_file()]
    assert {stat.S_IMODE(path.stat().st_mode) for path in made} == {0o600, 0o700}
