from __future__ import annotations

import socket
import struct
import sys

import pytest

from ipa.adapters.serving.loopback import check_free, held_ports
from ipa.errors import ServingError


def test_held_ports_differ_and_can_be_listened_on_by_name_alone() -> None:
    with held_ports(5) as ports:
        assert len(set(ports)) == 5
        for port in ports:
            check_free(port)
            with socket.create_server(("127.0.0.1", port)), pytest.raises(ServingError, match=f"port {port}"):
                check_free(port)


IP_LOCAL_PORT_RANGE = 51  # ip(7), Linux 6.3: which ports the system may choose for a socket; not named in Python 3.11


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the ports are only free, not held")
def test_the_system_gives_nobody_a_held_port() -> None:
    with held_ports(1) as (port,):
        with pytest.raises(OSError, match="Address already in use"), limited_to(port) as listening:
            listening.bind(("127.0.0.1", 0))
        with pytest.raises(OSError, match="Cannot assign requested address"), limited_to(port) as calling:
            calling.connect(("127.0.0.1", 9))
    with limited_to(port) as listening:
        listening.bind(("127.0.0.1", 0))
        assert listening.getsockname()[1] == port


def limited_to(port: int) -> socket.socket:
    """A socket that can have this port alone, unless somebody names another."""
    limited = socket.socket()
    limited.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        limited.setsockopt(socket.IPPROTO_IP, IP_LOCAL_PORT_RANGE, struct.pack("=HH", port, port))
    except OSError:
        limited.close()
        pytest.skip("this kernel is older than 6.3")
    return limited


def test_a_taken_port_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(ServingError, match=f"port {port} on 127.0.0.1"):
            check_free(port)


def test_zero_is_any_free_port() -> None:
    check_free(0)
