import socket

import pytest

from dev.errors import DevError
from dev.ports import LOOPBACK, free_port, require_free


def test_a_free_port_is_free() -> None:
    require_free(free_port(), "HOLDFAST_API_PORT")


def test_a_port_in_use_is_named_with_the_variable_that_moves_it() -> None:
    with socket.create_server((LOOPBACK, 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(DevError, match=rf"port {port} .* set HOLDFAST_API_PORT"):
            require_free(port, "HOLDFAST_API_PORT")


def test_a_port_that_was_used_a_moment_ago_is_free() -> None:
    with socket.create_server((LOOPBACK, 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection((LOOPBACK, port)), server.accept()[0] as accepted:
            accepted.shutdown(socket.SHUT_RDWR)
    require_free(port, "HOLDFAST_API_PORT")
