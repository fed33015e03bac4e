"""The expected errors of the development stack."""


class DevError(Exception):
    """An error that the user can fix: one line that names the cause and the remedy.

    `detail` holds more lines, such as the end of a log.
    """

    def __init__(self, message: str, *, detail: str = "") -> None:
        super().__init__(message)
        self.detail = detail


class ProcessDiedError(DevError):
    """A process ended before it was ready, or too often; `exit_code` is negative for a signal."""

    def __init__(self, message: str, *, detail: str = "", exit_code: int) -> None:
        super().__init__(message, detail=detail)
        self.exit_code = exit_code


class NotReadyError(DevError):
    """A process runs but did not become ready in time."""
