"""An S3 API in this process: moto's server, which keeps buckets in memory and accepts every signature."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import httpx
from moto.server import ThreadedMotoServer

from dev.ports import LOOPBACK

REGION: Final = "eu-west-1"
_SOME_SIGNATURE: Final = f"AWS4-HMAC-SHA256 Credential=AKIADEV/20260101/{REGION}/s3/aws4_request"
_PLACE: Final = (
    '<CreateBucketConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
    f"<LocationConstraint>{REGION}</LocationConstraint></CreateBucketConfiguration>"
)


@contextmanager
def s3_server(port: int = 0) -> Iterator[str]:
    """Serve S3 on this port (0: any free port); yields its URL."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(LOOPBACK, port, verbose=False)
    server.start()
    try:
        host, listening = server.get_host_and_port()
        yield f"http://{host}:{listening}"
    finally:
        server.stop()


def create_bucket(url: str, name: str) -> None:
    """Create a bucket in `REGION`.

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucket.html
    """
    headers = {"Authorization": _SOME_SIGNATURE}
    httpx.put(f"{url}/{name}", content=_PLACE, headers=headers, trust_env=False).raise_for_status()


def keys_in(url: str, bucket: str) -> list[str]:
    """The first thousand keys in a bucket.

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html
    """
    headers = {"Authorization": _SOME_SIGNATURE}
    answer = httpx.get(f"{url}/{bucket}", params={"list-type": 2}, headers=headers, trust_env=False)
    answer.raise_for_status()
    return [part.partition("</Key>")[0] for part in answer.text.split("<Key>")[1:]]
