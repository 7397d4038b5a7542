"""Ownership against a model that shares no code with it: a flat map of data, and who owns each key."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.kube.api import SYSTEM, Api, Options
from tests.kube.failures import Refused
from tests.kube.ownership import Writer, owners_of
from tests.kube.resources import Object, named
from tests.kube.store import Store

MAPS = named("configmaps")
Owner = tuple[str, str]
Held = dict[str, tuple[str, set[Owner]]]  # key → value and its owners

_KEYS, _VALUES, _NAMES = st.sampled_from("abc"), st.sampled_from("12"), st.sampled_from(["one", "two", "three"])
_STEPS = st.lists(
    st.tuples(
        st.sampled_from(["apply", "force", "merge"]),
        _NAMES,
        st.dictionaries(_KEYS, _VALUES, max_size=3),
    ),
    max_size=8,
)


def _model_apply(held: Held, name: str, data: dict[str, str], force: bool) -> Held | None:
    """None where it conflicts."""
    me = (name, "Apply")
    clash = [k for k, v in data.items() if k in held and held[k][0] != v and held[k][1] - {me}]
    if clash and not force:
        return None
    result: Held = {}
    for key, (value, owners) in held.items():
        if key in data:
            result[key] = (data[key], (owners if value == data[key] else set()) | {me})
        elif owners != {me}:
            result[key] = (value, owners - {me})
    return result | {key: (value, {me}) for key, value in data.items() if key not in held}


def _model_merge(held: Held, name: str, data: dict[str, str]) -> Held:
    changed = {key: (value, {(name, "Update")}) for key, value in data.items() if held.get(key, ("",))[0] != value}
    return held | changed


def _real(api: Api, kind: str, name: str, data: dict[str, str]) -> bool:
    """Whether the write went through."""
    options = Options(name, force="force" if kind == "force" else "refuse")
    if kind == "merge":
        api.patch(MAPS, "n", "m", "application/merge-patch+json", {"data": data}, options)
        return True
    body: Object = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"}}
    try:
        api.apply(MAPS, "n", "m", body | ({"data": data} if data else {}), options)
    except Refused as refused:
        assert (refused.code, refused.reason) == (409, "Conflict")
        return False
    return True


def _seen(o: Object) -> Held:
    data: dict[str, Any] = o.get("data") or {}
    owners = owners_of(o)

    def of(key: str) -> set[Owner]:
        paths = ("f:data", f"f:{key}")
        return {(w.manager, w.operation) for w, (held, _) in owners.items() if isinstance(w, Writer) and paths in held}

    return {key: (value, of(key)) for key, value in data.items()}


@settings(deadline=None, max_examples=60)
@given(_STEPS)
def test_any_run_of_writes_leaves_the_values_and_owners_of_the_model(steps: list[tuple[str, str, Any]]) -> None:
    api = Api(Store())
    api.create(named("namespaces"), "", {"metadata": {"name": "n"}}, SYSTEM)
    api.create(MAPS, "n", {"metadata": {"name": "m"}}, SYSTEM)
    held: Held = {}
    for kind, name, data in steps:
        model = _model_merge(held, name, data) if kind == "merge" else _model_apply(held, name, data, kind == "force")
        assert _real(api, kind, name, data) == (model is not None)
        held = held if model is None else model
        assert _seen(api.get(MAPS, "n", "m")) == held
