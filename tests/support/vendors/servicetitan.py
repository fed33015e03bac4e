"""A tenant at the simulated ServiceTitan."""

import itertools
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from activities.ports import Address, JobCustomer, JobDetails
from activities.vendor_calls import Account, Call
from dev.vendors.fault_modes import Behaviour, FaultMode
from dev.vendors.ledger import Entry
from dev.vendors.servicetitan import ServiceTitan
from dev.vendors.servicetitan_records import TenantRecords
from domain.effects import Vendor
from runtime.ids import new_id
from tests.support.factories import future
from tests.support.simulator import Simulator

_TENANTS = itertools.count(500_001)
PREMISES = {"street": "1 Main St", "city": "Albany", "region": "NY", "postal_code": "12207", "country": "US"}
ADDRESS = Address("5 Oak Ave", "Troy", "NY", "12180", "US")


class ServiceTitanTenant:
    """A tenant that only this test uses."""

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator
        self.tenant = str(next(_TENANTS))
        self.settings: dict[str, Any] = {
            "tenant": self.tenant,
            "business_unit_id": 11,
            "job_type_id": 22,
            "job_types": {"install": 23},
            "campaign_id": 33,
            "cancel_reason_id": 44,
            "application_guid": "5f8c5a30-6f6e-4b0e-9a53-2f3f0a3d9a11",
            "premises": PREMISES,
        }
        self.secrets = {
            "client_id": f"cid.{self.tenant}",
            "client_secret": "cs1.secret",
            "app_key": "ak1.key",
        }

    @property
    def account(self) -> Account:
        return Account(self.settings, self.secrets)

    @property
    def call(self) -> Call:
        """A first attempt."""
        return Call(self.account, "job/1", 1, datetime.now(UTC))

    @property
    def vendor(self) -> ServiceTitan:
        vendor = self.simulator.vendor(Vendor.SERVICETITAN)
        assert isinstance(vendor, ServiceTitan)
        return vendor

    @property
    def records(self) -> TenantRecords:
        return self.vendor.records(self.tenant)

    def behave(self, **behaviour: Any) -> None:
        """Set the simulator's behaviour towards this tenant."""
        self.simulator.behave(Vendor.SERVICETITAN, Behaviour(**behaviour), self.tenant)

    def lose_the_answer_after(self, action: str) -> None:
        """After this action, lose the answer to the next request only."""
        waiting = [action]

        def look(entry: Entry) -> None:
            if entry.account == self.tenant and entry.action in waiting:
                waiting.clear()
                self.behave(mode=FaultMode.REPLY_LOST, times=1)

        self.simulator.ledger.listen(look)

    def applied(self, action: str | None = None) -> list[str]:
        """The requests that had an effect, in order."""
        return [entry.action for entry in self.simulator.applied(Vendor.SERVICETITAN, self.tenant, action)]

    def request_count(self, action: str) -> int:
        """The number of requests for this action."""
        return len(self.simulator.ledger.entries(Vendor.SERVICETITAN, account=self.tenant, action=action))


def job_details(**particulars: Any) -> JobDetails:
    """A job in three days, with a new customer."""
    customer = JobCustomer(new_id(), "Casey Customer", "casey@example.com", "+15185550100")
    job = JobDetails(
        new_id(), customer, ADDRESS, "repair", future(), future(73), "Repair (ABC)\n<b>Ring twice & wait</b>"
    )
    return replace(job, **particulars)
