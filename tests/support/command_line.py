"""Runs `python -m dev …` like a user."""

import asyncio
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from typing import NamedTuple

from dev.programs import ROOT
from dev.settings import DevSettings


class Outcome(NamedTuple):
    code: int
    output: str
    errors: str


async def spawn(settings: DevSettings, *arguments: str, **variables: str) -> Process:
    """Start a command for the stack with these settings; `variables` override the environment."""
    environment = {
        "HOLDFAST_HOME": str(settings.home),
        "HOLDFAST_API_PORT": str(settings.api_port),
        "HOLDFAST_GRPC_PORT": str(settings.grpc_port),
        "HOLDFAST_TEMPORAL_PORT": str(settings.temporal_port),
        "HOLDFAST_TEMPORAL_UI_PORT": str(settings.temporal_ui_port),
        "HOLDFAST_VENDORS_PORT": str(settings.vendors_port),
        "HOLDFAST_VENDORS_SMTP_PORT": str(settings.vendors_smtp_port),
        "HOLDFAST_VENDORS_S3_PORT": str(settings.vendors_s3_port),
        "HOLDFAST_DATABASE_URL": "",
        "TEMPORAL_ADDRESS": "",
    }
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "dev", *arguments),
        env=os.environ | environment | variables,
        cwd=ROOT,
        stdin=DEVNULL,
        stdout=PIPE,
        stderr=PIPE,
    )


async def run(settings: DevSettings, *arguments: str, **variables: str) -> Outcome:
    """Run a command until it ends."""
    process = await spawn(settings, *arguments, **variables)
    output, errors = await process.communicate()
    assert process.returncode is not None
    return Outcome(process.returncode, output.decode(), errors.decode())
