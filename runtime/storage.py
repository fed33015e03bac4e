"""Where files lie: in a folder of the installation, or in a business's own S3-compatible store.

It is plumbing rather than an adapter, since files come and go with requests to the API, which may not import
activities. What a business names as its store is called by `runtime.outbound`, as all such addresses are: obstore
only signs the requests. Its calls that are not asynchronous are used, in threads: the others may abort a process
that ends while they run.

A store may hang, drip, or answer without end: each call has a connection of its own and an end by the clock, and a
business only so many of them at once, so that it holds up nobody else's files.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final, Literal, Protocol
from uuid import UUID
from weakref import WeakValueDictionary

import httpx
import obstore
from obstore.store import LocalStore, S3Store
from pydantic import ValidationError

from domain.effects import Vendor
from domain.integrations import S3Settings
from runtime import outbound
from runtime.json import from_json
from runtime.secrets import Secrets, SecretsKeyMissingError, SecretUnreadableError
from runtime.settings import Settings

if TYPE_CHECKING:
    from obstore.store import S3Credential

FOLDER: Final = "folder"
_CHUNK: Final = 64 * 1024
_SIGNED_FOR: Final = timedelta(minutes=5)
_AT_ONCE: Final = 16
"""Calls to the store of one business."""
_MOST_SAID: Final = 64 * 1024
"""Bytes that are read of an answer in which there is no file."""
_KEY: Final = re.compile(r"[A-Za-z0-9-]+(/[A-Za-z0-9-]+)*")
_PREFIX_ENDS: Final = "/"

Row = Mapping[str, Any]
_Method = Literal["GET", "PUT", "DELETE"]


class StorageError(Exception):
    """The store did not do it; `code` says why in a word, without anything that the store said."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Storage(Protocol):
    """Keeps contents under keys; a key is made of ids, and never of what somebody typed."""

    @property
    def name(self) -> str:
        """`folder` or `s3`: what is kept with the key, to find it again."""

    async def put(self, key: str, content: BinaryIO, size: int, content_type: str) -> None:
        """Keep the content, of `size` bytes from where it stands, in place of whatever was there.

        Raises:
            StorageError: it is not kept, or not certainly.
        """

    def read(self, key: str) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """The content, piece by piece.

        Raises:
            StorageError: `missing` when there is nothing, else what keeps it from being read.
        """

    async def delete(self, key: str) -> None:
        """Keep it no longer; what is not there is no error.

        Raises:
            StorageError: it is still there, or not certainly gone.
        """


@dataclass(frozen=True, slots=True)
class Patience:
    """How long we wait for a store, in seconds."""

    place: float = 5.0
    """Until another call of the same business has ended."""
    step: float = 20.0
    """For each connect, write and read; and for all of what is over in one such step."""
    put: float = 90.0
    read: float = 300.0
    """Includes the time that whoever the file is read for takes."""


class Storages:
    """All the stores of an installation."""

    def __init__(self, settings: Settings, patience: Patience = Patience()) -> None:
        self._folder = _Folder(Path(settings.storage_folder))
        self._secrets = Secrets(settings.secrets_key)
        self._allow_loopback = settings.outbound_allow_loopback
        self._patience = patience
        self._places: WeakValueDictionary[UUID, asyncio.Semaphore] = WeakValueDictionary()
        """By business, for as long as there is a call."""

    def of(self, integration: Row | None) -> Storage:
        """The store of a business that has this integration; the folder where it has none.

        Raises:
            StorageError: what is set for it cannot be used.
        """
        if integration is None:
            return self._folder
        try:
            secrets = from_json(self._secrets.decrypt(integration["secrets_encrypted"] or ""))
        except (SecretsKeyMissingError, SecretUnreadableError):
            raise StorageError("secrets_unreadable") from None
        signer = _signer(integration["settings"], secrets)
        return _S3(signer, self._client, self._places_of(integration["business_id"]), self._patience)

    def _client(self) -> httpx.AsyncClient:
        return outbound.client(allow_loopback=self._allow_loopback, timeout_seconds=self._patience.step)

    def _places_of(self, business_id: UUID) -> asyncio.Semaphore:
        return self._places.setdefault(business_id, asyncio.Semaphore(_AT_ONCE))


def _checked(key: str) -> str:
    if not _KEY.fullmatch(key):
        raise ValueError("a key is made of ids")
    return key


# --- the folder -----------------------------------------------------------------------------------------------


class _Folder:
    name = FOLDER

    def __init__(self, path: Path) -> None:
        self._path = path

    async def put(self, key: str, content: BinaryIO, size: int, content_type: str) -> None:
        del size, content_type
        await _in_thread(self._put, _checked(key), content)

    def _put(self, key: str, content: BinaryIO) -> None:
        obstore.put(self._store(), key, content)  # into a file beside it, which then takes its name

    @asynccontextmanager
    async def read(self, key: str) -> AsyncIterator[AsyncIterator[bytes]]:
        found = await _in_thread(obstore.get, self._store(), _checked(key))
        yield _pieces(iter(found.stream(_CHUNK)))

    async def delete(self, key: str) -> None:
        try:
            await _in_thread(obstore.delete, self._store(), _checked(key))
        except StorageError as error:
            if error.code != "missing":
                raise

    def _store(self) -> LocalStore:
        return LocalStore(self._path, mkdir=True)


async def _in_thread(function: Any, *arguments: Any) -> Any:
    try:
        return await asyncio.to_thread(function, *arguments)
    except FileNotFoundError:
        raise StorageError("missing") from None
    except (OSError, obstore.exceptions.BaseError) as error:
        raise StorageError(type(error).__name__) from None


async def _pieces(stream: Any) -> AsyncIterator[bytes]:
    while (piece := await _in_thread(next, stream, None)) is not None:
        yield bytes(piece)


# --- S3 -------------------------------------------------------------------------------------------------------


def _signer(settings: Row, secrets: Mapping[str, str]) -> S3Store:
    """What signs requests to the store.

    obstore takes whatever is not given from the environment (`AWS_…`), which is the operator's and not the
    business's: so all that matters is given, the credentials by a function, for which no session token is added.
    """
    try:
        wanted = S3Settings.model_validate(settings)
        keys: S3Credential = {
            "access_key_id": secrets["access_key_id"],
            "secret_access_key": secrets["secret_access_key"],
            "token": None,
            "expires_at": None,
        }
        endpoint = (wanted.endpoint or f"https://s3.{wanted.region}.amazonaws.com").rstrip("/")
        return S3Store(
            wanted.bucket,
            prefix=(wanted.prefix or "").strip(_PREFIX_ENDS) or None,
            region=wanted.region,
            endpoint=endpoint,
            aws_endpoint_url_s3=endpoint,
            virtual_hosted_style_request=False,
            skip_signature=False,
            s3_express=False,
            credential_provider=lambda: keys,
            client_options={"allow_http": True},  # it makes no calls; who does, lets none but the loopback be HTTP
        )
    except (ValidationError, KeyError, ValueError, obstore.exceptions.BaseError):
        raise StorageError("misconfigured") from None


class _S3:
    name: str = Vendor.S3

    def __init__(
        self,
        signer: S3Store,
        client: Callable[[], httpx.AsyncClient],
        places: asyncio.Semaphore,
        patience: Patience,
    ) -> None:
        self._signer = signer
        self._client = client
        self._places = places
        self._patience = patience

    async def put(self, key: str, content: BinaryIO, size: int, content_type: str) -> None:
        headers = {"Content-Length": str(size), "Content-Type": content_type}
        _require_success(await self._ask("PUT", key, self._patience.put, headers, _read(content)))

    @asynccontextmanager
    async def read(self, key: str) -> AsyncIterator[AsyncIterator[bytes]]:
        ends_at = asyncio.get_running_loop().time() + self._patience.read
        async with self._place(), self._client() as http:
            async with _told(), asyncio.timeout(self._patience.step):
                response = await self._send(http, "GET", key, {"Accept-Encoding": "identity"})
            try:
                if response.status_code == httpx.codes.NOT_FOUND:
                    raise StorageError("missing")
                _require_success(response)
                yield _until(ends_at, response.aiter_raw())
            finally:
                await response.aclose()

    async def delete(self, key: str) -> None:
        response = await self._ask("DELETE", key, self._patience.step)
        if response.status_code != httpx.codes.NOT_FOUND:
            _require_success(response)

    async def _ask(self, method: _Method, key: str, seconds: float, *rest: Any) -> httpx.Response:
        """What the store answers, without what it says."""
        async with self._place(), _told(), asyncio.timeout(seconds), self._client() as http:
            response = await self._send(http, method, key, *rest)
            try:
                with suppress(outbound.TooLargeError):
                    await outbound.read_limited(response, _MOST_SAID)
            finally:
                await response.aclose()
        return response

    async def _send(
        self,
        http: httpx.AsyncClient,
        method: _Method,
        key: str,
        headers: Mapping[str, str] | None = None,
        content: AsyncIterator[bytes] | None = None,
    ) -> httpx.Response:
        url = await _in_thread(obstore.sign, self._signer, method, _checked(key), _SIGNED_FOR)
        return await http.send(http.build_request(method, url, headers=headers, content=content), stream=True)

    @asynccontextmanager
    async def _place(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self._patience.place):
                await self._places.acquire()
        except TimeoutError:
            raise StorageError("busy") from None
        try:
            yield
        finally:
            self._places.release()


async def _until(ends_at: float, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The pieces that come until then, by the clock of the loop."""
    while True:
        async with _told(), asyncio.timeout_at(ends_at):
            piece = await anext(pieces, None)
        if piece is None:
            return
        yield piece


@asynccontextmanager
async def _told() -> AsyncIterator[None]:
    """What goes wrong on the way, in a word; the address holds a signature and is not told."""
    try:
        yield
    except outbound.OutboundRefusedError:
        raise StorageError("address_refused") from None
    except (TimeoutError, httpx.TimeoutException):
        raise StorageError("timeout") from None
    except httpx.HTTPError:
        raise StorageError("unreachable") from None


async def _read(content: BinaryIO) -> AsyncIterator[bytes]:
    while piece := content.read(_CHUNK):
        yield piece


def _require_success(response: httpx.Response) -> None:
    if not response.is_success:
        raise StorageError(f"http_{response.status_code}")
