from __future__ import annotations

import re
from typing import Any

import kubernetes_validate
import yaml

from ipa.adapters.kubernetes import names
from tests.manifests.rendered import CONFIGS, ROOT, objects, of_kind

README = (ROOT / "README.md").read_text()
DIGITS = next(path for path in CONFIGS if path.stem == "digits")


def shown(kind: str) -> dict[str, Any]:
    (text,) = [text for text in re.findall(r"```yaml\n(.*?)```", README, re.DOTALL) if f"kind: {kind}\n" in text]
    found: dict[str, Any] = yaml.safe_load(text)
    return found


def test_the_cron_job_of_the_readme_is_valid_and_uses_what_is_rendered() -> None:
    job = shown("CronJob")
    kubernetes_validate.validate(job, kubernetes_validate.latest_version(), strict=True)
    template = job["spec"]["jobTemplate"]["spec"]["template"]
    spec = template["spec"]
    rendered = objects(DIGITS)
    assert spec["serviceAccountName"] in {each["metadata"]["name"] for each in of_kind(rendered, "ServiceAccount")}
    assert spec["volumes"][0]["configMap"]["name"] in {e["metadata"]["name"] for e in of_kind(rendered, "ConfigMap")}
    labels = names.labels("digits", names.CONTROLLER)
    assert template["metadata"]["labels"].items() <= labels.items()
    (container,) = spec["containers"]
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert spec["securityContext"]["runAsNonRoot"] is True
