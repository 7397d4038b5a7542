"""All objects of a pipeline, in the order in which they are best applied."""

from __future__ import annotations

from ipa.manifests.config_map import config_map
from ipa.manifests.models import disruption_budgets, model_deployments, stage_services
from ipa.manifests.network import network_policies, pod_monitor
from ipa.manifests.objects import Object
from ipa.manifests.own import controller_deployment, router_deployment, router_service
from ipa.manifests.rights import accounts
from ipa.manifests.wanted import Wanted


def render(wanted: Wanted) -> list[Object]:
    """Raises UsageError where the config does not fit into a ConfigMap."""
    return [
        *accounts(wanted),
        config_map(wanted),
        *network_policies(wanted),
        *stage_services(wanted),
        router_service(wanted),
        *model_deployments(wanted),
        router_deployment(wanted),
        controller_deployment(wanted),
        *disruption_budgets(wanted),
        # Last: without the Prometheus operator's definitions it alone is refused.
        *([pod_monitor(wanted)] if wanted.monitored else []),
    ]
