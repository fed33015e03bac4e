"""`python -m dev.vendors`: simulate every vendor that Holdfast calls."""

import argparse
import asyncio
import sys
from contextlib import AsyncExitStack
from functools import partial

import uvicorn

from dev.ports import LOOPBACK
from dev.vendors.app import Vendors
from dev.vendors.mail_server import MailServer
from dev.vendors.s3 import create_bucket, keys_in, s3_server
from runtime.privacy import keep_files_private

_GRACE_SECONDS = 2
"""Time for requests that hang when the process is stopped."""


def main(argv: list[str] | None = None) -> int:
    """Serve on loopback until a signal stops it."""
    keep_files_private()
    options = _parser().parse_args(argv)
    asyncio.run(_serve(options))
    return 0


async def _serve(options: argparse.Namespace) -> None:
    vendors = Vendors()
    async with AsyncExitStack() as stack:
        if (mail := vendors.by_name.get(MailServer.name)) is not None:
            assert isinstance(mail, MailServer)
            await stack.enter_async_context(mail.listening(port=options.smtp_port))
        store = stack.enter_context(s3_server(options.s3_port))
        await asyncio.to_thread(create_bucket, store, options.bucket)
        vendors.list_files = partial(keys_in, store, options.bucket)
        await _serve_http(vendors, options.port)


async def _serve_http(vendors: Vendors, port: int) -> None:
    config = uvicorn.Config(
        vendors.app,
        host=LOOPBACK,
        port=port,
        access_log=False,
        log_level="warning",
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )
    print(f"requests received: http://{LOOPBACK}:{port}/", flush=True)
    await uvicorn.Server(config).serve()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m dev.vendors",
        description="Simulate the vendors of e-mail, texts, payments, jobs and analytics, a mail server and an S3 "
        "store. They answer as the vendors document, fail on request, and show the requests on a page. "
        "Nothing leaves this machine.",
        epilog="To use it, set HOLDFAST_VENDORS_URL=http://127.0.0.1:8090 and "
        "HOLDFAST_SMTP_URL=smtp://127.0.0.1:8025.",
    )
    parser.add_argument("--port", type=int, default=8090, help="port of the vendors and the page (default: 8090)")
    parser.add_argument("--smtp-port", type=int, default=8025, help="port of the mail server (default: 8025)")
    parser.add_argument("--s3-port", type=int, default=8091, help="port of the S3 store (default: 8091)")
    parser.add_argument(
        "--bucket", default="demo-garage", help="bucket to create in the S3 store (default: demo-garage)"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
