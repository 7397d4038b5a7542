"""A config and the sizes its pods start with → the Kubernetes objects of a pipeline, as plain dicts. Pure.

`render` is the door. Applied by `kubectl apply --server-side --field-manager=ipa-manifests -f -`; what the controller
sets from then on (replicas, resources, IPA_CORES) is said in `sizes`.
"""

from ipa.manifests.config_map import mounted
from ipa.manifests.render import render
from ipa.manifests.sizes import sizes
from ipa.manifests.wanted import Images, Wanted, images, namespace_given

__all__ = ["Images", "Wanted", "images", "mounted", "namespace_given", "render", "sizes"]
