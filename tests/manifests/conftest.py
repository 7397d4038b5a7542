from __future__ import annotations

from collections.abc import Iterator

import pytest

from ipa.adapters.kubernetes.connection import Connection
from tests.kube.fixtures import Cluster, cluster, double

__all__ = ["cluster", "double"]


@pytest.fixture
def connection(cluster: Cluster) -> Iterator[Connection]:
    with cluster.client() as client:
        yield Connection(client, cluster.namespace)
