"""How often each stage of a running pipeline was visited, from what its router counts (`ipa profile --visits`).

visits = requests that the stage answered / requests that the pipeline answered (InferLine's scale factor s_m). What was
dropped or has failed on its way was answered by some stages only: it is reported, for the visits are less sure then.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import httpx

from ipa.adapters.state import RunState
from ipa.domain import Pipeline
from ipa.errors import Unavailable

_TIMEOUT_S = 5.0
_LINE = re.compile(r'^(?P<name>ipa_\w+)(?:\{(?:[^}]*,)?(?:stage)="(?P<stage>[^"]*)"[^}]*\}|\{[^}]*\})? (?P<value>\S+)$')


@dataclass(frozen=True, slots=True)
class Visited:
    """One stage: what the config says, and what was counted; `visits` is None before the first answer."""

    stage: str
    configured: float
    answered: int
    visits: float | None


@dataclass(frozen=True, slots=True)
class Visits:
    """Since the router started. `lost`: requests without an answer, those under way among them."""

    answered: int
    lost: int
    stages: tuple[Visited, ...]


def read_visits(state: RunState, pipeline: Pipeline) -> Visits:
    """Asks the router. Raises Unavailable."""
    url = f"{state.url}/metrics"
    try:
        response = httpx.get(url, timeout=_TIMEOUT_S, trust_env=False)
    except httpx.TransportError as error:
        raise Unavailable(f"GET {url}: {error or type(error).__name__}") from error
    if response.status_code != 200:
        raise Unavailable(f"GET {url}: {response.status_code} {response.text[:200]}")
    return visits_of(response.text, pipeline)


def visits_of(metrics: str, pipeline: Pipeline) -> Visits:
    """Of the text of GET /metrics."""
    counted = _counts(metrics)
    answered = int(counted.get(("ipa_answers_total", ""), 0))
    stages = []
    for stage in pipeline.stages:
        own = int(counted.get(("ipa_stage_latency_seconds_count", stage.name), 0))
        stages.append(Visited(stage.name, stage.visits, own, own / answered if answered else None))
    received = int(counted.get(("ipa_requests_total", ""), 0))
    return Visits(answered, max(0, received - answered), tuple(stages))


def _counts(metrics: str) -> Mapping[tuple[str, str], float]:
    """By name and stage; "" where a series has none."""
    found = (_LINE.match(line) for line in metrics.splitlines())
    return {(m["name"], m["stage"] or ""): float(m["value"]) for m in found if m is not None}
