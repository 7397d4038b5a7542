"""Whether the models of a graph fit each other on every way a request can take, and what the pipeline is then. Pure.

A stage takes each of its inputs from one stage before it; what a stage returns is taken, tested by a `when`, or part of
the answer. Nothing is renamed: two tensors of one name that could meet are an error, found when a plan is put, not when
a request comes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod

from ipa.dataplane.graph import Node
from ipa.dataplane.protocol import ModelMetadata
from ipa.dataplane.tensors import TensorSpec
from ipa.errors import ServingError

MOST_WAYS = 4096

Scalar = bool | int | float
Models = Mapping[str, ModelMetadata]


@dataclass(frozen=True, slots=True)
class _Output:
    """One tensor that one stage returns."""

    stage: str
    tensor: str


def pipeline_model(pipeline: str, nodes: Sequence[Node], models: Models) -> ModelMetadata:
    """The whole as one model; `models` has every stage's. Raises ServingError if they do not fit.

    Its outputs are those of all ways: an answer holds the outputs of the way its request took.
    """
    tests = {node.name: _tested(node, node.when.output, models) for node in nodes if node.when is not None}
    used = set(tests.values())
    ends: set[str] = set()
    for way in _ways(nodes, tests):
        for node in nodes:
            if node.name in way and node.after:
                used |= _inputs(node, [name for name in node.after if name in way], models)
        last = _last(nodes, way)
        used |= _answer(last, models)
        ends |= set(last)
    _check_all_used(nodes, models, used)
    sources = (models[node.name].inputs for node in nodes if not node.after)
    answers = (models[node.name].outputs for node in nodes if node.name in ends)
    return ModelMetadata(pipeline, _merged(sources, "input"), _merged(answers, "output"))


def check_alike(stage: str, models: Mapping[str, ModelMetadata]) -> None:
    """Raises ServingError unless all replicas of a stage (id → model) take and return the same, shapes aside."""
    first, *others = models
    for other in others:
        if _signature(models[other]) != _signature(models[first]):
            raise ServingError(
                f"stage {stage!r}: replica {first!r} {_signature(models[first])}, "
                f"but replica {other!r} {_signature(models[other])}"
            )


def can_merge(model: ModelMetadata) -> bool:
    """Whether the model takes and returns any number of rows."""
    return all(tensor.shape[0] == -1 for tensor in (*model.inputs, *model.outputs))


def _signature(model: ModelMetadata) -> str:
    return f"takes {_datatypes(model.inputs)} and returns {_datatypes(model.outputs)}"


def _datatypes(tensors: Iterable[TensorSpec]) -> dict[str, str]:
    return {tensor.name: tensor.datatype for tensor in sorted(tensors, key=lambda tensor: tensor.name)}


# --- the ways ----------------------------------------------------------------------------------------------------


def _ways(nodes: Sequence[Node], tests: Mapping[str, _Output]) -> Iterator[frozenset[str]]:
    """Every set of stages that can run for one request: each tested tensor has one of the values asked for, or none."""
    values: dict[_Output, list[Scalar | None]] = {output: [None] for output in tests.values()}
    for node in nodes:
        if node.when is not None and node.when.equals not in values[tests[node.name]]:
            values[tests[node.name]].append(node.when.equals)
    if (count := prod(len(known) for known in values.values())) > MOST_WAYS:
        raise ServingError(f"the branches make {count} ways through the pipeline; at most {MOST_WAYS} can be checked")
    found: set[frozenset[str]] = set()
    for chosen in product(*values.values()):
        way = _way(nodes, tests, dict(zip(values, chosen, strict=True)))
        if way not in found:
            found.add(way)
            yield way


def _way(
    nodes: Sequence[Node], tests: Mapping[str, _Output], values: Mapping[_Output, Scalar | None]
) -> frozenset[str]:
    ran: set[str] = set()
    for node in nodes:
        if node.when is None:
            taken = not node.after or any(name in ran for name in node.after)
        else:
            tested = tests[node.name]
            taken = tested.stage in ran and values[tested] == node.when.equals
        if taken:
            ran.add(node.name)
    return frozenset(ran)


def _last(nodes: Sequence[Node], way: frozenset[str]) -> list[str]:
    went_on = {name for node in nodes if node.name in way for name in node.after}
    return [node.name for node in nodes if node.name in way and node.name not in went_on]


# --- the tensors -------------------------------------------------------------------------------------------------


def _tested(node: Node, tensor: str, models: Models) -> _Output:
    givers = _givers(tensor, node.after, models)
    if len(givers) != 1:
        rule = f"exactly one of {list(node.after)} must return it, not {givers or 'none'}"
        raise ServingError(f"stage {node.name!r} has a branch on the output {tensor!r}: {rule}")
    return _Output(givers[0], tensor)


def _inputs(node: Node, before: Sequence[str], models: Models) -> set[_Output]:
    """Where each input of a stage comes from if `before` ran."""
    used = set()
    for wanted in models[node.name].inputs:
        givers = _givers(wanted.name, before, models)
        if len(givers) != 1:
            got = f"{givers} return it all at once" if givers else f"{list(before)} do not return it"
            raise ServingError(f"stage {node.name!r} takes {wanted.name!r}, but {got}")
        (given,) = (tensor for tensor in models[givers[0]].outputs if tensor.name == wanted.name)
        if given.datatype != wanted.datatype:
            took = f"takes {wanted.name!r} as {wanted.datatype}"
            raise ServingError(f"stage {node.name!r} {took}, but {givers[0]!r} returns {given.datatype}")
        used.add(_Output(givers[0], wanted.name))
    return used


def _answer(last: Sequence[str], models: Models) -> set[_Output]:
    used = {_Output(stage, tensor.name) for stage in last for tensor in models[stage].outputs}
    for output in used:
        if len(givers := _givers(output.tensor, last, models)) > 1:
            raise ServingError(f"the answer would hold the output {output.tensor!r} of {givers} at once")
    return used


def _givers(tensor: str, stages: Iterable[str], models: Models) -> list[str]:
    return [stage for stage in stages if any(output.name == tensor for output in models[stage].outputs)]


def _check_all_used(nodes: Sequence[Node], models: Models, used: set[_Output]) -> None:
    for node in nodes:
        for tensor in models[node.name].outputs:
            if _Output(node.name, tensor.name) not in used:
                after = [other.name for other in nodes if node.name in other.after]
                raise ServingError(f"stage {node.name!r} returns {tensor.name!r}, which none of {after} takes")


def _merged(parts: Iterable[Sequence[TensorSpec]], side: str) -> tuple[TensorSpec, ...]:
    """The tensors of all parts, each name once; where two differ in a size it is left open."""
    found: dict[str, TensorSpec] = {}
    for tensor in (tensor for part in parts for tensor in part):
        other = found.setdefault(tensor.name, tensor)
        if (tensor.datatype, len(tensor.shape)) != (other.datatype, len(other.shape)):
            shown = [f"{each.datatype}{list(each.shape)}" for each in (other, tensor)]
            raise ServingError(f"the {side} {tensor.name!r} of the pipeline is both {shown[0]} and {shown[1]}")
        sizes = (a if a == b else -1 for a, b in zip(other.shape, tensor.shape, strict=True))
        found[tensor.name] = TensorSpec(tensor.name, tensor.datatype, tuple(sizes))
    return tuple(found.values())
