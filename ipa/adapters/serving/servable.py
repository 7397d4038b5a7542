"""What serving on this machine cannot do yet, refused by name before anything is started."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ipa.adapters.serving.runtimes import RUNTIMES
from ipa.domain import Config
from ipa.errors import ConfigError, Violation


def check_servable(config: Config, source: str) -> None:
    """Raises ConfigError with all that keeps `config` (read from `source`) from being served here."""
    problems = [*_setting_problems(config), *_graph_problems(config), *_runtime_problems(config)]
    if problems:
        raise ConfigError(source, problems)


def check_routable(config: Config, source: str) -> None:
    """Raises ConfigError with all that keeps `config` from being routed, whoever runs its replicas."""
    problems = list(_graph_problems(config))
    if problems:
        raise ConfigError(source, problems)


def _setting_problems(config: Config) -> Iterator[Violation]:
    if config.cluster.kind != "local":
        yield Violation("cluster.kind", f"{config.cluster.kind!r} is not served by this command: only local is")


def _runtime_problems(config: Config) -> Iterable[Violation]:
    runtime = config.serving.runtime
    if runtime not in RUNTIMES:
        return [Violation("serving.runtime", f"{runtime!r} is not known: one of {', '.join(RUNTIMES)}")]
    return RUNTIMES[runtime].problems(config)


def _graph_problems(config: Config) -> Iterator[Violation]:
    """The router sends a request through a stage once, or not at all where a branch lies on the way."""
    conditional: set[str] = set()
    for i, stage in enumerate(config.pipeline.stages):
        if stage.when is not None or (stage.after and conditional.issuperset(stage.after)):
            conditional.add(stage.name)
        elif stage.visits != 1.0:
            rule = "every request visits this stage once, as no branch (`when`) leads to it"
            yield Violation(f"stages[{i}].visits", f"{stage.visits:g}: {rule}")
        if stage.visits > 1.0 and stage.name in conditional:
            yield Violation(f"stages[{i}].visits", f"{stage.visits:g}: a request visits a stage once at most")
