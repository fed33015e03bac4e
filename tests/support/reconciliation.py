"""Reconciliation of one business, and its findings."""

from sqlalchemy import text
from temporalio.client import Client

from domain import names
from domain.reconciliation import Rounds
from tests.support.stage import Stage


async def round_of(stage: Stage, client: Client) -> Rounds:
    """Reconcile the business once, through the API."""
    path = f"/v1/businesses/{stage.tenant.slug}/reconcile"
    assert (await stage.as_("owner").send("POST", path)).status_code == 202
    workflow_id = names.reconcile_workflow_id(stage.tenant.business_id)
    outcome: Rounds = await client.get_workflow_handle(workflow_id, result_type=Rounds).result()
    return outcome


async def findings_of(stage: Stage) -> list[tuple[str, str]]:
    """Kind and state of all findings, oldest first."""
    query = text("SELECT kind, state FROM findings WHERE business_id = :id ORDER BY id")
    async with stage.engine.connect() as conn:
        return [(row.kind, row.state) for row in await conn.execute(query, {"id": stage.tenant.business_id})]
