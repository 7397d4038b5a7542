"""The API server double, or the real cluster that IPA_TEST_KUBECONFIG names."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ipa.adapters.kubernetes.connection import Connection
from tests.adapters.kubernetes.pipelines import connection_to
from tests.kube.fixtures import Cluster, cluster, double

__all__ = ["cluster", "double"]


@pytest.fixture
def connection(cluster: Cluster) -> Iterator[Connection]:
    found = connection_to(cluster)
    yield found
    found.client.close()
