"""One round of a real relay, in a process that stops itself (SIGSTOP) when it calls Temporal.

The test waits until it is stopped, may continue it (SIGCONT), and waits until the round ends.
"""

import asyncio
import os
import signal
from typing import Any

from temporalio.client import Client, Interceptor, OutboundInterceptor, StartActivityInput

from db.engine import create_engine
from runtime import temporal
from runtime.settings import settings
from worker.effect_relay import EffectRelay


class _Stops(OutboundInterceptor):
    has_stopped = False

    async def start_activity(self, input: StartActivityInput) -> Any:
        if not self.has_stopped:
            self.has_stopped = True
            os.kill(os.getpid(), signal.SIGSTOP)
        return await super().start_activity(input)


class _Stopping(Interceptor):
    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:
        return _Stops(next)


async def _main() -> None:
    config = (await temporal.connect()).config()
    config["interceptors"] = [_Stopping()]
    engine = create_engine(settings(), application_name="stopping-relay")
    try:
        await EffectRelay(Client(**config), engine, settings()).hand_over()
    finally:
        await engine.dispose()


if __name__ == "__main__":
    asyncio.run(_main())
