"""The double behaves as Kubernetes' documentation says, row by row; the same rows run against a real cluster."""

from __future__ import annotations

import pytest

from tests.kube import rows_access, rows_admission, rows_apply, rows_faults, rows_objects, rows_watch, rows_workloads
from tests.kube.asking import Row
from tests.kube.fixtures import Cluster

_ROOMS = (rows_objects, rows_apply, rows_watch, rows_access, rows_workloads, rows_admission, rows_faults)
ROWS: list[Row] = [row for room in _ROOMS for row in room.ROWS]


@pytest.mark.cluster
@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_the_api_server_does_what_its_documentation_says(row: Row, cluster: Cluster) -> None:
    if row.where == "double" and cluster.double is None:
        pytest.skip("needs the double")
    assert row.page.startswith("https://kubernetes.io/docs/")
    row.check(cluster)
