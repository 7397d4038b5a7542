"""A TCP server for tests that must say exactly what no HTTP library would."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

Talk = Callable[[socket.socket], None]


def heard(connection: socket.socket) -> bytes:
    """One request as the load generator sends it: all of its head and body; b"" once the client has gone."""
    received = b""
    while True:
        head, end, body = received.partition(b"\r\n\r\n")
        if end and len(body) >= int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0]):
            return received
        more = connection.recv(65536)
        if not more:
            return b""
        received += more


@contextlib.contextmanager
def raw_server(talk: Talk) -> Iterator[str]:
    """Its URL; `talk` has each connection for itself, in a thread that ends with it or with the block."""
    threads: list[threading.Thread] = []
    connections: list[socket.socket] = []

    def serve(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):  # the client may hang up at any moment
            talk(connection)

    def accept() -> None:
        with contextlib.suppress(OSError):  # the block is left
            while True:
                connection, _ = listening.accept()
                connections.append(connection)
                threads.append(threading.Thread(target=serve, args=(connection,)))
                threads[-1].start()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        acceptor = threading.Thread(target=accept)
        acceptor.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            listening.shutdown(socket.SHUT_RDWR)  # close() alone would not wake accept()
            acceptor.join()
            for connection in connections:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            for thread in threads:
                thread.join()
