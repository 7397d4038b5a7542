"""Ports on 127.0.0.1: the only address that serving on this machine ever listens on."""

from __future__ import annotations

import contextlib
import socket
import sys
from collections.abc import Iterator

from ipa.errors import ServingError

HOST = "127.0.0.1"


@contextlib.contextmanager
def held_ports(count: int) -> Iterator[tuple[int, ...]]:
    """Ports that nobody else is given while the block runs, though a child may listen on them.

    Linux lets one socket listen where another is only bound if both allow reuse (socket(7), SO_REUSEADDR), as servers
    do; elsewhere the ports are merely free, and somebody may take them before the child does.
    """
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            each.bind((HOST, 0))
        ports = tuple(each.getsockname()[1] for each in sockets)
        if sys.platform != "linux":
            stack.close()
        yield ports


def check_free(port: int, host: str = HOST) -> None:
    """Raises ServingError if `port` of `host` cannot be listened on; 0 stands for any free port and is fine."""
    with socket.socket() as probe:
        # As servers do: connections of an earlier run that are still closing do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise ServingError(f"port {port} on {host} cannot be used: {error.strerror}") from error
