"""Files in a folder and in S3: the same contract, and no path leads out of them."""

import asyncio
import io
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any
from uuid import uuid4

import pytest
from pydantic import SecretStr

from dev.vendors.s3 import REGION, create_bucket, keys_in, s3_server
from runtime.json import to_json_text
from runtime.secrets import Secrets, new_key
from runtime.settings import Settings
from runtime.storage import Storage, StorageError, Storages, StorageTimeouts

KEY = f"businesses/{uuid4()}/attachments/{uuid4()}"
BUSINESS_ID = uuid4()
SECRETS = {"access_key_id": "AKIATEST", "secret_access_key": "hush-hush"}


@pytest.fixture(scope="module")
def s3_url() -> Iterator[str]:
    with s3_server() as url:
        yield url


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        storage_folder=str(tmp_path / "files"), secrets_key=SecretStr(new_key()), outbound_allow_loopback=True
    )


def integration(settings: Settings, secrets: dict[str, str] | None = None, **chosen: Any) -> dict[str, Any]:
    """A business's store as its row has it."""
    encrypted = Secrets(settings.secrets_key).encrypt(to_json_text(SECRETS if secrets is None else secrets))
    return {
        "business_id": BUSINESS_ID,
        "settings": {"region": REGION} | chosen,
        "secrets_encrypted": encrypted,
    }


@pytest.fixture(params=["folder", "s3"])
def storage(request: pytest.FixtureRequest, settings: Settings, s3_url: str) -> Storage:
    storages = Storages(settings)
    found = None
    if request.param == "s3":
        bucket = f"b-{uuid4().hex}"
        create_bucket(s3_url, bucket)
        found = integration(settings, bucket=bucket, endpoint=s3_url, prefix="/our/files/")
    return storages.of(found)


async def put(storage: Storage, content: bytes, key: str = KEY) -> None:
    await storage.put(key, io.BytesIO(content), len(content), "application/pdf")


async def read(storage: Storage, key: str = KEY) -> bytes:
    async with storage.read(key) as pieces:
        return b"".join([piece async for piece in pieces])


async def test_what_is_put_is_read_replaced_and_deleted(storage: Storage) -> None:
    content = os.urandom(300_000)
    await put(storage, content)
    assert await read(storage) == content
    await put(storage, b"another")
    assert await read(storage) == b"another"
    for _ in range(2):
        await storage.delete(KEY)  # what is not there is no error
    with pytest.raises(StorageError, match="missing"):
        await read(storage)


async def test_a_spooled_file_is_put_from_where_it_stands(storage: Storage, tmp_path: Path) -> None:
    path = tmp_path / "large"
    path.write_bytes(b"a" * 6_000_000 + b"end")
    with path.open("rb") as file:
        await storage.put(KEY, file, 6_000_003, "text/plain")
    assert (await read(storage))[-4:] == b"aend"


@pytest.mark.parametrize("key", ["../etc/passwd", "a/../../b", "/etc/passwd", "a//b", "a/b\x00", "", "a b", "é"])
async def test_a_key_that_is_not_made_of_ids_is_a_mistake_of_ours(storage: Storage, key: str) -> None:
    with pytest.raises(ValueError, match="made of ids"):
        await put(storage, b"x", key)
    with pytest.raises(ValueError, match="made of ids"):
        await read(storage, key)


async def test_it_lies_below_the_prefix_and_in_the_bucket_that_are_set(settings: Settings, s3_url: str) -> None:
    bucket = f"b-{uuid4().hex}"
    create_bucket(s3_url, bucket)
    await put(Storages(settings).of(integration(settings, bucket=bucket, endpoint=s3_url, prefix="ours")), b"x")
    assert keys_in(s3_url, bucket) == [f"ours/{KEY}"]


@pytest.mark.parametrize(
    ("chosen", "code"),
    [
        ({"bucket": "there-is-none"}, "http_404"),
        ({"bucket": "Not A Bucket"}, "misconfigured"),
        ({"bucket": "b-1", "prefix": "../up"}, "misconfigured"),
        ({"bucket": "b-1", "endpoint": "http://127.0.0.1:1"}, "unreachable"),
        ({"bucket": "b-1", "endpoint": "https://10.0.0.1"}, "address_refused"),
        ({"bucket": "b-1", "endpoint": "https://169.254.169.254"}, "address_refused"),
        ({"bucket": "b-1", "endpoint": "http://example.com"}, "address_refused"),
        ({"bucket": "b-1", "secrets": {}}, "misconfigured"),
    ],
)
async def test_what_is_wrong_is_said_in_a_word(
    settings: Settings, s3_url: str, chosen: dict[str, Any], code: str
) -> None:
    row = integration(settings, **{"endpoint": s3_url} | chosen)
    with pytest.raises(StorageError) as refused:
        await put(Storages(settings).of(row), b"x")
    assert refused.value.code == code


async def test_loopback_is_refused_where_it_is_not_allowed(settings: Settings, s3_url: str) -> None:
    strict = settings.model_copy(update={"outbound_allow_loopback": False})
    for endpoint in (s3_url, s3_url.replace("http:", "https:")):
        storage = Storages(strict).of(integration(settings, bucket="b-1", endpoint=endpoint))
        with pytest.raises(StorageError, match="address_refused"):
            await put(storage, b"x")


async def test_secrets_that_no_key_of_ours_opens_are_told_as_such(settings: Settings) -> None:
    row = integration(settings, bucket="b-1")
    other = settings.model_copy(update={"secrets_key": SecretStr(new_key())})
    with pytest.raises(StorageError, match="secrets_unreadable"):
        Storages(other).of(row)


async def test_nothing_of_the_operators_environment_gets_into_a_business_s_requests(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "AWS_SESSION_TOKEN": "the-operators",
        "AWS_ACCESS_KEY_ID": "the-operators",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
        "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:1",
        "AWS_SKIP_SIGNATURE": "true",
        "AWS_VIRTUAL_HOSTED_STYLE_REQUEST": "true",
        "AWS_REGION": "us-west-2",
    }.items():
        monkeypatch.setenv(name, value)
    async with peculiar_store() as store:
        await put(Storages(settings).of(integration(settings, bucket="b-1", endpoint=store.url)), b"x")
    [url] = store.requests
    assert url.startswith(f"/b-1/{KEY}?")
    assert "the-operators" not in url
    assert "X-Amz-Security-Token" not in url
    assert "AKIATEST%2F" in url
    assert f"%2F{REGION}%2Fs3" in url
    assert "X-Amz-Signature=" in url


# --- stores that misbehave ------------------------------------------------------------------------------------

HEAD = b"HTTP/1.1 200 OK\r\n"
ENDLESS = HEAD + b"Content-Length: 1000000000\r\n\r\n"
IMPATIENT = StorageTimeouts(slot=0.2, step=0.4, put=0.4, read=0.4)


@dataclass
class PeculiarStore:
    """Answers every request with `head`, and then with `piece` after `piece` without end, each `seconds` apart."""

    head: bytes = HEAD + b"Content-Length: 0\r\n\r\n"
    piece: bytes = b""
    seconds: float = 0.05
    url: str = ""
    requests: list[str] = field(default_factory=list)

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            self.requests.append((await reader.readuntil(b"\r\n\r\n")).decode().split(" ")[1])
            writer.write(self.head)
            while self.piece:
                writer.write(self.piece)
                await writer.drain()
                await asyncio.sleep(self.seconds)
        writer.close()


@asynccontextmanager
async def peculiar_store(**traits: Any) -> AsyncIterator[PeculiarStore]:
    store = PeculiarStore(**traits)
    listening = await asyncio.start_server(store.answer, "127.0.0.1", 0)
    async with listening:
        store.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
        yield store


async def test_no_more_of_an_answer_is_read_than_matters(settings: Settings) -> None:
    async with peculiar_store(head=ENDLESS, piece=b"x" * 1024 * 1024, seconds=0.0) as store:
        storage = Storages(settings).of(integration(settings, bucket="b-1", endpoint=store.url))
        begun = monotonic()
        await put(storage, b"x")
        await storage.delete(KEY)
        assert monotonic() - begun < 5.0


@pytest.mark.parametrize("head", [b"", ENDLESS])
async def test_a_store_that_drips_is_given_up_in_time(settings: Settings, head: bytes) -> None:
    async with peculiar_store(head=head, piece=b"x") as store:
        storage = Storages(settings, IMPATIENT).of(integration(settings, bucket="b-1", endpoint=store.url))
        for act in (put(storage, b"x"), storage.delete(KEY), read(storage)):
            with pytest.raises(StorageError, match="timeout"):
                await act


async def test_a_business_has_so_many_calls_and_takes_no_other_s_place(settings: Settings, s3_url: str) -> None:
    async with peculiar_store(head=ENDLESS, piece=b"x") as store:
        patience = StorageTimeouts(slot=0.2, read=1.0)
        storages, slow = Storages(settings, patience), integration(settings, bucket="b-1", endpoint=store.url)
        reading = [asyncio.create_task(read(storages.of(slow))) for _ in range(20)]
        create_bucket(s3_url, bucket := f"b-{uuid4().hex}")
        theirs = integration(settings, bucket=bucket, endpoint=s3_url) | {"business_id": uuid4()}
        await put(storages.of(theirs), b"theirs")
        assert await read(storages.of(theirs)) == b"theirs"
        ends = [str(end) for end in await asyncio.gather(*reading, return_exceptions=True)]
        assert (ends.count("timeout"), ends.count("busy")) == (16, 4)
        with pytest.raises(StorageError, match="timeout"):  # there is room again
            await read(storages.of(slow))
