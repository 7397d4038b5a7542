"""The router as a child process: `python -m ipa.dataplane`.

The start message is the first line of stdin; stdin stays open as a lifeline: at its end the process exits at once,
so not even a killed parent leaves an orphan. stdout gets one line, the ports, once all listen.
"""

from __future__ import annotations

import os
import sys
import threading
from dataclasses import asdict

from ipa.dataplane import documents
from ipa.dataplane.feed import Put
from ipa.dataplane.running import Ports, listen, run
from ipa.dataplane.start import parse_start
from ipa.errors import IpaError

STDIN = 0
FINISH_S = 5.0  # after SIGTERM, requests in the pipeline may finish for this long


def main() -> int:
    try:
        start = parse_start(_first_line())
        feed = Put(start.admin_token)
        listening = listen(start, feed.host)
        threading.Thread(target=_end_with_stdin, daemon=True).start()
        run(start, listening, feed, FINISH_S, _announce)
    except IpaError as error:
        sys.stderr.write(f"router: {error}\n")
        return error.exit_code
    return 0


def _announce(ports: Ports) -> None:
    sys.stdout.write(documents.dumps(asdict(ports)).decode() + "\n")
    sys.stdout.flush()


# stdin is read with os.read: a daemon thread inside sys.stdin's buffer would hold its lock at exit and abort Python.


def _first_line() -> bytes:
    line = bytearray()
    while not line.endswith(b"\n"):
        byte = os.read(STDIN, 1)
        if not byte:
            break
        line += byte
    return bytes(line)


def _end_with_stdin() -> None:
    while os.read(STDIN, 4096):
        pass
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
