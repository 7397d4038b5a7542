"""Ports on 127.0.0.1: the only address that serving on this machine ever listens on."""

from __future__ import annotations

import contextlib
import socket

from ipa.errors import ServingError

HOST = "127.0.0.1"


def free_ports(count: int) -> tuple[int, ...]:
    """Ports that nobody listens on now; somebody may before they are used, so be ready to ask again."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind((HOST, 0))
        return tuple(each.getsockname()[1] for each in sockets)


def check_free(port: int) -> None:
    """Raises ServingError if somebody listens on `port`; 0 stands for any free port and is fine."""
    with socket.socket() as probe:
        # As servers do: connections of an earlier run that are still closing do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise ServingError(f"port {port} on {HOST} cannot be used: {error.strerror}") from error
