"""Every trade of a resource against the objective, in one pass of label setting."""

from __future__ import annotations

from math import inf

import numpy as np

from ipa.evaluation import Limit
from ipa.options import Ints, Problem
from ipa.policy.label import FEW, MOST_LABELS
from ipa.policy.labels import extended, rest, start, survivors
from ipa.policy.resources import tabulate


def front(problem: Problem, resource: str, most_labels: int = MOST_LABELS) -> Ints | None:
    """Plans as (stages, N) option indices, with the promised one for every ceiling on the resource among them.

    `resource` is the name of a limit, in force or not. Some of the plans may be beaten by others, or beyond a limit by
    rounding. None where a stage needs more than `most_labels` or the graph has too many paths.
    """
    table = tabulate(problem, also=[Limit(resource, inf)])
    if table is None:
        return None
    if table.hopeless:
        return np.zeros((len(problem.stages), 0), dtype=np.int64)
    labels = start(table)
    least, spare = rest(table)
    spare[:, table.limits.index(resource)] = -inf  # less of it is always better, however much there is
    for s, layer in enumerate(table.layers, start=1):
        labels = extended(labels, layer, table.ceilings - least[s])
        if len(labels) > FEW:
            labels = labels.only(survivors(labels, spare[s]))
        if len(labels) > most_labels:
            return None
    return labels.choices(np.arange(len(labels)))
