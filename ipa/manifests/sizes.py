"""How many pods of which size each Deployment has: the fields that the controller sets once it runs.

Rendering them again would fight the controller, leaving them out would let the server fall back to its defaults: one
replica of every variant (kubernetes.io/docs/concepts/workloads/controllers/deployment/#replicas: ".spec.replicas …
defaults to 1"), since a field that its only applier drops is removed
(kubernetes.io/docs/reference/using-api/server-side-apply/#field-management). So they are always rendered:

- at first with the start plan. Applied again once the controller has changed them, that is a conflict, which the
  server refuses naming the field (…/server-side-apply/#conflicts): nothing is ever reset.
- later with what runs (`--live`). Equal values are no conflict, both then own the field
  (…/server-side-apply/#field-management, "Shared field owners"), and the controller's next change takes it back. If it
  changes in between, the server refuses as above, and one renders again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ipa.adapters.kubernetes.names import Server
from ipa.adapters.kubernetes.way import Size
from ipa.domain import Pipeline, Plan


def sizes(pipeline: Pipeline, plan: Plan, live: Mapping[Server, Size]) -> dict[Server, Size]:
    """Every server that may be chosen: as it runs, else as in the plan, else at 0 replicas of the fewest cores."""
    planned = {Server(a.stage, a.variant, a.hardware): Size(a.replicas, a.cores) for a in plan.allocations}
    found = {}
    for server, cores in _fewest_cores(pipeline):
        found[server] = live.get(server) or planned.get(server) or Size(0, cores)
    return found


def _fewest_cores(pipeline: Pipeline) -> Iterator[tuple[Server, int]]:
    """In the order of the config; a variant that nobody measured on a kind of hardware cannot be chosen there."""
    for stage in pipeline.stages:
        for variant in stage.variants:
            for hardware in stage.hardware:
                server = Server(stage.name, variant.name, hardware)
                cores = [m.cores for m in pipeline.measurements if (m.stage, m.variant, m.hardware) == server]
                if cores:
                    yield server, min(cores)
