"""What serving on this machine cannot do yet, refused by name before anything is started."""

from __future__ import annotations

from collections.abc import Iterator

from ipa.adapters.serving.fleet import model_file
from ipa.domain import Config
from ipa.errors import ConfigError, Violation


def check_servable(config: Config, source: str) -> None:
    """Raises ConfigError with all that keeps `config` (read from `source`) from being served here."""
    problems = [*_setting_problems(config), *_graph_problems(config), *_model_problems(config)]
    if problems:
        raise ConfigError(source, problems)


def _setting_problems(config: Config) -> Iterator[Violation]:
    if config.serving.runtime != "onnx":
        yield Violation("serving.runtime", f"{config.serving.runtime!r} is not built yet: only onnx is")
    if config.router.batching != "greedy":
        yield Violation("router.batching", f"{config.router.batching!r} is not built yet: only greedy is")
    if config.cluster != "local":
        yield Violation("cluster.kind", f"{config.cluster!r} is not served by this command: only local is")


def _graph_problems(config: Config) -> Iterator[Violation]:
    """The router is a straight line: every stage follows the one before it, once per request."""
    before: tuple[str, ...] = ()
    for i, stage in enumerate(config.pipeline.stages):
        if stage.after != before:
            rule = f"{list(stage.after)}: only pipelines in a straight line are served yet, {list(before)} here"
            yield Violation(f"stages[{i}].after", rule)
        if stage.visits != 1.0:
            yield Violation(f"stages[{i}].visits", f"{stage.visits:g}: only 1 visit per request is served yet")
        before = (stage.name,)


def _model_problems(config: Config) -> Iterator[Violation]:
    models = config.serving.models
    if models is None:
        yield Violation("serving.models", "is missing: the folder with the files STAGE/VARIANT.onnx")
        return
    for stage in config.pipeline.stages:
        for variant in stage.variants:
            path = model_file(models, stage.name, variant.name)
            if not path.is_file():
                yield Violation("serving.models", f"{path} is missing, the model of {stage.name}/{variant.name}")
