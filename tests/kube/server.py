"""The HTTP side: one thread a connection, kept alive; faults, who may, the answer.

The standard library's server is enough: requests are small, and a watch is a thread that waits.
"""

from __future__ import annotations

import contextlib
import json
import select
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.kube.failures import Refused
from tests.kube.faults import Fault
from tests.kube.resources import Object

Send = Callable[[Object], None]


class Cut(Exception):
    """Raised where a connection is cut."""


class Exchange:
    """One request: what came in and the ways to answer it."""

    def __init__(self, handler: Handler):
        self.method = handler.command
        self.target = handler.path
        self.headers = handler.headers
        length = int(handler.headers.get("Content-Length") or 0)
        self.body = handler.rfile.read(length) if length else b""
        self._handler = handler

    def answer(self, code: int, body: Object | str, headers: dict[str, str] | None = None) -> None:
        content = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        kind = "text/plain; charset=utf-8" if isinstance(body, str) else "application/json"
        handler = self._handler
        handler.send_response(code)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(content)), **(headers or {})}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(content)
        handler.wfile.flush()

    def start_stream(self) -> Send:
        """Begins a chunked answer; the result sends one line of JSON a call."""
        handler = self._handler
        handler.send_response(200)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        handler.wfile.flush()

        def send(event: Object) -> None:
            line = json.dumps(event).encode() + b"\n"
            handler.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
            handler.wfile.flush()

        return send

    def end_stream(self) -> None:
        self._handler.wfile.write(b"0\r\n\r\n")
        self._handler.wfile.flush()

    def hung_up(self) -> bool:
        """Whether the client closed its side: during a watch it has nothing else to say."""
        try:
            return bool(select.select([self._handler.connection], [], [], 0)[0])
        except (OSError, ValueError):
            return True


class Handler(BaseHTTPRequestHandler):
    """Turns what http.server calls into exchanges; answers refusals as Status objects."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: Listener

    def _serve(self) -> None:
        try:
            exchange = Exchange(self)
            try:
                self.server.serve(exchange)
            except Refused as refused:
                headers = {} if refused.retry_after_s is None else {"Retry-After": str(refused.retry_after_s)}
                exchange.answer(refused.code, refused.plain or refused.status(), headers)
        except (Cut, OSError):
            self.close_connection = True
            with contextlib.suppress(OSError):
                self.connection.shutdown(socket.SHUT_RDWR)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve  # noqa: N815 - http.server's names

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing: the records hold every request."""


class Listener(ThreadingHTTPServer):
    """The listening socket and its connections, all of which can be cut at once."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 256

    def __init__(self, port: int, serve: Callable[[Exchange], None], tls: ssl.SSLContext | None):
        self.serve = serve
        self._open: set[socket.socket] = set()
        self._guard = threading.Lock()
        super().__init__(("127.0.0.1", port), Handler)
        if tls is not None:  # the handshake is left to the connection's own thread
            self.socket = tls.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._guard:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._guard:
            self._open.discard(request)
        super().shutdown_request(request)

    def cut(self) -> None:
        """Closes every connection, as a server that dies."""
        with self._guard:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is no error; anything else is one of the double and ends its thread loudly."""
        error = sys.exc_info()[1]
        if error is not None and not isinstance(error, OSError):
            raise error


class Port:
    """A port on loopback that stays the double's own while the server behind it comes and goes.

    A second socket is bound to it and never listens: nobody else gets the port, and connections are refused.
    """

    def __init__(self, serve: Callable[[Exchange], None], tls: ssl.SSLContext | None = None):
        self._serve, self._tls = serve, tls
        self._claim = socket.socket()
        self._claim.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._claim.bind(("127.0.0.1", 0))
        self.number: int = self._claim.getsockname()[1]
        self._listener: Listener | None = None
        self._thread: threading.Thread | None = None

    def open(self) -> None:
        listener = Listener(self.number, self._serve, self._tls)
        thread = threading.Thread(target=listener.serve_forever, args=(0.02,), name="api-server", daemon=True)
        thread.start()
        self._listener, self._thread = listener, thread

    def cut(self) -> None:
        if self._listener is not None:
            self._listener.cut()

    def close(self) -> None:
        """Stops listening and cuts every connection; `open` comes back on the same port."""
        if self._listener is None or self._thread is None:
            return
        self._listener.shutdown()
        self._thread.join()
        self._listener.server_close()
        self._listener.cut()
        self._listener = self._thread = None

    def give_up(self) -> None:
        self.close()
        self._claim.close()


def suffer(fault: Fault | None) -> None:
    """What a fault does before the request is served. Errors: Refused, Cut."""
    if fault is None:
        return
    if fault.action == "slow":
        time.sleep(fault.delay_s)
    elif fault.action == "cut":
        raise Cut
    elif fault.refusal is not None:
        raise fault.refusal
