"""How many effects a second a vendor is sent, kept by the server over all workers.

The limit is that of each fairness key, which is the business: so it holds for each account with the vendor, and a
business that is at its limit holds up no other.
"""

import asyncio
from typing import Final

import structlog
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import RateLimit
from temporalio.api.workflowservice.v1 import UpdateTaskQueueConfigRequest
from temporalio.client import Client

from domain import names
from domain.effects import RATES, Vendor
from runtime.settings import Settings

_log = structlog.get_logger()

_AGAIN_SECONDS: Final = 30.0
_WHY: Final = "what the vendor takes from one account (HOLDFAST_EFFECT_RATES)"


async def keep_effect_rates(client: Client, settings: Settings) -> None:
    """Set the limits; goes on trying while Temporal is away or does not let us."""
    while True:
        try:
            await asyncio.gather(*(set_rate(client, vendor, settings.effect_rate(vendor)) for vendor in RATES))
        except Exception as error:  # without them vendors refuse what is too much, and are asked again later
            _log.warning("effect_rates_not_kept", error=f"{type(error).__name__}: {error}".splitlines()[0])
            await asyncio.sleep(_AGAIN_SECONDS)
        else:
            return


async def set_rate(client: Client, vendor: Vendor, per_second: float) -> None:
    """Limit what one business's effects a second a vendor is sent.

    Raises:
        RPCError: Temporal cannot be reached, or refuses.
    """
    limit = UpdateTaskQueueConfigRequest.RateLimitUpdate(
        rate_limit=RateLimit(requests_per_second=per_second), reason=_WHY
    )
    await client.workflow_service.update_task_queue_config(
        UpdateTaskQueueConfigRequest(
            namespace=client.namespace,
            identity=client.identity,
            task_queue=names.effect_task_queue(vendor),
            task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,
            update_fairness_key_rate_limit_default=limit,
        )
    )
