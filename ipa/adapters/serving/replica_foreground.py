"""`ipa replica`: one replica in this process, of what a config can run."""

from __future__ import annotations

from ipa.adapters.serving.loopback import check_free
from ipa.adapters.serving.runtime import At
from ipa.adapters.serving.runtimes import RUNTIMES
from ipa.domain import Allocation, Config
from ipa.errors import UsageError


def run_replica(config: Config, what: Allocation, at: At) -> None:
    """Serves until SIGTERM or SIGINT. Raises UsageError for what the config lacks, ServingError if it cannot."""
    stages = {stage.name: stage for stage in config.pipeline.stages}
    _check("stage", what.stage, list(stages))
    _check("variant", what.variant, [variant.name for variant in stages[what.stage].variants])
    _check("hardware", what.hardware, list(stages[what.stage].hardware))
    # Before a runtime that logs it and goes on, or shares the port (SO_REUSEPORT).
    for port in (at.http_port, at.grpc_port):
        check_free(port, at.host)
    RUNTIMES[config.serving.runtime].server(config, what).serve(what.variant, at)


def _check(option: str, name: str, known: list[str]) -> None:
    if name not in known:
        raise UsageError(f"--{option} {name}: must be one of {', '.join(known)}")
