"""Static files under names that contain a digest of their content, so that browsers keep them for a year.

Scripts are standard modules. What a module imports is renamed inside it, so that it has a new name itself as soon
as anything below it changes. A stylesheet `x.css` is also available to modules as `x.css.js`, for shadow roots.
"""

import gzip
import hashlib
import json
import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from runtime.messages.page_texts import SECTIONS, page_texts
from runtime.messages.rendering import LANGUAGES

ROOT: Final = "/static"
_FOLDER: Final = Path(__file__).parent / "static"
_TYPES: Final = {
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
}
_COMPRESSED: Final = frozenset({".js", ".css", ".svg"})
_STATIC_IMPORT: Final = re.compile(r'((?:^|[\s};])(?:import|from)\s*)"(\.{1,2}/[^"]+)"')
_DYNAMIC_IMPORT: Final = re.compile(r'(import\()"(\.{1,2}/[^"]+)"')
_LINES_OF_COMMENT: Final = re.compile(r"^[ ]*(?://[^\n]*|/\*\*.*?\*/)\n", re.DOTALL | re.MULTILINE)
"""Comments that have lines of their own."""
_COMMENT: Final = re.compile(r"/\*.*?\*/", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Asset:
    """A file as it is served."""

    path: str
    """Below `ROOT`, with the digest: `steps/time.5e884898da28.js`."""
    media_type: str
    body: bytes
    gzipped: bytes | None
    """None: not worth compressing."""
    imports: tuple[str, ...]
    """Names of the modules that are loaded with it."""

    @property
    def url(self) -> str:
        return f"{ROOT}/{self.path}"


class Assets:
    """All static files, made once at the start.

    Raises:
        ValueError: modules import each other in a circle, or import something that does not exist.
    """

    def __init__(self, sources: Mapping[str, bytes] | None = None) -> None:
        self._sources = dict(_read_sources() if sources is None else sources)
        self._by_name: dict[str, Asset] = {}
        for name in self._sources:
            self._make(name, ())
        self._by_path = {asset.path: asset for asset in self._by_name.values()}

    def url(self, name: str) -> str:
        """The address of a file by its name in the sources: `page.css`."""
        return self._by_name[name].url

    def find(self, path: str) -> Asset | None:
        """The file behind an address below `ROOT`."""
        return self._by_path.get(path)

    def modules(self, *names: str) -> list[str]:
        """The addresses of these modules and of everything that is loaded with them, each once."""
        found: dict[str, None] = {}

        def visit(name: str) -> None:
            if name not in found:
                found[name] = None
                for imported in self._by_name[name].imports:
                    visit(imported)

        for name in names:
            visit(name)
        return [self.url(name) for name in found]

    def _make(self, name: str, importers: tuple[str, ...]) -> Asset:
        if name in importers:
            raise ValueError(f"modules import each other: {' -> '.join((*importers, name))}")
        if name in self._by_name:
            return self._by_name[name]
        if name not in self._sources:
            raise ValueError(f"{importers[-1]} imports {name}, which does not exist")
        body = self._sources[name]
        imports: list[str] = []
        if name.endswith(".js"):
            text, imports = self._linked(name, body.decode(), (*importers, name))
            body = text.encode()
        stem, suffix = posixpath.splitext(name)
        asset = Asset(
            path=f"{stem}.{hashlib.blake2b(body, digest_size=6).hexdigest()}{suffix}",
            media_type=_TYPES[suffix],
            body=body,
            gzipped=gzip.compress(body, 9, mtime=0) if suffix in _COMPRESSED else None,
            imports=tuple(imports),
        )
        self._by_name[name] = asset
        return asset

    def _linked(self, name: str, text: str, importers: tuple[str, ...]) -> tuple[str, list[str]]:
        """The module with the served names of what it imports, and what is loaded with it."""
        loaded: list[str] = []

        def served_name(specifier: str) -> str:
            wanted = posixpath.normpath(posixpath.join(posixpath.dirname(name), specifier))
            path = posixpath.relpath(self._make(wanted, importers).path, posixpath.dirname(name) or ".")
            return path if path.startswith(".") else f"./{path}"

        def link(found: re.Match[str]) -> str:
            loaded.append(posixpath.normpath(posixpath.join(posixpath.dirname(name), found[2])))
            return f'{found[1]}"{served_name(found[2])}"'

        text = _STATIC_IMPORT.sub(link, _LINES_OF_COMMENT.sub("", text))
        return _DYNAMIC_IMPORT.sub(lambda found: f'{found[1]}"{served_name(found[2])}"', text), loaded


def _read_sources() -> dict[str, bytes]:
    """Every file of the folder, the modules of its stylesheets, and the texts of the message catalogue."""
    sources = {
        path.relative_to(_FOLDER).as_posix(): path.read_bytes()
        for path in sorted(_FOLDER.rglob("*"))
        if path.suffix in _TYPES
    }
    sheets = {f"{name}.js": _sheet(body.decode()) for name, body in sources.items() if name.endswith(".css")}
    texts = {
        f"texts/{section}.{language}.js": _default_export(page_texts(language, section))
        for section in SECTIONS
        for language in LANGUAGES
    }
    return sources | sheets | texts


def _sheet(css: str) -> bytes:
    """A module whose default export is the stylesheet."""
    short = "\n".join(line.strip() for line in _COMMENT.sub("", css).splitlines() if line.strip())
    return (
        f"const sheet = new CSSStyleSheet();\nsheet.replaceSync({json.dumps(short)});\nexport default sheet;\n"
    ).encode()


def _default_export(texts: Mapping[str, str]) -> bytes:
    return f"export default {json.dumps(dict(texts), ensure_ascii=False, indent=0)};\n".encode()
