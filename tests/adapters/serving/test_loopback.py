from __future__ import annotations

import socket

import pytest

from ipa.adapters.serving.loopback import check_free, free_ports
from ipa.errors import ServingError


def test_free_ports_differ_and_can_be_used() -> None:
    ports = free_ports(5)
    assert len(set(ports)) == 5
    for port in ports:
        check_free(port)


def test_a_taken_port_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(ServingError, match=f"port {port} on 127.0.0.1"):
            check_free(port)


def test_zero_is_any_free_port() -> None:
    check_free(0)
