"""Rounds of reconciliation over one business, and what they find."""

from sqlalchemy import text
from temporalio.client import Client

from domain import names
from domain.reconciliation import Rounds
from tests.support.stage import Stage


async def round_of(stage: Stage, client: Client) -> Rounds:
    """One round over the business, asked for through the API."""
    path = f"/v1/businesses/{stage.tenant.slug}/reconcile"
    assert (await stage.as_("owner").send("POST", path)).status_code == 202
    workflow_id = names.reconcile_workflow_id(stage.tenant.business_id)
    outcome: Rounds = await client.get_workflow_handle(workflow_id, result_type=Rounds).result()
    return outcome


async def findings_of(stage: Stage) -> list[tuple[str, str]]:
    """Kind and state of all findings, in the order in which they were first made."""
    query = text("SELECT kind, state FROM findings WHERE business_id = :id ORDER BY id")
    async with stage.engine.connect() as conn:
        return [(row.kind, row.state) for row in await conn.execute(query, {"id": stage.tenant.business_id})]
