"""The API server double in a process of its own, so that what the controller costs is measured without it.

Run as `python -m scripts.benchmarks.kubernetes_side KUBECONFIG`: says "ready", and ends with its stdin.
"""

from __future__ import annotations

import sys
from pathlib import Path


def main(kubeconfig: Path) -> None:
    from tests.kube.double import Double

    double = Double()
    try:
        double.create_namespace("bench")
        double.write_kubeconfig(kubeconfig, "bench")
        print("ready", flush=True)
        sys.stdin.read()
    finally:
        double.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
