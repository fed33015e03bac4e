"""The expected failures of the dev stack."""


class DevError(Exception):
    """Something the user can act on: one line that names the cause and the remedy.

    `detail` is shown below that line, for instance the tail of a log.
    """

    def __init__(self, message: str, *, detail: str = "") -> None:
        super().__init__(message)
        self.detail = detail


class ProcessDiedError(DevError):
    """A process ended before it was ready, or died too often.

    `exit_code` is negative for a signal.
    """

    def __init__(self, message: str, *, detail: str = "", exit_code: int) -> None:
        super().__init__(message, detail=detail)
        self.exit_code = exit_code


class NotReadyError(DevError):
    """A process lives but did not answer within its time."""
