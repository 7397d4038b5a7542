"""Model files of trained predictors: those that come with ipa, and others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

from ipa.adapters.trace_files import write_bytes
from ipa.domain import ForecastSettings
from ipa.errors import UsageError
from ipa.forecast import PREDICTORS
from ipa.forecast.contenders import Contender
from ipa.forecast.model_file import ModelFile, parse, serialise


def model_content(predictor: str, file: Path | None = None) -> bytes | None:
    """What `predictor` is made from: `file`, else the one that comes with ipa; None for who needs none, or is unknown.

    Raises UsageError for a file that cannot be read.
    """
    entry = PREDICTORS.get(predictor)
    if entry is None or entry.model is None:
        return None
    if file is None:
        return (resources.files("ipa.forecast") / "models" / entry.model).read_bytes()
    try:
        return file.read_bytes()
    except OSError as error:
        raise UsageError(f"{file}: cannot be read: {error.strerror}") from error


def forecast_with(settings: ForecastSettings, text: str) -> ForecastSettings:
    """`settings` with P or P@QUANTILE in place of predictor and quantile. Raises UsageError."""
    name, at, share = text.partition("@")
    if name not in PREDICTORS:
        raise UsageError(f"--predictor {text!r}: must be P or P@QUANTILE, P one of {', '.join(PREDICTORS)}")
    try:
        quantile = float(share) if at else None
    except ValueError:
        quantile = -1.0
    if quantile is not None and not 0 < quantile < 1:
        raise UsageError(f"--predictor {text!r}: {share!r} must be a quantile between 0 and 1, both excluded")
    if settings.window_s < PREDICTORS[name].history_s:
        rule = f"needs at least {PREDICTORS[name].history_s} s, forecast.window is {settings.window_s:g} s"
        raise UsageError(f"--predictor {text!r}: {name} {rule}")
    return replace(settings, predictor=name, quantile=quantile, model=model_content(name))


def contenders(names: Sequence[str] | None, files: Sequence[str], *, elsewhere: bool) -> dict[str, Contender]:
    """Those of `names`, by default all that need not know the future. `files`: P=FILE, what P was trained to, on the
    trace that it is compared on unless `elsewhere`.

    Raises UsageError for names, and ConfigError for files, that do not fit.
    """
    known = [name for name in PREDICTORS if name != "oracle"]
    chosen = known if names is None else list(names)
    if unknown := [name for name in chosen if name not in known]:
        raise UsageError(f"--predictor {unknown[0]!r}: is not one of {', '.join(known)}")
    file_of: dict[str, Path] = {}
    for text in files:
        name, equals, file = text.partition("=")
        if not equals or not file or name not in chosen or PREDICTORS[name].model is None:
            trained = [each for each in chosen if PREDICTORS[each].model is not None]
            raise UsageError(
                f"--model {text!r}: must be P=FILE, P one of {', '.join(trained) or 'none: no trained one'}"
            )
        file_of[name] = Path(file)
    return {name: _contender(name, file_of.get(name), elsewhere=elsewhere) for name in chosen}


def _contender(name: str, file: Path | None, *, elsewhere: bool) -> Contender:
    content = model_content(name, file)
    model = None if content is None else parse(content, name)
    return Contender(PREDICTORS[name].make(content), model, trained_here=file is not None and not elsewhere)


def write_model(path: Path, model: ModelFile) -> dict[str, Any]:
    """What was written, as a document. Raises UsageError."""
    content = serialise(model)
    write_bytes(path, content)
    split = model.split
    return {
        "file": str(path),
        "predictor": model.predictor,
        "seed": model.seed,
        "fitted": [split.start_s, split.held_back_s],
        "held_back": [split.held_back_s, split.end_s],
        "horizons_s": list(model.horizons_s),
        "dampings": list(model.dampings),
        "made_with": model.made_with,
        "counts_sha256": model.counts_sha256,
        "bytes": len(content),
    }
