"""What one run of the workflow knows of its booking, and the only code that changes it.

The database is ahead of a run that was reset, that was started anew, or whose last step Temporal lost. Then the
run takes over what is stored.
"""

from datetime import datetime

from temporalio import workflow

from domain.booking import BookingState
from domain.commands import BookingCommand
from domain.errors import RepeatedCommandError
from domain.steps import BookingRef, CatchUpRequest, Outcome, StepResult
from domain.transitions import Decision, step_of
from workflows import local_activities, visibility


class SupersededError(Exception):
    """The database was ahead: its state has been adopted, and whatever was decided must be decided anew."""


class KnownBooking:
    def __init__(self, ref: BookingRef, state: BookingState | None) -> None:
        self.current = state
        """None until the booking has been read."""
        self.reminded_until: datetime | None = None
        """The latest reminder of the present appointment that has been sent."""
        self.must_catch_up = False
        """Whether somebody has found steps in the database that this run may not know."""
        self._ref = ref
        self._was_reset = False
        self._applied: dict[str | None, int | None] = {}
        """Commands that the database has although this run does not remember applying them, and the versions that
        their steps left, where these are known."""

    @property
    def state(self) -> BookingState:
        """The booking's state.

        Raises:
            RuntimeError: it has not been read yet.
        """
        if self.current is None:
            raise RuntimeError("the booking has not been read yet")
        return self.current

    @property
    def may_be_behind(self) -> bool:
        """Whether the database may hold steps that this run does not know."""
        return self._was_reset or self.must_catch_up

    def on_reseed(self, _seed: int) -> None:
        """The server hands out a new random seed when, and only when, it resets a run."""
        self._was_reset = True

    def has_applied(self, command_id: str | None) -> bool:
        """Whether the database has a step of this command that this run has not recorded itself."""
        return command_id in self._applied

    def require_still_its_answer(self, command_id: str | None) -> None:
        """Refuse to answer a command that was applied before with a state that came after it.

        Raises:
            RepeatedCommandError: whoever asks finds its answer in the booking's stored history.
        """
        if self._applied.get(command_id) not in (None, self.state.version):
            raise RepeatedCommandError

    async def refresh(self) -> None:
        """Read from the database what this run may not know."""
        if self._was_reset or self.current is None:
            self._was_reset = False
            self._adopt(await local_activities.load_booking(self._ref))
        if self.must_catch_up:
            self.must_catch_up = False
            await self._catch_up()

    async def commit(self, decision: Decision, command: BookingCommand | None = None) -> Outcome:
        """Commit a step and adopt the state that it leaves.

        Raises:
            SupersededError: the database is ahead; its state has been adopted.
        """
        step = step_of(self.state, decision, command, run_id=workflow.info().run_id)
        result = await local_activities.record_step(step)
        if result.state is not None:
            self._adopt(result.state)
        self._remember_commands(result)
        if result.outcome is Outcome.STALE:
            raise SupersededError
        return result.outcome

    async def _catch_up(self) -> None:
        ref, version = self._ref, self.state.version
        found = await local_activities.catch_up(
            CatchUpRequest(booking_id=ref.booking_id, business_id=ref.business_id, version=version)
        )
        self._remember_commands(found)
        if found.state is not None and found.state.version > version:
            self._adopt(found.state)

    def _remember_commands(self, result: StepResult) -> None:
        for command_id in result.applied_command_ids:  # from results that were stored without their versions
            self._applied.setdefault(command_id, None)
        self._applied.update(result.applied_versions)

    def _adopt(self, state: BookingState) -> None:
        """Take a state for ours, and make it readable in the Temporal UI."""
        before, self.current = self.current, state
        if before is None or before.planned_from != state.planned_from:
            self.reminded_until = None
        if changes := visibility.changed_attributes(before, state):
            workflow.upsert_search_attributes(changes)
        workflow.set_current_details(visibility.details(state))
