"""How a page looks: nothing overflows, and axe finds nothing, at three widths, light and dark.

With `HOLDFAST_PICTURES` naming a folder, each look is also saved there, to be seen by people.
"""

import os
from pathlib import Path

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Page

from domain.slugs import slug_of

WIDTHS = {320: 640, 768: 1024, 1280: 860}
_AUDITED = {(320, "dark"), (1280, "light")}
_OVERFLOWING = """() => {
    const wide = (root) => [...root.querySelectorAll("*")].flatMap((one) => [
        ...(one.shadowRoot ? wide(one.shadowRoot) : []),
        ...(one.getBoundingClientRect().right > innerWidth + 1 && !one.closest(".unseen") ? [one.outerHTML] : []),
    ]);
    const isWide = document.documentElement.scrollWidth > innerWidth;
    return isWide ? wide(document).map((html) => html.slice(0, 200)) : [];
}"""


async def check_looks(page: Page, name: str) -> None:
    """Check the present state of the page, which `name` describes; the window is 1280 px wide afterwards."""
    await page.emulate_media(reduced_motion="reduce", color_scheme="light")
    for width, height in WIDTHS.items():
        await page.set_viewport_size({"width": width, "height": height})
        assert await page.evaluate(_OVERFLOWING) == [], f"{name}: wider than {width} px"
        for scheme in ("dark", "light"):
            await page.emulate_media(reduced_motion="reduce", color_scheme=scheme)
            await _save(page, f"{name} {width} {scheme}")
            if (width, scheme) in _AUDITED:
                await check_accessible(page, name)


async def check_accessible(page: Page, name: str) -> None:
    """Check that axe finds nothing."""
    found = await Axe().run(page)
    assert found.violations_count == 0, f"{name}: {found.generate_report()}"


async def _save(page: Page, name: str) -> None:
    folder = os.environ.get("HOLDFAST_PICTURES")
    if folder:
        await page.screenshot(path=Path(folder) / f"{slug_of(name)}.png", full_page=True)
