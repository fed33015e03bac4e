"""File storage: a folder of the installation, or a business's own S3-compatible store.

It is not an adapter because requests to the API use it, and the API may not import activities. A business's store
is called through `runtime.outbound`, like every address that a business names; obstore only signs the requests.
obstore's synchronous functions run in threads: its asynchronous ones can abort a process that ends while they run.

A store may hang or answer slowly without end. So each call has its own connection and deadline, and a business has
a limited number of concurrent calls, so that its store delays nobody else's files.
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
_CONCURRENT_CALLS: Final = 16
"""Concurrent calls to the store of one business."""
_MOST_IGNORED: Final = 64 * 1024
"""Bytes to read of an answer without a file."""
_KEY: Final = re.compile(r"[A-Za-z0-9-]+(/[A-Za-z0-9-]+)*")
_PREFIX_ENDS: Final = "/"

Row = Mapping[str, Any]
_Method = Literal["GET", "PUT", "DELETE"]


class StorageError(Exception):
    """The store failed; `code` says why, without anything that the store answered."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Storage(Protocol):
    """Stores files under keys. A key consists of ids, never of typed text."""

    @property
    def name(self) -> str:
        """`folder` or `s3`; stored with the key to find the file again."""

    async def put(self, key: str, content: BinaryIO, size: int, content_type: str) -> None:
        """Store the content, `size` bytes from its current position, replacing any earlier one.

        Raises:
            StorageError: it is not stored, or it is unknown whether it is.
        """

    def read(self, key: str) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """The content, in chunks.

        Raises:
            StorageError: `missing` if there is no such file, otherwise the reason.
        """

    async def delete(self, key: str) -> None:
        """Delete the file, if it exists.

        Raises:
            StorageError: it still exists, or it is unknown whether it does.
        """


@dataclass(frozen=True, slots=True)
class StorageTimeouts:
    """Timeouts of a store, in seconds."""

    slot: float = 5.0
    """For a free slot among the business's concurrent calls."""
    step: float = 20.0
    """For each connect, write and read, and for calls that consist of one such step."""
    put: float = 90.0
    read: float = 300.0
    """Includes the time that the recipient of the file takes."""


class Storages:
    """All the stores of an installation."""

    def __init__(self, settings: Settings, timeouts: StorageTimeouts = StorageTimeouts()) -> None:
        self._folder = _Folder(Path(settings.storage_folder))
        self._secrets = Secrets(settings.secrets_key)
        self._allow_loopback = settings.outbound_allow_loopback
        self._timeouts = timeouts
        self._slots: WeakValueDictionary[UUID, asyncio.Semaphore] = WeakValueDictionary()
        """By business, while there are calls."""

    def of(self, integration: Row | None) -> Storage:
        """The store of this integration; None: the installation's folder.

        Raises:
            StorageError: its settings or secrets are unusable.
        """
        if integration is None:
            return self._folder
        try:
            secrets = from_json(self._secrets.decrypt(integration["secrets_encrypted"] or ""))
        except (SecretsKeyMissingError, SecretUnreadableError):
            raise StorageError("secrets_unreadable") from None
        signer = _signer(integration["settings"], secrets)
        return _S3(signer, self._client, self._slots_of(integration["business_id"]), self._timeouts)

    def _client(self) -> httpx.AsyncClient:
        return outbound.client(allow_loopback=self._allow_loopback, timeout_seconds=self._timeouts.step)

    def _slots_of(self, business_id: UUID) -> asyncio.Semaphore:
        return self._slots.setdefault(business_id, asyncio.Semaphore(_CONCURRENT_CALLS))


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
        obstore.put(self._store(), key, content)  # writes a temporary file and renames it

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
    """The signer of requests to the store.

    obstore takes missing options from the environment (`AWS_…`), which is the operator's and not the business's.
    So all relevant options are given, the credentials through a function, for which no session token is added.
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
            client_options={"allow_http": True},  # it only signs; `runtime.outbound` restricts plain HTTP
        )
    except (ValidationError, KeyError, ValueError, obstore.exceptions.BaseError):
        raise StorageError("misconfigured") from None


class _S3:
    name: str = Vendor.S3

    def __init__(
        self,
        signer: S3Store,
        client: Callable[[], httpx.AsyncClient],
        slots: asyncio.Semaphore,
        timeouts: StorageTimeouts,
    ) -> None:
        self._signer = signer
        self._client = client
        self._slots = slots
        self._timeouts = timeouts

    async def put(self, key: str, content: BinaryIO, size: int, content_type: str) -> None:
        headers = {"Content-Length": str(size), "Content-Type": content_type}
        _require_success(await self._ask("PUT", key, self._timeouts.put, headers, _read(content)))

    @asynccontextmanager
    async def read(self, key: str) -> AsyncIterator[AsyncIterator[bytes]]:
        ends_at = asyncio.get_running_loop().time() + self._timeouts.read
        async with self._slot(), self._client() as http:
            async with _translated_errors(), asyncio.timeout(self._timeouts.step):
                response = await self._send(http, "GET", key, {"Accept-Encoding": "identity"})
            try:
                if response.status_code == httpx.codes.NOT_FOUND:
                    raise StorageError("missing")
                _require_success(response)
                yield _until(ends_at, response.aiter_raw())
            finally:
                await response.aclose()

    async def delete(self, key: str) -> None:
        response = await self._ask("DELETE", key, self._timeouts.step)
        if response.status_code != httpx.codes.NOT_FOUND:
            _require_success(response)

    async def _ask(self, method: _Method, key: str, seconds: float, *rest: Any) -> httpx.Response:
        """Send a request and ignore the answer's body."""
        async with self._slot(), _translated_errors(), asyncio.timeout(seconds), self._client() as http:
            response = await self._send(http, method, key, *rest)
            try:
                with suppress(outbound.TooLargeError):
                    await outbound.read_limited(response, _MOST_IGNORED)
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
    async def _slot(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self._timeouts.slot):
                await self._slots.acquire()
        except TimeoutError:
            raise StorageError("busy") from None
        try:
            yield
        finally:
            self._slots.release()


async def _until(ends_at: float, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The chunks that arrive before the deadline (event loop time)."""
    while True:
        async with _translated_errors(), asyncio.timeout_at(ends_at):
            piece = await anext(pieces, None)
        if piece is None:
            return
        yield piece


@asynccontextmanager
async def _translated_errors() -> AsyncIterator[None]:
    """Translate failures of the call into codes. The URL contains a signature and is never quoted."""
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
