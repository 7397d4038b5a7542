"""Every limit as a ceiling on a sum over the stages, so that one search serves them all.

- A source-to-sink path has the sum of its stages' delays; the SLO bounds each path. A chain has one.
- A floor on a product is a ceiling on Σ −log; a floor on a sum is a ceiling on the negated sum.
- A limit per option (replicas) leaves only options that keep it.
The objective is  weight · Π factor − Σ cost: an additive score goes into the cost, with factors of 1.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ipa.evaluation import Limit, additive_score, capacity_use, is_product, limits_of, score_factors, worth
from ipa.options import TOLERANCE, Floats, Ints, Problem, StageOptions
from ipa.policy.pareto import tie_key, undominated

MOST_PATHS = 16
# Sums are added up in another order than the evaluation's: candidates get this much more, then the evaluation judges.
ROUNDING = 1e-12


@dataclass(frozen=True, slots=True)
class Layer:
    """One stage's options that can be part of the best plan, as columns of length K.

    `sums` (2 + resources, K) holds what adds up along a plan: cost, the weight that breaks ties (cores, then batch)
    and the use of every resource. `server` orders options as the names of their servers do.
    """

    options: Ints
    sums: Floats
    factor: Floats
    server: Floats

    @property
    def cost(self) -> Floats:
        return np.asarray(self.sums[0])

    @property
    def use(self) -> Floats:
        return np.asarray(self.sums[2:])

    @property
    def names(self) -> float:
        """One more than the largest `server`."""
        return float(self.server.max()) + 1

    def only(self, rows: Ints) -> Layer:
        return Layer(self.options[rows], self.sums[:, rows], self.factor[rows], self.server[rows])


@dataclass(frozen=True, slots=True)
class Table:
    """`limits` names, for each resource, the limit it comes from."""

    layers: tuple[Layer, ...]
    weight: float
    limits: tuple[str, ...]
    ceilings: Floats

    @property
    def hopeless(self) -> bool:
        """Whether a stage has no option left."""
        return not all(len(layer.options) for layer in self.layers)


def tabulate(problem: Problem, *, also: Sequence[Limit] = ()) -> Table | None:
    """The problem as layers, less what cannot be in the best plan; None if its graph has too many paths.

    `also` are limits to keep account of beside those in force.
    """
    if _path_count(problem.stages) > MOST_PATHS:
        return None
    names, uses, ceilings = [], [], []
    for limit in (*limits_of(problem), *also):
        for columns, ceiling in _sums(problem, limit):
            names.append(limit.name)
            uses.append(columns)
            ceilings.append(ceiling + ROUNDING * max(1.0, abs(ceiling)))
    above_any_batch = 1.0 + sum(int(stage.batch.max()) for stage in problem.stages)
    layers = [
        _layer(stage, gain, [use[s] for use in uses], above_any_batch, problem.limits.replicas)
        for s, (stage, gain) in enumerate(zip(problem.stages, _objective(problem), strict=True))
    ]
    bounds = np.array(ceilings)
    return Table(tuple(_reduced(layers, bounds)), _factor_weight(problem), tuple(names), bounds)


def _objective(problem: Problem) -> list[tuple[Floats, Floats]]:
    """Cost and factor of every option, a pair a stage."""
    weighed = _factor_weight(problem) != 0
    return [
        (
            -worth(problem, stage),
            score_factors(stage, problem.objective.score)[stage.variant_index] if weighed else np.ones(len(stage)),
        )
        for stage in problem.stages
    ]


def _factor_weight(problem: Problem) -> float:
    weights = problem.objective
    return weights.accuracy_weight if is_product(weights.score) else 0.0


def _sums(problem: Problem, limit: Limit) -> Iterator[tuple[list[Floats], float]]:
    """Columns, one a stage, and the ceiling of their sum; several for the latency, none for the replicas."""
    stages, kind = problem.stages, problem.objective.score
    ceiling = limit.bound + TOLERANCE
    match limit.name:
        case "latency":
            for path in _paths(stages):
                yield [stage.delay_s if s in path else np.zeros(len(stage)) for s, stage in enumerate(stages)], ceiling
        case "cores":
            yield [stage.cost_cores for stage in stages], ceiling
        case "cost_per_hour":
            yield [stage.cost_per_hour for stage in stages], ceiling
        case "replicas":
            return
        case "score" if not is_product(kind):
            yield [-additive_score(problem, stage) for stage in stages], TOLERANCE - limit.bound
        case "accuracy" | "score":
            factors = [
                stage.accuracy if limit.name == "accuracy" else score_factors(stage, kind)[stage.variant_index]
                for stage in stages
            ]
            floor = limit.bound - TOLERANCE
            if floor > 0:  # else it always holds
                with np.errstate(divide="ignore"):
                    yield [-np.log(f) for f in factors], float(-np.log(floor))
        case _:
            hardware = limit.name.removeprefix("capacity.")
            counts = problem.capacity[hardware][1]
            yield [capacity_use(stage, hardware, counts) for stage in stages], ceiling


def _layer(
    stage: StageOptions, gain: tuple[Floats, Floats], uses: Sequence[Floats], above_any_batch: float, most: int | None
) -> Layer:
    """All usable options; `most` limits the replicas of each."""
    cost, factor = gain
    weight = stage.cost_cores * above_any_batch + stage.batch
    layer = Layer(np.arange(len(stage)), np.vstack((cost, weight, *uses)), factor, _server_order(stage))
    usable = np.logical_and.reduce(np.isfinite(layer.sums), axis=0) & np.isfinite(stage.delay_s)
    return layer.only(np.flatnonzero(usable & (stage.replicas <= most) if most is not None else usable))


def _server_order(stage: StageOptions) -> Floats:
    """A number per option that orders as the names of the variant and of the hardware, then the cores."""
    variants, hardware = (
        np.array(sorted(range(len(names)), key=names.__getitem__)).argsort()
        for names in (stage.variants, stage.hardware)
    )
    named = variants[stage.variant_index] * len(hardware) + hardware[stage.hardware_index]
    return np.asarray(named * (1.0 + int(stage.cores.max())) + stage.cores)


def _reduced(layers: list[Layer], ceilings: Floats) -> list[Layer]:
    """Without options that break a ceiling next to the smallest of the other stages, and without dominated ones."""
    if not all(len(layer.options) for layer in layers):
        return layers
    least = np.array([np.minimum.reduce(layer.use, axis=1) for layer in layers])
    room = ceilings - (least.sum(axis=0) - least)
    room += ROUNDING * np.maximum(1, np.abs(room))  # the difference of sums rounds too: twice the allowance
    return [_pareto(_fitting(layer, own)) for layer, own in zip(layers, room, strict=True)]


def _fitting(layer: Layer, room: Floats) -> Layer:
    fits = np.logical_and.reduce(layer.use <= room[:, None], axis=0)
    return layer if fits.all() else layer.only(np.flatnonzero(fits))


def _pareto(layer: Layer) -> Layer:
    key = tie_key(layer.sums[1], layer.server)
    return layer.only(undominated(np.vstack((layer.cost, -layer.factor, layer.use)), key))


def _path_count(stages: Sequence[StageOptions]) -> int:
    counts: list[int] = []
    for stage in stages:
        counts.append(sum(counts[i] for i in stage.after) or 1)
    return sum(counts[s] for s in _sinks(stages))


def _sinks(stages: Sequence[StageOptions]) -> list[int]:
    waited_for = {i for stage in stages for i in stage.after}
    return [s for s in range(len(stages)) if s not in waited_for]


def _paths(stages: Sequence[StageOptions]) -> list[frozenset[int]]:
    ending: list[list[frozenset[int]]] = []
    for s, stage in enumerate(stages):
        ending.append([path | {s} for i in stage.after for path in ending[i]] or [frozenset({s})])
    return [path for s in _sinks(stages) for path in ending[s]]
