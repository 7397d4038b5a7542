"""The newest decisions as JSON lines in a ConfigMap, so that whoever comes next knows what was decided and why."""

from __future__ import annotations

import json
import logging
import re
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any

from ipa.adapters.kubernetes import names
from ipa.adapters.kubernetes.connection import APPLY_PATCH, Connection, Json, Refused
from ipa.adapters.kubernetes.elector import Elector
from ipa.errors import IpaError

_log = logging.getLogger(__name__)

KEY = "decisions.jsonl"
LARGEST_BYTES = 256 * 1024
PENDING = 100
ATTEMPTS = 5


class ClusterJournal:
    """`append` keeps what could not be written for the next time; only a leader writes."""

    def __init__(self, connection: Connection, pipeline: str, elector: Elector | None) -> None:
        """Without an elector, in a dry run, nothing is written."""
        self._connection = connection
        self._pipeline = pipeline
        self._elector = elector
        self._pending: deque[str] = deque(maxlen=PENDING)
        self._last = ""

    def append(self, document: Mapping[str, Any]) -> None:
        """Records what was applied, and the first turn of each hold and of each failure; the others are no news."""
        said = _said(document)
        news = _is_applied(document) or (said != self._last and (document["apply"] or said.startswith("held")))
        self._last = said
        if self._elector is None or (self._elector.running and not self._elector.leads()):
            return
        if news:
            self._pending.append(as_line(document))
        if self._pending:
            self._flush()

    def close(self) -> None:
        """Nothing is held open."""

    def _flush(self) -> None:
        try:
            write(self._connection, self._pipeline, self._pending)
        except IpaError as error:
            _log.warning("%s: the journal is not written yet: %s", self._pipeline, error)
            return
        self._pending.clear()


def _is_applied(document: Mapping[str, Any]) -> bool:
    return bool((document.get("outcome") or {}).get("applied"))


def _said(document: Mapping[str, Any]) -> str:
    """Reason and outcome without their figures, which differ at every turn."""
    detail = (document.get("outcome") or {}).get("detail", "")
    return re.sub(r"[\d.]+", "#", f"{document['reason']}: {detail}")


def as_line(document: Mapping[str, Any]) -> str:
    return json.dumps(document, allow_nan=False)


def read(connection: Connection, pipeline: str) -> tuple[str, ...]:
    """The lines, oldest first; () where nothing was decided yet. Raises Unavailable or Refused."""
    return _lines(connection.find(_path(connection, pipeline)))


def write(connection: Connection, pipeline: str, lines: Iterable[str]) -> None:
    """Adds lines, and drops the oldest where there are too many. Raises Unavailable or Refused."""
    for _ in range(ATTEMPTS):
        found = connection.find(_path(connection, pipeline))
        try:
            _apply(connection, pipeline, newest((*_lines(found), *lines)), found)
        except Refused as error:
            if error.status != 409:
                raise
            conflict = error
        else:
            return
    raise conflict


def newest(lines: Iterable[str], largest_bytes: int = LARGEST_BYTES) -> tuple[str, ...]:
    """As many of the last lines as fit."""
    kept: deque[str] = deque()
    left = largest_bytes
    for line in reversed(tuple(lines)):
        left -= len(line.encode()) + 1
        if left < 0:
            break
        kept.appendleft(line)
    return tuple(kept)


def _apply(connection: Connection, pipeline: str, lines: Iterable[str], found: Json | None) -> None:
    meta: Json = {"name": names.journal_map(pipeline), "labels": names.labels(pipeline, names.CONTROLLER)}
    if found is not None:
        meta["resourceVersion"] = found["metadata"]["resourceVersion"]
    data = {KEY: "".join(f"{line}\n" for line in lines)}
    body: Json = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data}
    query = {"fieldManager": names.CONTROLLER_MANAGER, "force": "true"}
    connection.patch(_path(connection, pipeline), body, APPLY_PATCH, query)


def _lines(found: Json | None) -> tuple[str, ...]:
    return tuple(((found or {}).get("data") or {}).get(KEY, "").splitlines())


def _path(connection: Connection, pipeline: str) -> str:
    return connection.path("v1", "configmaps", names.journal_map(pipeline))
