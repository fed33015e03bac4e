"""Files in a folder and in S3: the same contract, and nothing that leads out of them."""

import io
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from pydantic import SecretStr

from dev.vendors.s3 import REGION, create_bucket, keys_in, s3_server
from runtime.json import to_json_text
from runtime.secrets import Secrets, new_key
from runtime.settings import Settings
from runtime.storage import Storage, StorageError, Storages

KEY = f"businesses/{uuid4()}/attachments/{uuid4()}"
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
    return {"settings": {"region": REGION} | chosen, "secrets_encrypted": encrypted}


@pytest.fixture(params=["folder", "s3"])
async def storage(request: pytest.FixtureRequest, settings: Settings, s3_url: str) -> AsyncIterator[Storage]:
    storages = Storages(settings)
    found = None
    if request.param == "s3":
        bucket = f"b-{uuid4().hex}"
        create_bucket(s3_url, bucket)
        found = integration(settings, bucket=bucket, endpoint=s3_url, prefix="/our/files/")
    yield storages.of(found)
    await storages.close()


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
    settings: Settings, s3_url: str, monkeypatch: pytest.MonkeyPatch
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
    bucket = f"b-{uuid4().hex}"
    create_bucket(s3_url, bucket)
    storages = Storages(settings)
    asked: list[str] = []

    async def note(request: Any) -> None:
        asked.append(str(request.url))

    storage = storages.of(integration(settings, bucket=bucket, endpoint=s3_url))
    storages._client().event_hooks["request"].append(note)
    await put(storage, b"x")
    [url] = asked
    assert url.startswith(f"{s3_url}/{bucket}/{KEY}?")
    assert "the-operators" not in url
    assert "X-Amz-Security-Token" not in url
    assert "AKIATEST%2F" in url
    assert f"%2F{REGION}%2Fs3" in url
    assert "X-Amz-Signature=" in url
