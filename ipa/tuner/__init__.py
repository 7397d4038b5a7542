"""Tune: arrivals of the last minute → replicas, between two decisions of the optimiser (InferLine, §5).

A plan is made for a sample of arrivals. The tuner compares the envelope of what comes with that of the sample and
changes replicas alone: more at once, fewer only after a while. Each rule is one file and one line here.

    planned   what a plan was made for: the sample's envelope, and what its stages carry
    ratio     as many times the planned replicas as the envelope is of the planned one
    literal   the paper's rule
    tuner     a rule over time: stabilisation, and when to ask for a new plan

Pure: the time and the arrivals are passed in. Nothing here imports the world's ports.
"""

from __future__ import annotations

from collections.abc import Mapping

from ipa.domain import Config
from ipa.tuner import literal, ratio
from ipa.tuner.planned import Planned, planned_for, planned_on
from ipa.tuner.tuner import Rule, Tuner, Wish

RULES: Mapping[str, Rule] = {"ratio": ratio.wanted, "literal": literal.wanted}


def tuner_of(config: Config) -> Tuner | None:
    """The tuner of `control.tuner`, without a plan yet; None is off. Replicas start as the profile says."""
    if config.control.tuner == "off":
        return None
    loads_s = [variant.load_s or 0.0 for stage in config.pipeline.stages for variant in stage.variants]
    return Tuner(RULES[config.control.tuner], max(loads_s, default=0.0) or None)


__all__ = ["RULES", "Planned", "Rule", "Tuner", "Wish", "planned_for", "planned_on", "tuner_of"]
