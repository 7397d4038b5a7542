"""The double behaves as Kubernetes' documentation says, row by row; the same rows run against a real cluster."""

from __future__ import annotations

import pytest

from tests.kube import rows_apply, rows_objects, rows_watch
from tests.kube.asking import Row
from tests.kube.fixtures import Cluster

ROWS: list[Row] = [*rows_objects.ROWS, *rows_apply.ROWS, *rows_watch.ROWS]


@pytest.mark.cluster
@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_the_api_server_does_what_its_documentation_says(row: Row, cluster: Cluster) -> None:
    if row.where == "double" and cluster.double is None:
        pytest.skip("needs the double")
    assert row.page.startswith("https://kubernetes.io/docs/")
    row.check(cluster)
