"""`serving.runtime`: the registry. A runtime is one file and one line here, and its name in config.schema.RUNTIMES."""

from __future__ import annotations

from collections.abc import Mapping

from ipa.adapters.serving.onnx_runtime import ONNX
from ipa.adapters.serving.runtime import Runtime
from ipa.adapters.serving.sleep_runtime import SLEEP

RUNTIMES: Mapping[str, Runtime] = {"onnx": ONNX, "sleep": SLEEP}
