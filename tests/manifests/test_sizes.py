from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from ipa.adapters.files import load_config
from ipa.adapters.kubernetes.names import Server
from ipa.adapters.kubernetes.way import Size
from ipa.manifests import sizes
from tests.manifests.rendered import CONFIGS, smallest_plan

CONFIG = load_config(next(path for path in CONFIGS if path.stem == "video"))
PIPELINE = CONFIG.pipeline
SERVERS = [Server(s.name, v.name, h) for s in PIPELINE.stages for v in s.variants for h in s.hardware]
SIZE = st.builds(Size, st.integers(0, 50), st.integers(1, 64))


@given(st.dictionaries(st.sampled_from([*SERVERS, Server("gone", "v", "cpu")]), SIZE))
@settings(deadline=None, max_examples=60)
def test_what_runs_is_rendered_as_it_runs_and_the_rest_as_planned(live: dict[Server, Size]) -> None:
    planned = {Server(a.stage, a.variant, a.hardware): a for a in smallest_plan(CONFIG).allocations}
    found = sizes(PIPELINE, smallest_plan(CONFIG), live)
    assert list(found) == SERVERS
    for server, size in found.items():
        if server in live:
            assert size == live[server]
        elif server in planned:
            assert size == Size(planned[server].replicas, planned[server].cores)
        else:
            profiled = {m.cores for m in PIPELINE.measurements if (m.stage, m.variant, m.hardware) == server}
            assert size == Size(0, min(profiled))
