"""`python -m tests.kube FOLDER`: the double in a process of its own, over TLS, until SIGTERM or ^C.

Writes FOLDER/kubeconfig and says so, for kubectl by hand and for measuring a client's CPU apart from the server's.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from tests.kube.double import Double
from tests.kube.tls import certificate


def main(folder: Path) -> None:
    signals = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    double = Double(certificate(folder))
    double.set_capacity(64)  # as any real node has an end
    try:
        sys.stdout.write(f"export KUBECONFIG={double.write_kubeconfig(folder / 'kubeconfig', 'default')}\n")
        sys.stdout.flush()
        signal.sigwait(signals)
    finally:
        double.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
