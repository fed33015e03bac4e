"""Search attributes: which updates a step makes, also for histories older than an attribute."""

from domain.lifecycle import Status
from tests.support.domain.builders import NOW, booking
from workflows.visibility import changed_attributes, search_attributes


def test_a_reference_alone_makes_no_update_that_older_histories_lack() -> None:
    before = booking()
    after = before.model_copy(update={"reference": "TMTZXX8"})
    assert before.reference is None
    assert changed_attributes(before, after) == []
    assert changed_attributes(after, before) == []
    assert "TMTZXX8" in str(search_attributes(after))
    unknown = changed_attributes(after, before.entering(Status.CANCELLED, NOW))
    assert {update.key.name for update in unknown} == {"BookingStatus"}
    moved_on = changed_attributes(before, after.entering(Status.CANCELLED, NOW))
    assert {update.key.name for update in moved_on} == {"BookingReference", "BookingStatus"}
