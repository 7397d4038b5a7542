"""YAML and CSV text → domain. Pure: unknown keys are refused, and all problems are reported at once.

`build` is the door; `ipa.adapters.files` reads the files and hands their text in.
"""

from ipa.config.build import build
from ipa.config.document import parse_yaml
from ipa.config.profile import MeasurementRow, VariantRow, parse_rows
from ipa.config.schema import PipelineSpec, validate

__all__ = [
    "MeasurementRow",
    "PipelineSpec",
    "VariantRow",
    "build",
    "parse_rows",
    "parse_yaml",
    "validate",
]
