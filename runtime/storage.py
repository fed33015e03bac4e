"""Where files lie: in a folder of the installation, or in a business's own S3-compatible store.

It is plumbing rather than an adapter, since files come and go with requests to the API, which may not import
activities. What a business names as its store is called by `runtime.outbound`, as all such addresses are: obstore
only signs the requests. Its calls that are not asynchronous are used, in threads: the others may abort a process
that ends while they run.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final, Literal, Protocol

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
_STEP_SECONDS: Final = 20.0
"""How long a store may take for one step of an answer."""
_PUT_SECONDS: Final = 90.0
_KEY: Final = re.compile(r"[A-Za-z0-9-]+(/[A-Za-z0-9-]+)*")
_PREFIX_ENDS: Final = "/"

Row = Mapping[str, Any]


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


class Storages:
    """All the stores of an installation."""

    def __init__(self, settings: Settings) -> None:
        self._folder = _Folder(Path(settings.storage_folder))
        self._secrets = Secrets(settings.secrets_key)
        self._allow_loopback = settings.outbound_allow_loopback
        self._http: httpx.AsyncClient | None = None

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
        return _S3(self._client(), _signer(integration["settings"], secrets))

    def _client(self) -> httpx.AsyncClient:
        if self._http is None:
            self._http = outbound.client(allow_loopback=self._allow_loopback, timeout_seconds=_STEP_SECONDS)
        return self._http

    async def close(self) -> None:
        """Let go of the connections."""
        if self._http is not None:
            await self._http.aclose()


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

    def __init__(self, http: httpx.AsyncClient, signer: S3Store) -> None:
        self._http = http
        self._signer = signer

    async def put(self, key: str, content: BinaryIO, size: int, content_type: str) -> None:
        headers = {"Content-Length": str(size), "Content-Type": content_type}
        request = await self._request("PUT", key, headers, _read(content))
        async with _told(), asyncio.timeout(_PUT_SECONDS):
            _require_success(await self._http.send(request))

    @asynccontextmanager
    async def read(self, key: str) -> AsyncIterator[AsyncIterator[bytes]]:
        request = await self._request("GET", key, {"Accept-Encoding": "identity"})
        async with _told():
            response = await self._http.send(request, stream=True)
        try:
            if response.status_code == httpx.codes.NOT_FOUND:
                raise StorageError("missing")
            _require_success(response)
            yield response.aiter_raw()
        finally:
            await response.aclose()

    async def delete(self, key: str) -> None:
        request = await self._request("DELETE", key)
        async with _told():
            response = await self._http.send(request)
        if response.status_code != httpx.codes.NOT_FOUND:
            _require_success(response)

    async def _request(
        self,
        method: Literal["GET", "PUT", "DELETE"],
        key: str,
        headers: Mapping[str, str] | None = None,
        content: AsyncIterator[bytes] | None = None,
    ) -> httpx.Request:
        url = await _in_thread(obstore.sign, self._signer, method, _checked(key), _SIGNED_FOR)
        return self._http.build_request(method, url, headers=headers, content=content)


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
