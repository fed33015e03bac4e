"""Static files: their names follow their content, and modules find each other by these names."""

import gzip
import re

import pytest

from web.assets import Assets

SOURCES = {
    "a.js": b'import { b } from "./parts/b.js";\nconst c = () => import("./c.js");\n',
    "parts/b.js": b'import { d } from "../d.js";\nexport const b = d;\n',
    "c.js": b"export {};\n",
    "d.js": b"export const d = 1;\n",
}


def test_modules_import_each_other_by_their_served_names() -> None:
    assets = Assets(SOURCES)
    served = assets.find(assets.url("a.js").removeprefix("/static/"))
    assert served is not None
    text = served.body.decode()
    assert f'from ".{assets.url("parts/b.js").removeprefix("/static")}"' in text
    assert f'import(".{assets.url("c.js").removeprefix("/static")}")' in text
    inner = assets.find(assets.url("parts/b.js").removeprefix("/static/"))
    assert inner is not None
    assert f'from "..{assets.url("d.js").removeprefix("/static")}"' in inner.body.decode()


def test_a_change_below_gives_everything_above_a_new_name_and_nothing_else() -> None:
    before, after = Assets(SOURCES), Assets(SOURCES | {"d.js": b"export const d = 2;\n"})
    changed = {name for name in SOURCES if before.url(name) != after.url(name)}
    assert changed == {"a.js", "parts/b.js", "d.js"}


def test_what_is_loaded_at_once_is_listed_once_and_what_is_loaded_later_is_not() -> None:
    assets = Assets(SOURCES)
    assert assets.modules("a.js", "d.js") == [assets.url(name) for name in ("a.js", "parts/b.js", "d.js")]


@pytest.mark.parametrize(
    ("sources", "reason"),
    [
        ({"a.js": b'import "./b.js";', "b.js": b'import "./a.js";'}, "import each other"),
        ({"a.js": b'import "./lost.js";'}, "lost.js, which does not exist"),
    ],
)
def test_modules_that_cannot_be_served_are_refused(sources: dict[str, bytes], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        Assets(sources)


def test_the_real_files_can_all_be_served() -> None:
    assets = Assets()
    for module in assets.modules("booking-page.js", "manage-page.js"):
        asset = assets.find(module.removeprefix("/static/"))
        assert asset is not None
        assert asset.gzipped is not None
        assert gzip.decompress(asset.gzipped) == asset.body
        for specifier in re.findall(r'(?:from|import\() ?"(\.[^"]+)"', asset.body.decode()):
            assert re.search(r"\.[0-9a-f]{12}\.js$", specifier), specifier
