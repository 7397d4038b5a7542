"""What the stages of a rehearsal take and return, so that they fit each other in any graph. Pure.

Every stage hands one FP32 tensor on, and draws the tensors that branches test. Two stages that may both run for a
request return it under different names, since a join takes both and an answer may hold both; stages of which one runs
in the other's place, or hands on what the other returned, share a name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count

from ipa.dataplane.graph import Node
from ipa.dataplane.joints import pipeline_model
from ipa.dataplane.protocol import ModelMetadata
from ipa.dataplane.tensors import TensorSpec
from ipa.domain import Pipeline, Stage
from ipa.errors import ServingError, Violation

INPUT = "input"
SHARE_TOLERANCE = 1e-9

Conditions = Mapping[tuple[str, str], float]
"""(stage, tensor) → the value it must have returned."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """A tensor that branches test: `shares` of the requests get its values, all others `otherwise`."""

    name: str
    shares: tuple[tuple[float, float], ...]
    otherwise: float


@dataclass(frozen=True, slots=True)
class StageTensors:
    """FP32 [-1, 1] each; `drawn` are FP64, which holds any number or boolean that a `when` can name."""

    takes: tuple[str, ...]
    returns: str
    drawn: tuple[Drawn, ...]

    def metadata(self, name: str) -> ModelMetadata:
        takes = tuple(TensorSpec(each, "FP32", (-1, 1)) for each in self.takes)
        drawn = (TensorSpec(each.name, "FP64", (-1, 1)) for each in self.drawn)
        return ModelMetadata(name, takes, (TensorSpec(self.returns, "FP32", (-1, 1)), *drawn))


def stage_tensors(stages: Sequence[Stage]) -> dict[str, StageTensors]:
    """By stage; each is listed after those it waits for."""
    names = _names(stages)
    return {
        stage.name: StageTensors(
            tuple(dict.fromkeys(names[before] for before in stage.after)) or (INPUT,),
            names[stage.name],
            tuple(_drawn(stage, stages)),
        )
        for stage in stages
    }


def tensor_problems(pipeline: Pipeline) -> Iterator[Violation]:
    """Shares that cannot be, and graphs whose stages no models could fit, by the router's own judgement."""
    for stage in pipeline.stages:
        for drawn in _drawn(stage, pipeline.stages):
            if (total := sum(share for _, share in drawn.shares)) > 1 + SHARE_TOLERANCE:
                rule = f"the branches on {drawn.name!r} of {stage.name} are taken by {total:g} of its requests, above 1"
                yield Violation("stages.visits", rule)
    models = {name: tensors.metadata(name) for name, tensors in stage_tensors(pipeline.stages).items()}
    try:
        pipeline_model(pipeline.name, [Node(s.name, s.after, s.when) for s in pipeline.stages], models)
    except ServingError as error:
        yield Violation("stages", f"no models fit this graph: {error}")


# --- branches ------------------------------------------------------------------------------------------------


def _tested_by(stage: Stage, by_name: Mapping[str, Stage]) -> str:
    """Which of those before it returns what its `when` tests: the one that most requests visit."""
    return max(stage.after, key=lambda name: by_name[name].visits)


def _drawn(stage: Stage, stages: Sequence[Stage]) -> Iterator[Drawn]:
    """A branch is taken with probability visits / visits of the stage before."""
    by_name = {each.name: each for each in stages}
    shares: dict[str, dict[float, float]] = {}
    for other in stages:
        if other.when is not None and _tested_by(other, by_name) == stage.name:
            values = shares.setdefault(other.when.output, {})
            value = float(other.when.equals)
            values[value] = max(values.get(value, 0.0), other.visits / stage.visits)
    for name, values in shares.items():
        yield Drawn(name, tuple(values.items()), next(float(n) for n in count() if n not in values))


# --- names ---------------------------------------------------------------------------------------------------


def _names(stages: Sequence[Stage]) -> dict[str, str]:
    """stage → what it hands on is called; the first name that no earlier stage has with which it could meet."""
    conditions = _conditions(stages)
    before = _before(stages)
    names: dict[str, str] = {}
    for stage in stages:
        met = {
            names[other]
            for other in names
            if not _exclude(conditions[stage.name], conditions[other])
            and (other not in before[stage.name] or any({stage.name, other} <= set(each.after) for each in stages))
        }
        free = (INPUT if n == 1 else f"{INPUT}{n}" for n in count(1))
        names[stage.name] = next(name for name in free if name not in met)
    return names


def _exclude(one: Conditions, other: Conditions) -> bool:
    return any(one[tested] != other[tested] for tested in one.keys() & other.keys())


def _conditions(stages: Sequence[Stage]) -> dict[str, Conditions]:
    """What must hold for each stage to run: its own `when`, and what all the stages it waits for have in common."""
    by_name = {stage.name: stage for stage in stages}
    found: dict[str, Conditions] = {}
    for stage in stages:
        rows = [found[name].items() for name in stage.after]
        common = dict(set(rows[0]).intersection(*rows[1:])) if rows else {}
        if stage.when is not None:
            common[_tested_by(stage, by_name), stage.when.output] = float(stage.when.equals)
        found[stage.name] = common
    return found


def _before(stages: Sequence[Stage]) -> dict[str, set[str]]:
    """All stages on a way to each."""
    found: dict[str, set[str]] = {}
    for stage in stages:
        found[stage.name] = set(stage.after).union(*(found[name] for name in stage.after))
    return found
