"""How many effects a second each vendor is sent. Temporal enforces the limits over all workers.

A limit is set for each fairness key, which is the business. So it holds for each account with the vendor, and a
business that is at its limit holds up no other.
"""

import asyncio
from datetime import timedelta
from typing import Final

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import RateLimit
from temporalio.api.workflowservice.v1 import UpdateTaskQueueConfigRequest
from temporalio.client import Client

from domain import names
from domain.effects import RATES, Vendor
from runtime.settings import Settings
from worker.polling import retry_until_done

_RETRY: Final = timedelta(seconds=30)
_REASON: Final = "what the vendor takes from one account (HOLDFAST_EFFECT_RATES)"


async def keep_effect_rates(client: Client, settings: Settings) -> None:
    """Set the limits; tries again while Temporal is away or refuses.

    Without limits vendors refuse what is too much, and effects are tried again later.
    """

    async def set_rates() -> None:
        await asyncio.gather(*(set_rate(client, vendor, settings.effect_rate(vendor)) for vendor in RATES))

    await retry_until_done(set_rates, every=_RETRY, failure="effect_rates_not_kept")


async def set_rate(client: Client, vendor: Vendor, per_second: float) -> None:
    """Limit the effects of one business that a vendor is sent to `per_second`.

    Raises:
        RPCError: Temporal cannot be reached, or refuses.
    """
    limit = UpdateTaskQueueConfigRequest.RateLimitUpdate(
        rate_limit=RateLimit(requests_per_second=per_second), reason=_REASON
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
