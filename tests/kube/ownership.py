"""Who manages which field: server-side apply, and what every other write does to `managedFields`.

https://kubernetes.io/docs/reference/using-api/server-side-apply/
The algorithm is that of sigs.k8s.io/structured-merge-diff (merge/update.go): merge, take away what the manager no
longer applies and nobody else owns, compare with the live object; what changed and another manager owns is a conflict.
"""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass

from tests.kube import conformance, failures, fieldsets, merging, schema
from tests.kube.fieldsets import Path, Paths
from tests.kube.resources import Object, Resource

Owners = dict["Writer", tuple[Paths, str]]  # what each owns, and since when


@dataclass(frozen=True, slots=True)
class Writer:
    """Who writes: one entry of managedFields; applying and updating under one name are two owners."""

    manager: str
    operation: str
    api_version: str
    subresource: str = ""


def owners_of(live: Object) -> Owners:
    owners: Owners = {}
    for entry in live.get("metadata", {}).get("managedFields", []):
        writer = Writer(entry["manager"], entry["operation"], entry["apiVersion"], entry.get("subresource", ""))
        owners[writer] = (fieldsets.from_fields_v1(entry["fieldsV1"]), entry["time"])
    return owners


def written(resource: Resource, live: Object, new: Object, writer: Writer, now: str) -> Object:
    """`new` with its managedFields after a write that is not an apply: it owns what it changed, others lose that."""
    shape = schema.of(resource.schema)
    before, after = _unlike(live, new)
    changed, removed = fieldsets.differences(shape, before, after)
    old_branches, new_branches = (frozenset(fieldsets.branches(shape, o)) for o in (before, after))
    changed, removed = changed | (new_branches - old_branches), removed | (old_branches - new_branches)
    owners = _without(owners_of(live), changed | removed, keep=writer)
    held = owners.get(writer, (frozenset(), now))[0]
    if changed or removed:
        owners[writer] = ((held - removed) | changed, now)
    return _with_owners(new, owners)


def _unlike(live: Object, new: Object) -> tuple[Object, Object]:
    """Both without the fields at the top that are alike: most writes touch the status or the spec alone."""
    names = [name for name in {**live, **new} if live.get(name) != new.get(name)]
    return {n: live[n] for n in names if n in live}, {n: new[n] for n in names if n in new}


def applied(resource: Resource, live: Object, config: Object, writer: Writer, force: str, now: str) -> Object:
    """The object after a server-side apply. `force` is "force" or "refuse". Errors: 409 with every conflict a cause."""
    shape = schema.of(resource.schema)
    conformance.check_applied(resource, config)
    owners = owners_of(live)
    last = owners.get(writer, (frozenset(), now))[0]
    wanted = frozenset(fieldsets.leaves(shape, config))
    new = merging.merged(shape, live, config)
    others = {other: held for other, (held, _) in owners.items() if other != writer}
    _prune(resource, new, last - wanted, frozenset().union(wanted, *others.values()))
    changed, removed = fieldsets.differences(shape, live, new)
    taken = {other: held & changed for other, held in others.items() if held & changed}
    if taken and force != "force":
        raise _conflicts(taken)
    owners = _without(owners, changed | removed, keep=writer)
    since = now if changed or removed or wanted != last else owners.get(writer, (last, now))[1]
    owners[writer] = (wanted, since)
    return _with_owners(new, owners)


def _prune(resource: Resource, new: Object, dropped: Paths, owned: Paths) -> None:
    shape = schema.of(resource.schema)
    for path in sorted(dropped, key=len):
        if not fieldsets.owns(owned, path) and not _is_key(path):
            merging.without(new, shape, path)


def _is_key(path: Path) -> bool:
    """A field that identifies its list item stays as long as the item does."""
    return len(path) > 1 and path[-2].startswith("k:") and path[-1][2:] in json.loads(path[-2][2:])


def _without(owners: Owners, lost: Paths, keep: Writer) -> Owners:
    left = {writer: (held if writer == keep else held - lost, at) for writer, (held, at) in owners.items()}
    return {writer: (held, at) for writer, (held, at) in left.items() if held}


def _with_owners(new: Object, owners: Owners) -> Object:
    result = copy.copy(new)
    result["metadata"] = dict(new["metadata"])
    entries = [_entry(writer, held, at) for writer, (held, at) in owners.items() if held]
    result["metadata"]["managedFields"] = sorted(entries, key=lambda entry: (entry["operation"], entry["time"]))
    return result


def _entry(writer: Writer, held: Paths, at: str) -> Object:
    entry: Object = {
        "manager": writer.manager,
        "operation": writer.operation,
        "apiVersion": writer.api_version,
        "time": at,
        "fieldsType": "FieldsV1",
        "fieldsV1": fieldsets.to_fields_v1(held),
    }
    return entry | ({"subresource": writer.subresource} if writer.subresource else {})


def _conflicts(taken: dict[Writer, Paths]) -> failures.Refused:
    pairs = [(writer, path) for writer in sorted(taken, key=_said) for path in sorted(taken[writer])]
    causes = [
        {
            "reason": "FieldManagerConflict",
            "message": f"conflict with {_said(writer)}",
            "field": fieldsets.readable(path),
        }
        for writer, path in pairs
    ]
    return failures.Refused(409, "Conflict", _conflict_message(pairs), {"causes": causes})


def _conflict_message(pairs: list[tuple[Writer, Path]]) -> str:
    if len(pairs) == 1:
        writer, path = pairs[0]
        return f"Apply failed with 1 conflict: conflict with {_said(writer)}: {fieldsets.readable(path)}"
    lines: dict[str, list[str]] = {}
    for writer, path in pairs:
        lines.setdefault(_said(writer), []).append(f"- {fieldsets.readable(path)}")
    said = [line for who, paths in lines.items() for line in (f"conflicts with {who}:", *paths)]
    return f"Apply failed with {len(pairs)} conflicts: " + "\n".join(said)


def _said(writer: Writer) -> str:
    words = json.dumps(writer.manager)
    if writer.subresource:
        words += f" with subresource {json.dumps(writer.subresource)}"
    return f"{words} using {writer.api_version}" if writer.operation == "Update" else words
