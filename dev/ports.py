"""TCP ports on loopback."""

import asyncio
import socket

from dev.errors import DevError

LOOPBACK = "127.0.0.1"


def free_port() -> int:
    """A port that is free now; the kernel avoids assigning it again immediately."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


async def is_listening(port: int) -> bool:
    """Whether a server listens; much cheaper than a client's connection attempt."""
    try:
        _, writer = await asyncio.open_connection(LOOPBACK, port)
    except OSError:
        return False
    writer.close()
    return True


def require_free(port: int, variable: str) -> None:
    """Check that a server can listen on `port`.

    Raises:
        DevError: the port cannot be used; the message names `variable`, which changes the port.
    """
    with socket.socket() as probe:
        # As servers do: connections of an earlier run in TIME_WAIT do not block the port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except (OSError, OverflowError) as error:
            raise DevError(
                f"port {port} on {LOOPBACK} cannot be used ({_reason(error)}): "
                f"stop what uses it, or set {variable} to another port"
            ) from error


def _reason(error: OSError | OverflowError) -> str:
    return error.strerror.lower() if isinstance(error, OSError) and error.strerror else str(error)
