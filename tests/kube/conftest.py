"""The fixtures of this package's own tests."""

from tests.kube.fixtures import cluster, double

__all__ = ["cluster", "double"]
