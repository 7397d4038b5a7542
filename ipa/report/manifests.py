"""`ipa manifests`: objects as the documents that kubectl takes."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any


def show(objects: Sequence[dict[str, Any]], output: str) -> None:
    """A YAML document an object, or one JSON list of them; kubectl reads either."""
    if output == "json":
        document = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
        sys.stdout.write(json.dumps(document, indent=2) + "\n")
        return
    sys.stdout.write(as_yaml(objects))


def as_yaml(objects: Sequence[dict[str, Any]]) -> str:
    import yaml

    class Dumper(yaml.SafeDumper):
        """Texts of several lines as they are, and no anchors, which kubectl's readers of diffs trip over."""

        def ignore_aliases(self, _data: Any) -> bool:
            return True

    def text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
        style = "|" if "\n" in value else None
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)

    Dumper.add_representer(str, text)
    return yaml.dump_all(objects, Dumper=Dumper, sort_keys=False, allow_unicode=True, explicit_start=True, width=120)
