"""What an autoscaler is told about a stage: one sample a second, and nothing of the model or of the trace."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Load:
    """A stage between the last sample and `at_s`.

    `replicas` are those that can serve at `at_s`, `busy` the mean number of replicas at work, `concurrency` the mean
    number of requests in the stage, waiting or in service.
    """

    at_s: float
    replicas: int
    busy: float
    concurrency: float
